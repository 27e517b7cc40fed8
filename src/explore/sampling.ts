// Single executions chosen by a random number generator, over integers: what `random.ts` and `pct.ts`
// share. The generator is seeded, so the same seed gives the same executions everywhere.
import type { Edge } from "./automaton.ts";
import type { Finding } from "./outcome.ts";
import type { Prepared } from "./program.ts";
import { Space } from "./space.ts";
import {
  type Bounds,
  Findings,
  Limits,
  type Progress,
  type SearchResult,
  type SearchRun,
} from "./strategy.ts";

/** Numbers from 0 up to a bound; the same sequence for the same seed (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** A whole number from 0 to `sides` - 1. */
  roll(sides: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000) * sides);
  }
}

/** Chooses who goes next in one execution. */
export interface Chooser {
  /** @param able The threads that can go on; at least one. */
  next(able: readonly number[], step: number): number;
}

const DEFAULT_EXECUTIONS = 10_000;
const DEFAULT_STEPS = 100_000;

/** Steps made between two looks at the clock. */
const PIECE = 1 << 14;

/** What a sampling strategy is made of. */
export interface Sampled {
  readonly name: string;
  readonly seed: number;
  /** @param longest Steps of the longest execution so far. */
  readonly chooser: (dice: Dice, threads: number, longest: number) => Chooser;
}

/** Runs executions until a bound is reached. Sampling covers nothing, so it is never complete. */
export class Sampling implements SearchRun {
  readonly #space: Space;
  readonly #of: Sampled;
  readonly #dice: Dice;
  readonly #limits: Limits;
  readonly #findings = new Findings();
  readonly #most: number;
  readonly #maxSteps: number;
  #executions = 0;
  #steps = 0;
  #longest = 1;
  /** Executions that were not run to their end. */
  #cut = 0;

  constructor(prepared: Prepared, bounds: Bounds, of: Sampled) {
    this.#space = new Space(prepared);
    this.#of = of;
    this.#dice = new Dice(of.seed);
    this.#limits = new Limits(bounds);
    this.#most = bounds.maxExecutions ?? DEFAULT_EXECUTIONS;
    this.#maxSteps = bounds.maxSteps ?? DEFAULT_STEPS;
  }

  advance(): boolean {
    const until = this.#steps + PIECE;
    while (this.#executions < this.#most && this.#steps < until) {
      const chooser = this.#of.chooser(this.#dice, this.#space.threads.length, this.#longest);
      const length = this.#runOnce(chooser);
      this.#executions++;
      this.#steps += length;
      this.#longest = Math.max(this.#longest, length);
    }
    return this.#limits.allowNow({ executions: this.#executions }) && this.#executions < this.#most;
  }

  /** @returns the number of steps. */
  #runOnce(chooser: Chooser): number {
    const space = this.#space;
    const cursor = space.start();
    const { row } = cursor;
    const schedule: number[] = [];
    const add = (f: Finding): void => this.#findings.add(f, () => [...schedule]);
    space.findings(row, add);
    while (schedule.length < this.#maxSteps && !space.stops(row)) {
      const edges = space.threads.map((_, t) => space.edge(row, t));
      const able = edges.flatMap((e, t) => (e === null ? [] : [t]));
      if (able.length === 0) {
        for (const f of space.endFindings(row)) add(f);
        break;
      }
      const t = chooser.next(able, schedule.length);
      const edge = edges[t] as Edge;
      cursor.step(edge, t);
      schedule.push(t);
      space.findingsAfter(row, t, edge, add);
    }
    if (schedule.length >= this.#maxSteps) this.#cut++;
    return schedule.length;
  }

  progress(): Progress {
    return { states: 0, executions: this.#executions, steps: this.#steps, queue: 0, bytes: 0 };
  }

  result(): SearchResult {
    const cut = this.#cut === 0 ? [] : [`executions cut after ${this.#maxSteps} steps: ${this.#cut}`];
    return {
      strategy: this.#of.name,
      complete: false,
      bound: this.#limits.reached ?? `executions: ${this.#executions}`,
      states: 0,
      executions: this.#executions,
      steps: this.#steps,
      findings: this.#findings.list(),
      notes: [`seed ${this.#of.seed}`, ...cut, ...this.#space.notes()],
    };
  }
}
