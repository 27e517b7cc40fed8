// Threads that another one starts, and that can be waited for. All threads of a program are declared up front, since
// their number is part of what a state is; a task says of one of them when it begins and when it has ended. Two cells
// and four steps: to spawn is a store, to begin waits for it; to end is a store, to join waits for that. So every
// strategy and memory model handles them as they are.
import { acquire, type Cell, type Code, cell, fail, modelled, rmw, write } from "./access.ts";
import type { Modelled } from "./value.ts";

/** When a thread begins and has ended. Made in setup; the thread names it (`Thread.task`). */
export interface Task extends Modelled {
  readonly name: string;
  readonly spawned: Cell<boolean>;
  readonly ended: Cell<boolean>;
}

/** Makes a task. Only in setup. */
export const task = (name: string): Task =>
  modelled("task", {
    name,
    spawned: cell(`${name}.spawned`, false),
    ended: cell(`${name}.ended`, false),
  });

/** Starts a task, once: all that was done before is seen by it. A second time ends the execution with a finding. */
export function* spawn({ name, spawned }: Task): Code {
  const first = yield* rmw([spawned], (before: boolean) => ({ next: [true], result: !before }));
  if (!first) fail("spawned-once", `${name} is spawned a second time`);
}

/** Waits until a task has ended: all that it did is seen from here on. For ever, if nobody spawns it. */
export function* join({ ended }: Task): Code {
  yield* acquire([ended], (yes: boolean) => (yes ? { next: [yes], result: null } : null), {
    blocks: "event",
  });
}

/** What a task runs; an object with an identity, since a local of a thread must have one. */
export interface TaskBody extends Modelled {
  readonly run: () => Code<unknown>;
}

/** A thread that runs as a task. Nobody waits where it was never spawned. */
export function* runTask({ spawned, ended }: Task, body: TaskBody): Code {
  yield* acquire([spawned], (yes: boolean) => (yes ? { next: [yes], result: null } : null), {
    blocks: "start",
  });
  yield* body.run();
  yield* write(ended, true, { order: "release" });
}
