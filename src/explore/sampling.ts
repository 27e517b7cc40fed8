// Single executions chosen by a random number generator, over integers: what `random.ts` and `pct.ts`
// share. The generator is seeded, so the same seed gives the same executions everywhere.
import type { Edge } from "./automaton.ts";
import type { Prepared } from "./program.ts";
import { Space } from "./space.ts";
import { type Bounds, Findings, Limits, type SearchResult } from "./strategy.ts";

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

export const DEFAULT_EXECUTIONS = 10_000;
const DEFAULT_STEPS = 100_000;

/** Runs executions until a bound is reached. Sampling covers nothing, so it is never complete. */
export function sample(
  name: string,
  prepared: Prepared,
  bounds: Bounds,
  seed: number,
  chooser: (dice: Dice, execution: number, longest: number) => Chooser,
): SearchResult {
  const space = new Space(prepared);
  const findings = new Findings();
  const limits = new Limits(bounds);
  const dice = new Dice(seed);
  const most = bounds.maxExecutions ?? DEFAULT_EXECUTIONS;
  let executions = 0;
  let steps = 0;
  let longest = 1;
  for (; executions < most && limits.allowNow({ executions }); executions++) {
    const length = runOnce(
      space,
      findings,
      chooser(dice, executions, longest),
      bounds.maxSteps ?? DEFAULT_STEPS,
    );
    steps += length;
    longest = Math.max(longest, length);
  }
  return {
    strategy: name,
    complete: false,
    bound: limits.reached ?? `executions: ${executions}`,
    states: 0,
    executions,
    steps,
    findings: findings.list(),
    notes: [`seed ${seed}`, ...space.notes()],
  };
}

function runOnce(space: Space, findings: Findings, chooser: Chooser, maxSteps: number): number {
  const cursor = space.start();
  const { row } = cursor;
  const schedule: number[] = [];
  space.findings(row, (f) => findings.add(f, () => []));
  while (schedule.length < maxSteps && !space.stops(row)) {
    const able: number[] = [];
    const edges: (Edge | null)[] = space.threads.map((_, t) => space.edge(row, t));
    edges.forEach((e, t) => {
      if (e !== null) able.push(t);
    });
    if (able.length === 0) {
      for (const f of space.endFindings(row)) findings.add(f, () => [...schedule]);
      break;
    }
    const t = chooser.next(able, schedule.length);
    const edge = edges[t] as Edge;
    cursor.step(edge, t);
    schedule.push(t);
    space.findingsAfter(row, t, edge, (f) => findings.add(f, () => [...schedule]));
  }
  return schedule.length;
}
