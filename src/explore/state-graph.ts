// All states of a program and the steps between them, kept as a graph; and its strongly connected parts, in which
// an execution can stay for ever. No reduction is used: one may leave out the very steps that lead out of a loop,
// or into it. It takes two integers a step, in typed arrays, beside the set of states.
import { IntList } from "./int-list.ts";
import { takesLock } from "./operation.ts";
import type { Space } from "./space.ts";
import { type Cursor, StateSet } from "./state-set.ts";
import { type Bounds, Limits } from "./strategy.ts";

/** A step, as it stands in the graph. */
export interface GraphStep {
  readonly thread: number;
  readonly to: number;
  /** True if it gets the program further, as the program says. */
  readonly progress: boolean;
}

export class StateGraph {
  readonly space: Space;
  readonly seen: StateSet;
  /** Steps of each state: thread (inverted, for one that is progress) and next state, up to `ends` of the state. */
  readonly #steps = new IntList();
  readonly #ends = new IntList();
  readonly #cursor: Cursor;
  /** Which bound kept it from being whole; null if none did. */
  readonly bound: string | null;

  constructor(space: Space, bounds: Bounds) {
    this.space = space;
    this.seen = new StateSet(space.packing);
    const limits = new Limits(bounds);
    const cursor = space.start();
    this.#cursor = cursor;
    this.seen.add(cursor);
    for (let state = 0; state < this.seen.size; state++) {
      if (!limits.allow({ states: this.seen.size, bytes: this.bytes })) break;
      this.seen.load(state, cursor);
      for (let t = 0; t < space.threads.length && !space.stops(cursor.row); t++) {
        const edge = space.edge(cursor.row, t);
        if (edge === null) continue;
        const progress = space.threads[t]?.operation(edge.from)?.progress === true;
        cursor.step(edge, t);
        this.#steps.push(progress ? ~t : t);
        this.#steps.push(this.seen.add(cursor));
        cursor.back();
      }
      this.#ends.push(this.#steps.length);
    }
    this.bound = limits.reached;
  }

  get bytes(): number {
    return this.seen.bytes + this.#steps.bytes + this.#ends.bytes;
  }

  get size(): number {
    return this.seen.size;
  }

  #from(state: number): number {
    return state === 0 ? 0 : this.#ends.at(state - 1);
  }

  /** Calls back for each step from a state. */
  each(state: number, step: (thread: number, to: number, progress: boolean) => void): void {
    for (let i = this.#from(state); i < this.#ends.at(state); i += 2) {
      const t = this.#steps.at(i);
      step(t < 0 ? ~t : t, this.#steps.at(i + 1), t < 0);
    }
  }

  /** Bits of the threads that can make a step in a state. */
  able(state: number): number {
    let bits = 0;
    this.each(state, (thread) => {
      bits |= 1 << thread;
    });
    return bits;
  }

  /** Bits of the threads whose next step takes a lock, whether they can in that state or not. */
  wantsLock(state: number): number {
    this.seen.load(state, this.#cursor);
    const { threads, threadsAt } = this.space;
    let bits = 0;
    threads.forEach((thread, t) => {
      if (takesLock(thread.operation(this.#cursor.row[threadsAt + t] as number))) bits |= 1 << t;
    });
    return bits;
  }

  /** The steps of the threads from the start to a state; as few as there are. */
  wayTo(state: number): number[] {
    const before = new Int32Array(this.size).fill(-1);
    const by = new Uint8Array(this.size);
    const todo = new IntList();
    todo.push(0);
    for (let i = 0; i < todo.length && before[state] === -1; i++) {
      this.each(todo.at(i), (thread, to) => {
        if (before[to] !== -1 || to === 0) return;
        before[to] = todo.at(i);
        by[to] = thread;
        todo.push(to);
      });
    }
    const way: number[] = [];
    for (let s = state; s > 0; s = before[s] as number) way.push(by[s] as number);
    return way.reverse();
  }

  /** The steps from a state. */
  stepsFrom(state: number): GraphStep[] {
    const steps: GraphStep[] = [];
    this.each(state, (thread, to, progress) => steps.push({ thread, to, progress }));
    return steps;
  }

  /**
   * The number of the strongly connected part of each state, where steps that are progress do not count (Tarjan,
   * "Depth-first search and linear graph algorithms", 1972, without recursion).
   *
   * @param without States that are passed over, and have no part: -1.
   */
  parts(without: ReadonlySet<number> = new Set()): Int32Array {
    const n = this.size;
    const part = new Int32Array(n).fill(-1);
    const index = new Int32Array(n).fill(-1);
    const low = new Int32Array(n);
    const at = new Int32Array(n);
    const open = new IntList();
    const way = new IntList();
    let counter = 0;
    let parts = 0;
    for (let root = 0; root < n; root++) {
      if (index[root] !== -1 || without.has(root)) continue;
      way.push(root);
      while (way.length > 0) {
        const s = way.at(way.length - 1);
        if (index[s] === -1) {
          index[s] = counter;
          low[s] = counter++;
          at[s] = this.#from(s);
          open.push(s);
        }
        const i = at[s] as number;
        if (i < this.#ends.at(s)) {
          at[s] = i + 2;
          if (this.#steps.at(i) < 0) continue;
          const next = this.#steps.at(i + 1);
          if (without.has(next)) continue;
          if (index[next] === -1) way.push(next);
          else if (part[next] === -1) low[s] = Math.min(low[s] as number, index[next] as number);
          continue;
        }
        way.pop();
        if (way.length > 0) {
          const above = way.at(way.length - 1);
          low[above] = Math.min(low[above] as number, low[s] as number);
        }
        if (low[s] !== index[s]) continue;
        let member = -1;
        while (member !== s) {
          member = open.pop();
          part[member] = parts;
        }
        parts++;
      }
    }
    return part;
  }
}
