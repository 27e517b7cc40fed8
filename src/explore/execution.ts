// One execution, step by step, on real values and real generators: no automata, no integers. The
// plain search, replay and diagrams are made of this.
import { PagelifeError } from "../base/errors.ts";
import type { Operation, See } from "./access.ts";
import type { FrameListener } from "./frames.ts";
import { functionNames } from "./liveness.ts";
import { mainCells, perform } from "./operation.ts";
import { type Blocked, explainDeadState, type Finding, waitsForEver } from "./outcome.ts";
import type { Prepared } from "./program.ts";
import { brokenRules } from "./rules.ts";
import type { Schedule } from "./schedule.ts";
import { ThreadRun } from "./thread.ts";
import { encode, Interner, type Value } from "./value.ts";

/** A step that was made. */
export interface Step {
  readonly thread: number;
  readonly op: Operation;
  readonly result: Value;
  readonly writes: readonly { readonly cell: number; readonly value: Value }[];
  /** Those of the writes that left another value than was there. */
  readonly changes: readonly { readonly cell: number; readonly value: Value }[];
}

export class Execution {
  readonly prepared: Prepared;
  /** What each cell holds now. */
  readonly memory: Value[];
  readonly threads: readonly ThreadRun[];
  readonly steps: Step[] = [];
  readonly #interner = new Interner();

  /** @param listener Is told of every call and return, with the thread it happens in. */
  constructor(prepared: Prepared, listener: ((thread: number) => FrameListener) | null = null) {
    this.prepared = prepared;
    this.memory = prepared.memory.map((v) => this.#interner.canonical(v));
    this.threads = prepared.threads.map((t, i) => new ThreadRun(t, listener?.(i) ?? null));
  }

  /** The threads that can make a step now; none after a failure. */
  enabled(): number[] {
    if (this.threads.some((t) => t.turn.kind === "failed")) return [];
    return this.threads.flatMap((t, i) =>
      t.turn.kind === "wants" && perform(t.turn.op, this.memory) !== null ? [i] : [],
    );
  }

  /**
   * Makes one step of a thread.
   *
   * @throws {@link PagelifeError} PL202 if it cannot make one now.
   */
  step(thread: number): Step {
    const run = this.threads[thread];
    const done = run?.turn.kind === "wants" ? perform(run.turn.op, this.memory) : null;
    if (run?.turn.kind !== "wants" || done === null) {
      const names = this.prepared.threads.map((t) => t.name);
      const can = this.enabled().map((t) => names[t]);
      throw new PagelifeError(
        "PL202",
        `step ${this.steps.length + 1} resumes "${names[thread] ?? thread}", which cannot run there ` +
          `(runnable: ${can.join(", ") || "nobody"}). The schedule was recorded with another version of ` +
          "the scenario, the kernel or its changes, or the scenario is not deterministic.",
      );
    }
    const { op } = run.turn;
    const writes = done.writes.map(({ cell, value }) => ({ cell, value: this.#interner.canonical(value) }));
    const changes = writes.filter(({ cell, value }) => this.memory[cell] !== value);
    const step = { thread, op, result: this.#interner.canonical(done.result), writes, changes };
    for (const { cell, value } of writes) this.memory[cell] = value;
    this.steps.push(step);
    run.resume(step.result);
    return step;
  }

  /** Where it stands, written so that equal text means that the same can come of it. */
  state(): string {
    return [encode(this.memory, "a state"), ...this.threads.map((t) => t.localState())].join("\n");
  }

  readonly see: See = (cell) => this.memory[cell.id] as never;

  /** What is wrong now: broken invariants, failures, and who waits for ever if nobody can run. */
  findings(): Finding[] {
    const found = this.#broken("every-state");
    this.threads.forEach(({ turn }, t) => {
      if (turn.kind === "failed") {
        found.push({ kind: "assertion", property: turn.property, detail: turn.detail, threads: [t] });
      }
    });
    const failed = this.threads.some((t) => t.turn.kind === "failed");
    if (!failed && this.enabled().length === 0) {
      found.push(...this.#broken("end"));
      const blocked = this.#blocked();
      const { liveness } = this.prepared;
      const dead = blocked.length === 0 ? null : explainDeadState(blocked, this.see, liveness);
      if (dead !== null) found.push(dead);
    }
    return found;
  }

  #broken(at: "every-state" | "end"): Finding[] {
    return brokenRules(this.prepared, at, this.memory).map(({ rule, detail }) => ({
      kind: "invariant",
      property: rule,
      detail,
      threads: [],
    }));
  }

  #blocked(): Blocked[] {
    return this.threads.flatMap(({ turn, stack }, thread) => {
      if (turn.kind !== "wants" || turn.op.op !== "acquire") return [];
      if (!waitsForEver(turn.op, this.prepared.threads[thread]?.hidden)) return [];
      const on = mainCells(turn.op.asked ?? turn.op)
        .map((c) => c.name)
        .join(", ");
      const name = this.prepared.threads[thread]?.title ?? "";
      return [{ thread, name, blocks: turn.op.blocks, wait: turn.op.wait, on, within: functionNames(stack) }];
    });
  }
}

/** Runs a schedule from the start of a program. */
export function runSchedule(
  prepared: Prepared,
  schedule: Schedule,
  listener: ((thread: number) => FrameListener) | null = null,
  onStep: (step: Step, execution: Execution) => void = () => {},
): Execution {
  const execution = new Execution(prepared, listener);
  for (const thread of schedule) onStep(execution.step(thread), execution);
  return execution;
}
