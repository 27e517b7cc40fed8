// What every strategy takes and gives. A strategy is one file: how it chooses who goes next, and
// what its clean result proves.
import { type Finding, findingKey, findingKinds } from "./outcome.ts";
import type { Prepared } from "./program.ts";
import type { Schedule } from "./schedule.ts";

/** Where a search must stop, whatever it has not yet seen. Reaching one makes it incomplete. */
export interface Bounds {
  /** Distinct states. */
  readonly maxStates?: number;
  /** Executions run to their end. */
  readonly maxExecutions?: number;
  /** Operations in one execution, or on one way through the states. */
  readonly maxSteps?: number;
  /** Wall-clock time of the search in milliseconds. It can only make a result inconclusive. */
  readonly maxMillis?: number;
  /** Memory that the states take, in bytes. */
  readonly maxBytes?: number;
  /** Stops the search when it fires, as a bound does. */
  readonly signal?: AbortSignal;
}

/** How far a search has come. */
export interface Progress {
  readonly states: number;
  readonly executions: number;
  readonly steps: number;
  /** States that wait to be expanded, or the depth of the execution that runs. */
  readonly queue: number;
  /** Memory that the states take, in bytes. */
  readonly bytes: number;
}

/** A search that is under way. Nothing happens between two calls, so it can be looked at and put aside. */
export interface SearchRun {
  /** Goes on for some milliseconds. @returns false once nothing is left or a bound was reached. */
  advance(): boolean;
  progress(): Progress;
  /** What was seen so far: not complete while {@link advance} would return true. */
  result(): SearchResult;
}

/** What a search saw. */
export interface SearchResult {
  readonly strategy: string;
  /** True if everything there is was covered; false if a bound cut the search short. */
  readonly complete: boolean;
  /** Which bound, with its number, if not complete: `states: 1000000`. */
  readonly bound: string | null;
  /** Distinct states, where the strategy keeps them. */
  readonly states: number;
  /** Executions run to their end; for a search over states, states in which nobody can run. */
  readonly executions: number;
  /** Operations made. */
  readonly steps: number;
  /** One of each kind and rule, in the order of {@link findingKinds}. */
  readonly findings: readonly FoundAt[];
  /** What else the reader must know to trust the result. */
  readonly notes?: readonly string[];
  /** Memory that the states took, in bytes. */
  readonly bytes?: number;
}

/** A finding, and one way to it: not always the shortest. */
export interface FoundAt {
  readonly finding: Finding;
  readonly schedule: Schedule | null;
}

export interface Strategy {
  readonly name: string;
  search(prepared: Prepared, bounds: Bounds): SearchResult;
  /** The same, in pieces. */
  start?(prepared: Prepared, bounds: Bounds): SearchRun;
}

/** A strategy that can be looked at and put aside, and so can run to its end at once as well. */
export const asStrategy = (
  name: string,
  start: (prepared: Prepared, bounds: Bounds) => SearchRun,
): Strategy => ({ name, start, search: (prepared, bounds) => runToEnd(start(prepared, bounds)) });

/** Lets a search run to its end. */
export function runToEnd(run: SearchRun): SearchResult {
  while (run.advance());
  return run.result();
}

/** Collects findings: of each kind and rule the one whose sentence comes first in the alphabet, so that it
 * does not matter in which order states are visited. */
export class Findings {
  readonly #found = new Map<string, FoundAt>();

  add(finding: Finding, schedule: () => Schedule | null): void {
    const key = findingKey(finding);
    const known = this.#found.get(key);
    if (known !== undefined && known.finding.detail <= finding.detail) return;
    this.#found.set(key, { finding, schedule: schedule() });
  }

  has(finding: Finding): boolean {
    return this.#found.has(findingKey(finding));
  }

  list(): FoundAt[] {
    const rank = (f: FoundAt): number => findingKinds.indexOf(f.finding.kind);
    return [...this.#found.values()].sort(
      (a, b) => rank(a) - rank(b) || (a.finding.property < b.finding.property ? -1 : 1),
    );
  }
}

/** Watches the bounds of a search. */
export class Limits {
  readonly #bounds: Bounds;
  readonly #start = performance.now();
  #ticks = 0;
  /** The bound that was reached, if any. */
  reached: string | null = null;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  /** False once a bound is reached. Looks at the clock once in 4096 calls. */
  allow(count: { states?: number; executions?: number; steps?: number; bytes?: number }): boolean {
    if (this.reached !== null) return false;
    const { maxStates, maxExecutions, maxSteps, maxMillis, maxBytes, signal } = this.#bounds;
    if (maxStates !== undefined && (count.states ?? 0) > maxStates) this.reached = `states: ${maxStates}`;
    else if (maxExecutions !== undefined && (count.executions ?? 0) > maxExecutions) {
      this.reached = `executions: ${maxExecutions}`;
    } else if (maxSteps !== undefined && (count.steps ?? 0) > maxSteps) this.reached = `steps: ${maxSteps}`;
    else if (maxBytes !== undefined && (count.bytes ?? 0) > maxBytes)
      this.reached = `memory: ${maxBytes} bytes`;
    else if (signal?.aborted === true) this.reached = "interrupted";
    else if (maxMillis !== undefined && (++this.#ticks & 4095) === 0) {
      this.#lookAtClock();
    }
    return this.reached === null;
  }

  /** As {@link allow}, for a caller that asks seldom: looks at the clock every time. */
  allowNow(count: { states?: number; executions?: number; steps?: number; bytes?: number }): boolean {
    if (this.allow(count)) this.#lookAtClock();
    return this.reached === null;
  }

  #lookAtClock(): void {
    const { maxMillis } = this.#bounds;
    if (maxMillis !== undefined && performance.now() - this.#start > maxMillis) {
      this.reached = `time: ${maxMillis} ms`;
    }
  }
}
