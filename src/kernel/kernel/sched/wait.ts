// Wait queues: entries of (key, task, exclusive) in the order in which they were added. A sleeper is
// woken by name; that what it waits for has come about does not wake it.
// Source: kernel/sched/wait.c.

import type { Cell } from "../../../explore/access.ts";
import { type Code, rmw, type See, sleep, type Wait } from "../../../explore/access.ts";
import type { Modelled, Value } from "../../../explore/value.ts";
import type { Kernel } from "../../kernel.ts";

/** One waiter on a hashed queue. The key is the address that it waits on. */
export interface QueueEntry {
  readonly key: Modelled;
  readonly task: string;
  readonly exclusive: boolean;
  /** Ghost: the exclusive waiter that was woken in its place, until that one makes use of it. */
  readonly wokenInstead?: string;
  readonly [field: string]: Value;
}

/** Ghost: a wake-up on a key was used for what it was meant for; who did owes the others the next one. */
export const usedWakeup = (queue: readonly QueueEntry[], key: Modelled | null): readonly QueueEntry[] =>
  queue.map((e) => (e.key === key ? { key: e.key, task: e.task, exclusive: e.exclusive } : e));

export type WaitTable = Cell<readonly QueueEntry[]>;

/**
 * Joins a queue, if not on it yet, and declares the intention to sleep: a wake-up from here on counts.
 *
 * Models `kernel/sched/wait.c:prepare_to_wait_event()` @ v6.12, and its exclusive variant.
 * Left out: signals; nobody sends one.
 */
export function* prepare_to_wait(k: Kernel, table: WaitTable, key: Modelled, exclusive: boolean): Code {
  const { name: task, woken } = k.current;
  yield* rmw(
    [table, woken],
    (queue: readonly QueueEntry[], _woken: boolean) => ({
      next: [
        queue.some((e) => e.task === task && e.key === key) ? queue : [...queue, { key, task, exclusive }],
        false,
      ],
      result: null,
    }),
    { note: { quiet: true } },
  );
}

/**
 * Leaves the queue.
 *
 * Models `kernel/sched/wait.c:finish_wait()` @ v6.12.
 */
export function* finish_wait(k: Kernel, table: WaitTable): Code {
  const { name } = k.current;
  yield* rmw(
    [table],
    (queue: readonly QueueEntry[]) => ({ next: [queue.filter((e) => e.task !== name)], result: null }),
    { note: { quiet: true } },
  );
}

/**
 * Sleeps until woken.
 *
 * Models `kernel/sched/core.c:schedule()` @ v6.12, of a task that has prepared to wait.
 *
 * @param wait      What it waits for, to explain a sleep without end.
 * @param exclusive Its queue, if it is an exclusive waiter there.
 */
export function* schedule(k: Kernel, wait: Wait, exclusive: WaitTable | null = null): Code {
  const { name, woken } = k.current;
  if (exclusive === null) yield* sleep(woken, wait);
  else {
    const wokenInstead = (see: See): string | null =>
      see(exclusive).find((e) => e.task === name)?.wokenInstead ?? null;
    yield* sleep(woken, { ...wait, wokenInstead });
  }
}

/**
 * Wakes the waiters on a key: all that are not exclusive, and the first `exclusives` of those that are.
 * Who is woken leaves the queue.
 *
 * Models `kernel/sched/wait.c:__wake_up()` @ v6.12, with autoremove_wake_function().
 *
 * @param whenNobody What a diagram says where nobody was there to be woken; nothing, if empty.
 * @returns the names of the tasks that were woken.
 */
export function* wake_up(
  k: Kernel,
  table: WaitTable,
  key: Modelled,
  exclusives: number,
  whenNobody = "",
): Code<readonly string[]> {
  const { tasks } = k.world;
  return yield* rmw(
    [table, ...tasks.map((t) => t.woken)],
    (queue: readonly QueueEntry[], ...woken: boolean[]) => {
      let left = exclusives;
      const chosen = queue.filter((e) => e.key === key && (!e.exclusive || left-- > 0));
      const names = chosen.map((e) => e.task);
      const wokenInstead = chosen.findLast((e) => e.exclusive)?.task;
      const others = queue.filter((e) => !chosen.includes(e));
      return {
        next: [
          wokenInstead === undefined
            ? others
            : others.map((e) => (e.key === key ? { ...e, wokenInstead } : e)),
          ...tasks.map((t, i) => (woken[i] ?? false) || names.includes(t.name)),
        ],
        result: names,
      };
    },
    { note: { text: (names) => wakeText(names as readonly string[], whenNobody) } },
  );
}

const wakeText = (names: readonly string[], whenNobody: string): string =>
  names.length === 0 ? whenNobody : `<wakes ${names.join(" and ")}>`;
