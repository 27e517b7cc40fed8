// The oracle: every interleaving, one after another, depth first, by running the program again from
// its start for each. No automata, no set of states, no reduction: slow, and obviously right. A clean
// and complete result proves what the stateful search proves, by other means; the two are compared
// on every small program.
import { Execution } from "./execution.ts";
import type { Prepared } from "./program.ts";
import {
  asStrategy,
  type Bounds,
  Findings,
  Limits,
  type Progress,
  runToEnd,
  type SearchResult,
  type SearchRun,
  type Strategy,
} from "./strategy.ts";
import { encode } from "./value.ts";

export const plain: Strategy = asStrategy("plain", (prepared, bounds) => new PlainSearch(prepared, bounds));

/** As the strategy, and the values of all cells at the end of each execution that did not fail, written out and sorted. */
export function searchExecutions(
  prepared: Prepared,
  bounds: Bounds,
): { readonly result: SearchResult; readonly finals: readonly string[] } {
  const search = new PlainSearch(prepared, bounds);
  return { result: runToEnd(search), finals: [...search.finals].sort() };
}

/** Executions run between two looks at the clock. */
const PIECE = 256;

class PlainSearch implements SearchRun {
  readonly #prepared: Prepared;
  readonly #limits: Limits;
  readonly #findings = new Findings();
  /** At each depth: the threads that could go on, and which of them is being tried. */
  readonly #choices: { readonly enabled: readonly number[]; tried: number }[] = [];
  /** The values of all cells at the end of each execution that did not fail. */
  readonly finals = new Set<string>();
  #executions = 0;
  #steps = 0;
  #done = false;

  constructor(prepared: Prepared, bounds: Bounds) {
    this.#prepared = prepared;
    this.#limits = new Limits(bounds);
  }

  advance(): boolean {
    for (let i = 0; i < PIECE && !this.#done; i++) {
      if (!this.#runOne()) return false;
      this.#done = !this.#back();
    }
    return this.#limits.allowNow({}) && !this.#done;
  }

  /** Runs the execution that the choices name, and chooses the first thread from there on; false at a bound. */
  #runOne(): boolean {
    const execution = new Execution(this.#prepared);
    for (const { enabled, tried } of this.#choices) execution.step(enabled[tried] as number);
    for (;;) {
      const schedule = (): number[] => execution.steps.map((s) => s.thread);
      for (const finding of execution.findings()) this.#findings.add(finding, schedule);
      const enabled = execution.enabled();
      if (enabled.length === 0) break;
      const steps = execution.steps.length + 1;
      if (!this.#limits.allow({ executions: this.#executions + 1, steps })) return false;
      this.#choices.push({ enabled, tried: 0 });
      execution.step(enabled[0] as number);
    }
    this.#executions++;
    this.#steps += execution.steps.length;
    if (!execution.threads.some((t) => t.turn.kind === "failed")) {
      this.finals.add(encode(execution.memory, "a final state"));
    }
    return true;
  }

  /** Goes back to the last place with another thread to try; false if there is none. */
  #back(): boolean {
    for (let last = this.#choices.at(-1); last !== undefined; last = this.#choices.at(-1)) {
      if (++last.tried < last.enabled.length) return true;
      this.#choices.pop();
    }
    return false;
  }

  progress(): Progress {
    const { length: queue } = this.#choices;
    return { states: 0, executions: this.#executions, steps: this.#steps, queue, bytes: 0 };
  }

  result(): SearchResult {
    return {
      strategy: "plain",
      complete: this.#done,
      bound: this.#limits.reached,
      states: 0,
      executions: this.#executions,
      steps: this.#steps,
      findings: this.#findings.list(),
    };
  }
}
