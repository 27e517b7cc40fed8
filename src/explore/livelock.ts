// Livelock: threads that run for ever without getting anywhere. The states and steps of a program are a graph
// (`state-graph.ts`); running for ever is going round in one of its strongly connected parts. Such a part counts
// when one can stay in it and be fair. Fair is two things. A thread that can go on all the time does so some time: it
// makes a step in the part, or cannot make one in some state of it (weak fairness). So a thread that spins on what
// another is about to write is no livelock, since the other gets its turn; two that undo each other's work are one. And
// a thread that waits for a lock which is free again and again gets it some time (strong fairness, for locks alone):
// the kernel's locks have queues. What only tries a lock, or polls, has no place in a queue.
// A spinning loop is a cycle here, and never runs into a limit on its turns.
//
// A clean and complete result proves that every fair execution ends, or makes steps for ever that its program calls
// progress. A thread may starve that finds something else amiss each time it looks, and that is reported. The way to
// the loop is the shortest there is; the loop itself need not be, since it gives each thread its turn.

import { runSchedule } from "./execution.ts";
import { functionNames } from "./liveness.ts";
import { type Counterexample, type Finding, withLiveness } from "./outcome.ts";
import type { Prepared } from "./program.ts";
import { countSwitches, type Schedule } from "./schedule.ts";
import { shortestTo } from "./shortest.ts";
import { Space } from "./space.ts";
import { type GraphStep, StateGraph } from "./state-graph.ts";
import type { Bounds } from "./strategy.ts";

export interface LivelockResult {
  /** The way to the loop, and the loop. */
  readonly counterexample: Counterexample | null;
  /** Which bound was reached before all states were looked at; null if none was. */
  readonly bound: string | null;
  readonly states: number;
}

/** Looks for a loop in which a fair execution can stay for ever. */
export function findLivelock(prepared: Prepared, bounds: Bounds = {}): LivelockResult {
  const space = new Space(prepared);
  const graph = new StateGraph(space, bounds);
  const { bound, size: states } = graph;
  if (bound !== null) return { counterexample: null, bound, states };
  const { part, fair } = fairParts(graph);
  while (fair.size > 0) {
    let from = 0;
    const way = shortestTo(
      space,
      (cursor) => {
        from = graph.seen.add(cursor);
        return fair.has(part[from] as number) ? NOT_YET : null;
      },
      bounds,
    );
    if (way === null) from = part.findIndex((p) => fair.has(p));
    const loop = loopFrom(graph, part, from);
    const schedule = way?.schedule ?? graph.wayTo(from);
    const finding = livelockOf(prepared, schedule, loop);
    if (finding !== null) {
      const counterexample = { ...(way ?? notShortest(schedule, finding)), finding, loop };
      return { counterexample, bound, states };
    }
    fair.delete(part[from] as number);
  }
  return { counterexample: null, bound, states };
}

/** Some way to the loop, where the search for the shortest ran into a bound. */
function notShortest(schedule: Schedule, finding: Finding): Counterexample {
  const switches = countSwitches(schedule);
  const steps = schedule.length;
  return { finding, schedule, loop: null, steps, switches, preemptions: switches, shortest: false };
}

/** Stands for the finding, whose words depend on the loop. */
const NOT_YET: Finding = { kind: "livelock", property: "", detail: "", threads: [] };

/** The finding that a loop is, after a schedule that leads to it; null if nobody asks for what it breaks. */
export function livelockOf(prepared: Prepared, schedule: Schedule, loop: Schedule): Finding | null {
  const threads = [...new Set(loop)]
    .sort((a, b) => a - b)
    .filter((t) => prepared.threads[t]?.hidden !== true);
  const who = threads.map((t) => prepared.threads[t]?.title ?? "").join(" and ");
  const steps = loop.length === 1 ? "1 step" : `${loop.length} steps`;
  const finding: Finding = {
    kind: "livelock",
    property: threads.map((t) => prepared.threads[t]?.name ?? "").join(" and "),
    detail: `${who} ${threads.length === 1 ? "goes" : "go"} round for ever in ${steps}, though every thread that can go on gets its turn`,
    threads,
  };
  return withLiveness(finding, prepared.liveness, threads.map(neverLeft(prepared, schedule, loop)));
}

