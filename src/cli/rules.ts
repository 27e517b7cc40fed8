// `--rule`: which rules are looked at, instead of those that a scenario names itself.
import { didYouMean } from "../base/did-you-mean.ts";
import { PagelifeError } from "../base/errors.ts";
import { kernelInvariants } from "../kernel/invariants.ts";
import { kernelLiveness } from "../kernel/liveness.ts";
import type { Scenario } from "../kernel/scenario.ts";

/**
 * A scenario that looks at these rules alone: invariants, and promises that something comes to an end. What it expects
 * is forgotten, since that was said of its own rules. What the code itself fails at is found all the same.
 *
 * @param names Rules of `docs/invariants.md`, or of the scenario; as it is, if there are none.
 * @throws {@link PagelifeError} PL101 if one is not known.
 */
export function withRules(scenario: Scenario, names: readonly string[]): Scenario {
  if (names.length === 0) return scenario;
  const invariants = uniqueByName([...scenario.invariants, ...kernelInvariants]);
  const liveness = uniqueByName([...(scenario.liveness ?? []), ...kernelLiveness]);
  const known = [...invariants, ...liveness].map((r) => r.name);
  for (const name of names) {
    if (known.includes(name)) continue;
    const hint = didYouMean(name, known);
    throw new PagelifeError(
      "PL101",
      `no rule is called "${name}".${hint} \`pagelife list rules\` prints those there are.`,
    );
  }
  const { expected: _ofOtherRules, ...rest } = scenario;
  return {
    ...rest,
    invariants: invariants.filter((r) => names.includes(r.name)),
    liveness: liveness.filter((r) => names.includes(r.name)),
  };
}

const uniqueByName = <R extends { readonly name: string }>(rules: readonly R[]): R[] => [
  ...new Map(rules.map((r) => [r.name, r])).values(),
];
