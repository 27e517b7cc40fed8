// The shortest way to a finding: fewest preemptions, then fewest switches, then fewest steps, proven
// minimal. Costs only add up, so this is Dijkstra's search with the triple as distance, over states
// that also say who ran last; since a step adds one to the steps and at most one to each of the
// others, the queue is three levels of buckets (a 0-1 breadth-first search, twice). No reduction is
// used here: it might drop the very interleaving that is wanted. Ties are broken by the order of
// threads, so the same counterexample comes out of every run.

import { IntList } from "./int-list.ts";
import { type Counterexample, type Finding, findingKey } from "./outcome.ts";
import type { Space } from "./space.ts";
import { type Cursor, StateSet } from "./state-set.ts";
import { type Bounds, Limits } from "./strategy.ts";

/** Who ran last, where nobody has run yet; and the way before the first. */
const NOBODY = -1;

/** Ways by cost: preemptions, then switches, then steps. */
class Queue {
  readonly #buckets: number[][][][] = [];

  push(preemptions: number, switches: number, steps: number, way: number): void {
    this.#buckets[preemptions] ??= [];
    const bySwitches = this.#buckets[preemptions] as number[][][];
    bySwitches[switches] ??= [];
    const bySteps = bySwitches[switches] as number[][];
    bySteps[steps] ??= [];
    (bySteps[steps] as number[]).push(way);
  }

  /** Takes the ways in order of cost, those pushed meanwhile included. */
  *inOrder(): Generator<readonly [preemptions: number, switches: number, steps: number, way: number]> {
    for (let p = 0; p < this.#buckets.length; p++) {
      const bySwitches = this.#buckets[p] ?? [];
      for (let s = 0; s < bySwitches.length; s++) {
        const bySteps = bySwitches[s] ?? [];
        for (let n = 0; n < bySteps.length; n++) {
          for (const way of bySteps[n] ?? []) yield [p, s, n, way];
          delete bySteps[n];
        }
      }
      delete this.#buckets[p];
    }
  }
}

/**
 * Finds the shortest way to any finding of the same kind and rule as one of `wanted`.
 *
 * @returns null if there is none, or if a bound was reached first.
 */
export function findShortest(
  space: Space,
  wanted: readonly Pick<Finding, "kind" | "property">[],
  bounds: Bounds,
): Counterexample | null {
  const keys = new Set(wanted.map(findingKey));
  return shortestTo(space, ({ row }) => findingIn(space, row, keys), bounds);
}

/**
 * Finds the shortest way to a state in which `look` finds something.
 *
 * @returns null if there is none, or if a bound was reached first.
 */
export function shortestTo(
  space: Space,
  look: (at: Cursor) => Finding | null,
  bounds: Bounds,
): Counterexample | null {
  const threads = space.threads.length;
  const seen = new StateSet(space.packing);
  // Settled pairs of state and last thread.
  const settled: Uint8Array[] = Array.from({ length: threads + 1 }, () => new Uint8Array(1 << 12));
  const limits = new Limits(bounds);
  const cursor = space.start();
  const { row } = cursor;
  const queue = new Queue();
  // Ways, four integers each: the state, who made the step to it, who ran last, and the way before.
  const ways = new IntList();
  const scheduleOf = (at: number): number[] => {
    const schedule: number[] = [];
    for (let w = at; ways.at(w + 1) !== NOBODY; w = ways.at(w + 3)) schedule.push(ways.at(w + 1));
    return schedule.reverse();
  };
  for (const item of [seen.add(cursor), NOBODY, NOBODY, NOBODY]) ways.push(item);
  queue.push(0, 0, 0, 0);

  for (const [preemptions, switches, steps, way] of queue.inOrder()) {
    if (!limits.allow({ states: seen.size, bytes: seen.bytes + ways.bytes })) return null;
    const state = ways.at(way);
    const lastRun = ways.at(way + 2);
    if (settle(settled, lastRun + 1, state)) continue;
    seen.load(state, cursor);
    const finding = look(cursor);
    if (finding !== null) {
      return { finding, schedule: scheduleOf(way), loop: null, steps, switches, preemptions, shortest: true };
    }
    if (space.stops(row)) continue;
    const couldGoOn = lastRun !== NOBODY && space.edge(row, lastRun) !== null;
    for (let t = 0; t < threads; t++) {
      const edge = space.edge(row, t);
      if (edge === null) continue;
      // What the machine does of itself is no switch.
      const last = space.prepared.threads[t]?.hidden === true ? lastRun : t;
      const switched = lastRun !== NOBODY && lastRun !== last;
      cursor.step(edge, t);
      const next = seen.add(cursor);
      cursor.back();
      if (alreadySettled(settled, last + 1, next)) continue;
      const [p, s] = [preemptions + (switched && couldGoOn ? 1 : 0), switches + (switched ? 1 : 0)];
      queue.push(p, s, steps + 1, ways.length);
      ways.push(next);
      ways.push(t);
      ways.push(last);
      ways.push(way);
    }
  }
  return null;
}

function findingIn(space: Space, row: Int32Array, keys: ReadonlySet<string>): Finding | null {
  let found: Finding | null = null;
  space.findings(row, (f) => {
    if (found === null && keys.has(findingKey(f))) found = f;
  });
  if (found !== null || space.stops(row)) return found;
  for (let t = 0; t < space.threads.length; t++) if (space.edge(row, t) !== null) return null;
  return space.endFindings(row).find((f) => keys.has(findingKey(f))) ?? null;
}

const alreadySettled = (settled: Uint8Array[], last: number, state: number): boolean =>
  (settled[last] as Uint8Array)[state] === 1;

/** Settles a pair; true if it was settled before. */
function settle(settled: Uint8Array[], last: number, state: number): boolean {
  let bits = settled[last] as Uint8Array;
  if (state >= bits.length) {
    const larger = new Uint8Array(Math.max(bits.length * 2, state + 1));
    larger.set(bits);
    settled[last] = larger;
    bits = larger;
  }
  if (bits[state] === 1) return true;
  bits[state] = 1;
  return false;
}
