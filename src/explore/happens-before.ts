// One execution as optimal DPOR sees it: its steps, and which of them happened before which, as vector clocks
// (Mattern 1989). A step happened before another if it had to come first: an earlier step of the same thread, or
// one that conflicts, or what happened before these.
//
// Everything is kept by position and overwritten when the search goes back and on again: allocating an object for
// each step was a third of the time of the search.
import { conflict, type Step } from "./conflict.ts";

export class HappensBefore {
  readonly #threads: number;
  /** The steps that were made. */
  readonly steps: Step[] = [];
  /** For each step: for each thread how many of its steps happened before it, itself included. */
  readonly #clocks: Int32Array[] = [];
  /** For each step how many steps its thread had made, this one included. */
  readonly #counts: number[] = [];
  /** The last step of each thread, and for each step the one of its thread before it; -1 if there is none. */
  readonly #last: Int32Array;
  readonly #before: number[] = [];
  readonly #nothing: Int32Array;

  constructor(threads: number) {
    this.#threads = threads;
    this.#last = new Int32Array(threads).fill(-1);
    this.#nothing = new Int32Array(threads);
  }

  get length(): number {
    return this.steps.length;
  }

  clear(): void {
    this.steps.length = 0;
    this.#last.fill(-1);
  }

  push(step: Step): void {
    const at = this.steps.length;
    const { thread } = step;
    const own = this.#last[thread] as number;
    let clock = this.#clocks[at];
    if (clock === undefined) {
      clock = new Int32Array(this.#threads);
      this.#clocks[at] = clock;
    }
    clock.set(own < 0 ? this.#nothing : this.clock(own));
    // Once the clock has all steps there were, no earlier step can add to it.
    let has = sum(clock);
    for (let i = at - 1; i >= 0 && has < at; i--) {
      if (this.isBefore(i, clock) || !conflict(this.steps[i] as Step, step)) continue;
      has = join(clock, this.clock(i));
    }
    clock[thread] = (clock[thread] as number) + 1;
    this.#counts[at] = clock[thread] as number;
    this.#before[at] = own;
    this.#last[thread] = at;
    this.steps.push(step);
  }

  /** Takes back the last step; null if there is none. */
  pop(): Step | null {
    const step = this.steps.pop();
    if (step === undefined) return null;
    this.#last[step.thread] = this.#before[this.steps.length] as number;
    return step;
  }

  clock(at: number): Int32Array {
    return this.#clocks[at] as Int32Array;
  }

  /** True if the step at a position is among those that a clock counts. */
  isBefore(at: number, clock: Int32Array): boolean {
    return (clock[(this.steps[at] as Step).thread] as number) >= (this.#counts[at] as number);
  }

  /** The clock of the step of the same thread before the one at a position. */
  pastOfThread(at: number): Int32Array {
    const own = this.#before[at] as number;
    return own < 0 ? this.#nothing : this.clock(own);
  }

  /** The clock of a thread's last step. */
  lastClock(thread: number): Int32Array {
    const own = this.#last[thread] as number;
    return own < 0 ? this.#nothing : this.clock(own);
  }
}

function sum(clock: Int32Array): number {
  let total = 0;
  for (let i = 0; i < clock.length; i++) total += clock[i] as number;
  return total;
}

/** Adds to a clock what another one counts. @returns how many steps it then counts. */
export function join(into: Int32Array, other: Int32Array): number {
  let total = 0;
  for (let i = 0; i < into.length; i++) {
    const theirs = other[i] as number;
    if (theirs > (into[i] as number)) into[i] = theirs;
    total += into[i] as number;
  }
  return total;
}
