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
}

/** A finding, and one way to it: not always the shortest. */
export interface FoundAt {
  readonly finding: Finding;
  readonly schedule: Schedule | null;
}

export interface Strategy {
  readonly name: string;
  search(prepared: Prepared, bounds: Bounds): SearchResult;
}

/** Collects findings, the first of each kind and rule. */
export class Findings {
  readonly #found = new Map<string, FoundAt>();

  add(finding: Finding, schedule: () => Schedule | null): void {
    const key = findingKey(finding);
    if (!this.#found.has(key)) this.#found.set(key, { finding, schedule: schedule() });
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
  allow(count: { states?: number; executions?: number; steps?: number }): boolean {
    if (this.reached !== null) return false;
    const { maxStates, maxExecutions, maxSteps, maxMillis } = this.#bounds;
    if (maxStates !== undefined && (count.states ?? 0) > maxStates) this.reached = `states: ${maxStates}`;
    else if (maxExecutions !== undefined && (count.executions ?? 0) > maxExecutions) {
      this.reached = `executions: ${maxExecutions}`;
    } else if (maxSteps !== undefined && (count.steps ?? 0) > maxSteps) this.reached = `steps: ${maxSteps}`;
    else if (maxMillis !== undefined && (++this.#ticks & 4095) === 0) {
      if (performance.now() - this.#start > maxMillis) this.reached = `time: ${maxMillis} ms`;
    }
    return this.reached === null;
  }
}
