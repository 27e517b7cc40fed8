// The oracle: every interleaving, one after another, depth first, by running the program again from
// its start for each. No automata, no set of states, no reduction: slow, and obviously right. A clean
// and complete result proves what the stateful search proves, by other means; the two are compared
// on every small program.
import { Execution } from "./execution.ts";
import type { Prepared } from "./program.ts";
import { type Bounds, Findings, Limits, type SearchResult, type Strategy } from "./strategy.ts";
import { encode } from "./value.ts";

export const plain: Strategy = {
  name: "plain",
  search: (prepared, bounds) => searchExecutions(prepared, bounds).result,
};

/** As the strategy, and the values of all cells at the end of each execution that did not fail, written out and sorted. */
export function searchExecutions(
  prepared: Prepared,
  bounds: Bounds,
): { readonly result: SearchResult; readonly finals: readonly string[] } {
  const findings = new Findings();
  const limits = new Limits(bounds);
  const finals = new Set<string>();
  let executions = 0;
  let steps = 0;

  // At each depth: the threads that could go on, and which of them is being tried.
  const choices: { readonly enabled: readonly number[]; tried: number }[] = [];
  do {
    const execution = new Execution(prepared);
    for (const { enabled, tried } of choices) execution.step(enabled[tried] as number);
    for (;;) {
      const schedule = (): number[] => execution.steps.map((s) => s.thread);
      for (const finding of execution.findings()) findings.add(finding, schedule);
      const enabled = execution.enabled();
      if (enabled.length === 0) break;
      if (!limits.allow({ executions: executions + 1, steps: execution.steps.length + 1 })) break;
      choices.push({ enabled, tried: 0 });
      execution.step(enabled[0] as number);
    }
    if (limits.reached !== null) break;
    executions++;
    steps += execution.steps.length;
    if (!execution.threads.some((t) => t.turn.kind === "failed"))
      finals.add(encode(execution.memory, "a final state"));
    while (choices.length > 0) {
      const last = choices.at(-1) as (typeof choices)[number];
      if (++last.tried < last.enabled.length) break;
      choices.pop();
    }
  } while (choices.length > 0);

  const result: SearchResult = {
    strategy: plain.name,
    complete: limits.reached === null,
    bound: limits.reached,
    states: 0,
    executions,
    steps,
    findings: findings.list(),
  };
  return { result, finals: [...finals].sort() };
}
