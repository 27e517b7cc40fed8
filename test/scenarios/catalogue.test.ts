import { describe, expect, it } from "vitest";
import { changes, kernels } from "../../src/changes/kernels.ts";
import { explore } from "../../src/explore/explore.ts";
import { withChanges } from "../../src/kernel/kernel.ts";
import { programOf, type Scenario } from "../../src/kernel/scenario.ts";
import type { TlbModel } from "../../src/kernel/world.ts";
import { catalogue } from "../../src/scenarios/catalogue.ts";

interface Outcome {
  readonly verdict: string;
  /** All rules and promises that are broken in this way. */
  readonly broken: readonly string[];
}

function outcome(scenario: Scenario, kernel: string, tlb?: TlbModel): Outcome {
  const [release = "", ...names] = kernel.split("+");
  const version = kernels.find((k) => k.release === release);
  const chosen = names.map((n) => changes.find((c) => c.name === n));
  if (version === undefined || chosen.includes(undefined)) throw new Error(`no kernel ${kernel}`);
  const built = withChanges(
    version,
    chosen.filter((c) => c !== undefined),
  );
  // Where nothing else is found, every fair execution must end.
  const { verdict, kind, search } = explore(programOf(scenario, built, { tlb }), { livelock: true });
  expect(search.complete).toBe(true);
  const found = search.findings.map((f) => f.finding).filter((f) => f.kind === kind);
  const broken = found.flatMap((f) =>
    f.kind === "invariant" || f.kind === "assertion" ? [f.property] : (f.liveness ?? []),
  );
  return { verdict: kind ?? verdict, broken };
}

describe.each(catalogue.map((scenario) => ({ name: scenario.name, scenario })))("$name", ({ scenario }) => {
  const applicable = Object.entries(scenario.expected ?? {}).filter(
    ([, e]) => e.verdict !== "not-applicable",
  );
  it.each(applicable)("%s: as expected", (kernel, { verdict, rule }) => {
    const found = outcome(scenario, kernel);
    expect(found.verdict).toBe(verdict);
    if (verdict !== "holds") expect(found.broken).toContain(rule);
  });

  it.each(
    (scenario.twins ?? []).map((t) => ({ ...t, on: `${t.kernel}${t.tlb ? ` (${t.tlb})` : ""}` })),
  )("$change on $on: $expect", ({ change, kernel, tlb, expect: expected, rule }) => {
    const found = outcome(scenario, `${kernel}+${change}`, tlb);
    if (expected === "survives") {
      expect(found.verdict).toBe(scenario.expected?.[kernel]?.verdict ?? "holds");
    } else {
      expect(found.verdict).toBe(expected);
      expect(found.broken).toContain(rule);
    }
  });
});
