// One execution with all that a reader may want to see of it: every call and return, every step, in
// the order in which they happened. Diagrams and step lists are drawn from this.

import type { Execution, Step } from "../explore/execution.ts";
import { runSchedule } from "../explore/execution.ts";
import type { Frame, FrameListener } from "../explore/frames.ts";
import { mainCells } from "../explore/operation.ts";
import type { Prepared } from "../explore/program.ts";
import type { Schedule } from "../explore/schedule.ts";

/** A call of an instrumented function. */
export interface Call {
  readonly name: string;
  readonly params: readonly string[];
  readonly args: readonly unknown[];
  readonly parent: Call | null;
  /** What it returned; undefined while it runs, and where it returns nothing. */
  result: unknown;
  returned: boolean;
}

/** Something that happened, in order. */
export type Item =
  /** A step, within the innermost call of its thread. `at` counts steps from 1. */
  | {
      readonly kind: "step";
      readonly thread: number;
      readonly at: number;
      readonly call: Call | null;
      readonly step: Step;
    }
  /** A thread goes to sleep or waits, after step `at` of the execution. */
  | {
      readonly kind: "blocks";
      readonly thread: number;
      readonly at: number;
      readonly call: Call | null;
      readonly what: string;
    };

export interface Recording {
  readonly execution: Execution;
  readonly items: readonly Item[];
}

/** Runs a schedule and records it. */
export function record(prepared: Prepared, schedule: Schedule): Recording {
  const items: Item[] = [];
  const calls: (Call | null)[] = prepared.threads.map(() => null);
  const callOf = new Map<Frame, Call>();

  const listener = (thread: number): FrameListener => ({
    enter(frame) {
      const call: Call = {
        name: frame.function.name,
        params: frame.function.params,
        args: frame.args,
        parent: calls[thread] ?? null,
        result: undefined,
        returned: false,
      };
      callOf.set(frame, call);
      calls[thread] = call;
    },
    leave(frame) {
      const call = callOf.get(frame);
      if (call === undefined) return;
      call.result = frame.result;
      call.returned = true;
      calls[thread] = call.parent;
    },
  });

  // The call in which a step is asked for is known before the step is made.
  const execution = runSchedule(prepared, [], listener);
  const noteBlock = (thread: number): void => {
    const turn = execution.threads[thread]?.turn;
    if (turn?.kind !== "wants" || turn.op.op !== "acquire" || turn.op.blocks !== "sleep") return;
    const what = `sleeps: ${turn.op.wait?.text ?? "until woken"}`;
    items.push({ kind: "blocks", thread, at: execution.steps.length, call: calls[thread] ?? null, what });
  };
  prepared.threads.forEach((_, thread) => {
    noteBlock(thread);
  });
  for (const thread of schedule) {
    const call = calls[thread] ?? null;
    const step = execution.step(thread);
    items.push({ kind: "step", thread, at: execution.steps.length, call, step });
    noteBlock(thread);
  }
  for (const [thread, { turn }] of execution.threads.entries()) {
    if (prepared.threads[thread]?.hidden) continue;
    if (turn.kind !== "wants" || turn.op.op !== "acquire") continue;
    if (turn.op.blocks === "sleep" || turn.op.blocks === "start") continue;
    if (execution.enabled().includes(thread)) continue;
    const cells = mainCells(turn.op.asked ?? turn.op).map((c) => c.name);
    const on = turn.op.wait?.text ?? cells.join(", ");
    const at = execution.steps.length;
    items.push({ kind: "blocks", thread, at, call: calls[thread] ?? null, what: `waits for ${on}` });
  }
  return { execution, items };
}

/** The innermost of a call and those around it that a reader knows. */
export function known(call: Call | null, shows: (functionName: string) => boolean): Call | null {
  for (let c = call; c !== null; c = c.parent) if (shows(c.name)) return c;
  return null;
}
