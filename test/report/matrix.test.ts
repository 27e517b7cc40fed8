import { expect, it } from "vitest";
import { drawMatrix } from "../../src/report/matrix.ts";
import type { Verdict } from "../../src/report/verdict.ts";

const holds = (scenario: string, kernel: string): Verdict => ({
  scenario,
  kernel,
  with: [],
  tlb: "rcu-table-free",
  memory: "sc",
  expected: null,
  expectedRule: null,
  livelock: false,
  verdict: "holds",
  kind: null,
  property: null,
  liveness: [],
  detail: null,
  also: [],
  strategy: "reduced",
  complete: true,
  bound: null,
  bytes: 0,
  states: 1,
  executions: 1,
  steps: 1,
  millis: 1,
  counterexample: null,
});

it("a cell without a verdict is told apart, and kernels stay in their order", () => {
  const verdicts = [holds("a", "v6.1"), holds("a", "v7.2"), holds("b", "v6.1"), holds("b", "v6.12")];
  expect(drawMatrix(verdicts)).toBe(
    ["scenario  v6.1   v6.12  v7.2", "a         holds  error  holds", "b         holds  holds  error"].join(
      "\n",
    ),
  );
});