/** The functions that a thread does not get out of in a loop, outermost first. */
function neverLeft(
  prepared: Prepared,
  schedule: Schedule,
  loop: Schedule,
): (thread: number) => readonly string[] {
  const execution = runSchedule(prepared, schedule);
  const within = prepared.threads.map((_, t) => functionNames(execution.threads[t]?.stack ?? []));
  for (const thread of loop) {
    execution.step(thread);
    const now = functionNames(execution.threads[thread]?.stack ?? []);
    const before = within[thread] ?? [];
    const left = before.findIndex((name, i) => name !== now[i]);
    within[thread] = left < 0 ? before : before.slice(0, left);
  }
  return (thread) => within[thread] ?? [];
}

/**
 * The parts in which a fair execution can stay. Where a thread waits for a lock and could have it, but makes no step in
 * the part, an execution that stays there must some time keep away from such states (Streett's condition; Emerson and
 * Lei, "Modalities for model checking", 1987): they are left out, and the rest is taken apart again.
 */
function fairParts(graph: StateGraph): { readonly part: Int32Array; readonly fair: Set<number> } {
  const all = 2 ** graph.space.threads.length - 1;
  const without = new Set<number>();
  for (;;) {
    const part = graph.parts(without);
    // Bits of the threads that make a step inside a part, and of those that cannot in some state of it.
    const inside = new Map<number, number>();
    const cannot = new Map<number, number>();
    for (let s = 0; s < graph.size; s++) {
      const p = part[s] as number;
      if (p < 0) continue;
      graph.each(s, (thread, to, progress) => {
        if (!progress && part[to] === p) inside.set(p, (inside.get(p) ?? 0) | (1 << thread));
      });
      cannot.set(p, (cannot.get(p) ?? 0) | ~graph.able(s));
    }
    const before = without.size;
    for (let s = 0; s < graph.size; s++) {
      const stepping = inside.get(part[s] as number);
      if (stepping === undefined) continue;
      const idle = graph.able(s) & ~stepping;
      if (idle !== 0 && (idle & graph.wantsLock(s)) !== 0) without.add(s);
    }
    if (without.size > before) continue;
    const fair = new Set<number>();
    for (const [p, threads] of inside) if (((threads | (cannot.get(p) ?? 0)) & all) === all) fair.add(p);
    return { part, fair };
  }
}

/** Goes round in the part of a state, so that each thread has a step or could not make one, and back to the state. */
function loopFrom(graph: StateGraph, part: Int32Array, start: number): Schedule {
  const loop: number[] = [];
  const within = (state: number): GraphStep[] =>
    graph.stepsFrom(state).filter((s) => !s.progress && part[s.to] === part[start]);
  let at = start;
  /** Goes on to the nearest state in which `there` holds, after `step` if it names one to make there. */
  const goTo = (there: (state: number) => GraphStep | boolean): void => {
    const before = new Map<number, { readonly state: number; readonly thread: number } | null>([[at, null]]);
    for (const state of before.keys()) {
      const found = there(state);
      if (found !== false) {
        const way: number[] = [];
        for (let b = before.get(state) ?? null; b !== null; b = before.get(b.state) ?? null)
          way.push(b.thread);
        loop.push(...way.reverse());
        at = state;
        if (found !== true) {
          loop.push(found.thread);
          at = found.to;
        }
        return;
      }
      for (const { thread, to } of within(state)) if (!before.has(to)) before.set(to, { state, thread });
    }
  };
  graph.space.threads.forEach((_, t) => {
    if (loop.includes(t)) return;
    goTo((state) => {
      if (!graph.stepsFrom(state).some((s) => s.thread === t)) return true;
      return within(state).find((s) => s.thread === t) ?? false;
    });
  });
  if (loop.length === 0) goTo((state) => within(state)[0] ?? false);
  goTo((state) => state === start);
  return loop;
}
