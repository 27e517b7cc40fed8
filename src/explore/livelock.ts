// Livelock: threads that run for ever without getting anywhere. The states and steps of a program are a
// graph; running for ever is going round in one of its strongly connected parts. Such a part counts when
// going round in it is fair: every thread either makes a step in it, or cannot make one in some state of
// it. That is weak fairness: a thread that can go on all the time does so some time. So a thread that spins
// on what another is about to write is no livelock, since the other gets its turn; two that undo each
// other's work are one. A loop is a cycle here, and never runs into a limit on its turns.
//
// A clean and complete result proves that every fair execution ends. No reduction is used. A program that
// is meant to run for ever has no end, and is not for this.
import { IntList } from "./int-list.ts";
import type { Prepared } from "./program.ts";
import type { Schedule } from "./schedule.ts";
import { Space } from "./space.ts";
import { StateSet } from "./state-set.ts";
import { type Bounds, Limits } from "./strategy.ts";

export interface Livelock {
  /** Names of the threads that go round. */
  readonly threads: readonly string[];
  /** Steps from the start to a state of the loop: as few as there are. */
  readonly stem: Schedule;
  /** States of the loop. */
  readonly states: number;
  /** One sentence. */
  readonly detail: string;
}

export interface LivelockResult {
  readonly livelock: Livelock | null;
  /** True if all states were looked at; the assumption is weak fairness. */
  readonly complete: boolean;
  readonly bound: string | null;
  readonly states: number;
}

/** Looks for a fair loop. */
export function findLivelock(prepared: Prepared, bounds: Bounds = {}): LivelockResult {
  const space = new Space(prepared);
  const graph = new Graph(space, bounds);
  const livelock = graph.complete ? graph.fairLoop() : null;
  return { livelock, complete: graph.complete, bound: graph.bound, states: graph.states };
}

class Graph {
  readonly #space: Space;
  readonly #threads: number;
  /** Steps from each state: thread and next state, up to `ends` of the state. */
  readonly #steps = new IntList();
  readonly #ends = new IntList();
  /** For each state the one before it and who made the step; breadth first, so the way is short. */
  readonly #before = new IntList();
  readonly #by = new IntList();
  states: number;
  complete = false;
  bound: string | null = null;

  constructor(space: Space, bounds: Bounds) {
    this.#space = space;
    this.#threads = space.threads.length;
    const seen = new StateSet(space.packing);
    const limits = new Limits(bounds);
    const cursor = space.start();
    seen.add(cursor);
    this.#before.push(-1);
    this.#by.push(-1);
    let state = 0;
    for (; state < seen.size && limits.allow({ states: seen.size }); state++) {
      seen.load(state, cursor);
      for (let t = 0; t < this.#threads && !space.stops(cursor.row); t++) {
        const edge = space.edge(cursor.row, t);
        if (edge === null) continue;
        cursor.step(edge, t);
        const next = seen.add(cursor);
        if (seen.added) {
          this.#before.push(state);
          this.#by.push(t);
        }
        cursor.back();
        this.#steps.push(t);
        this.#steps.push(next);
      }
      this.#ends.push(this.#steps.length);
    }
    this.states = seen.size;
    this.complete = limits.reached === null;
    this.bound = limits.reached;
  }

  #from(state: number): number {
    return state === 0 ? 0 : this.#ends.at(state - 1);
  }

  /** The first strongly connected part in which a fair execution can stay. */
  fairLoop(): Livelock | null {
    const part = this.#parts();
    const sizes = new Map<number, number>();
    // Bits of the threads that make a step inside a part, and of those that cannot in some state of it.
    const step = new Map<number, number>();
    const cannot = new Map<number, number>();
    for (let s = 0; s < this.states; s++) {
      const p = part[s] as number;
      let able = 0;
      for (let i = this.#from(s); i < this.#ends.at(s); i += 2) {
        const t = this.#steps.at(i);
        able |= 1 << t;
        if (part[this.#steps.at(i + 1)] === p) step.set(p, (step.get(p) ?? 0) | (1 << t));
      }
      cannot.set(p, (cannot.get(p) ?? 0) | ~able);
      sizes.set(p, (sizes.get(p) ?? 0) + 1);
    }
    const all = (1 << this.#threads) - 1;
    for (let s = 0; s < this.states; s++) {
      const p = part[s] as number;
      const inside = step.get(p) ?? 0;
      if (inside === 0 || ((inside | (cannot.get(p) ?? 0)) & all) !== all) continue;
      return this.#explain(s, inside, sizes.get(p) ?? 1);
    }
    return null;
  }

  #explain(state: number, inside: number, states: number): Livelock {
    const stem: number[] = [];
    for (let s = state; s > 0; s = this.#before.at(s)) stem.push(this.#by.at(s));
    const threads = this.#space.prepared.threads
      .filter((_, t) => (inside & (1 << t)) !== 0)
      .map((t) => t.name);
    const who = threads.join(" and ");
    const detail = `${who} can go round for ever in ${states} states, though every thread gets its turn`;
    return { threads, stem: stem.reverse(), states, detail };
  }

  /** The number of the strongly connected part of each state (Tarjan, without recursion). */
  #parts(): Int32Array {
    const n = this.states;
    const part = new Int32Array(n).fill(-1);
    const index = new Int32Array(n).fill(-1);
    const low = new Int32Array(n);
    const at = new Int32Array(n);
    const open: number[] = [];
    const way: number[] = [];
    let counter = 0;
    let parts = 0;
    for (let root = 0; root < n; root++) {
      if (index[root] !== -1) continue;
      way.push(root);
      while (way.length > 0) {
        const s = way.at(-1) as number;
        if (index[s] === -1) {
          index[s] = counter;
          low[s] = counter++;
          at[s] = this.#from(s);
          open.push(s);
        }
        if ((at[s] as number) < this.#ends.at(s)) {
          const next = this.#steps.at((at[s] as number) + 1);
          at[s] = (at[s] as number) + 2;
          if (index[next] === -1) way.push(next);
          else if (part[next] === -1) low[s] = Math.min(low[s] as number, index[next] as number);
          continue;
        }
        way.pop();
        const above = way.at(-1);
        if (above !== undefined) low[above] = Math.min(low[above] as number, low[s] as number);
        if (low[s] === index[s]) {
          for (let member = open.pop(); member !== undefined; member = open.pop()) {
            part[member] = parts;
            if (member === s) break;
          }
          parts++;
        }
      }
    }
    return part;
  }
}
