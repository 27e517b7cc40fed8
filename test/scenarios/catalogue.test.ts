import { describe, expect, it } from "vitest";
import { changes, kernels } from "../../src/changes/kernels.ts";
import { explore } from "../../src/explore/explore.ts";
import { withChanges } from "../../src/kernel/kernel.ts";
import { programOf, type Scenario } from "../../src/kernel/scenario.ts";
import type { TlbModel } from "../../src/kernel/world.ts";
import { catalogue } from "../../src/scenarios/catalogue.ts";

function verdictOf(scenario: Scenario, kernel: string, tlb?: TlbModel): string {
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
  return kind ?? verdict;
}

describe.each(catalogue.map((scenario) => ({ name: scenario.name, scenario })))("$name", ({ scenario }) => {
  const applicable = Object.entries(scenario.expected ?? {}).filter(
    ([, e]) => e.verdict !== "not-applicable",
  );
  it.each(applicable)("%s: as expected", (kernel, { verdict }) => {
    expect(verdictOf(scenario, kernel)).toBe(verdict);
  });

  it.each(
    (scenario.twins ?? []).map((t) => ({ ...t, on: `${t.kernel}${t.tlb ? ` (${t.tlb})` : ""}` })),
  )("$change on $on: $expect", ({ change, kernel, tlb, expect: expected }) => {
    const verdict = verdictOf(scenario, `${kernel}+${change}`, tlb);
    const otherwise = scenario.expected?.[kernel]?.verdict ?? "holds";
    expect(verdict).toBe(expected === "survives" ? otherwise : expected);
  });
});
