// The shortest way to a finding: fewest preemptions, then fewest switches, then fewest steps, proven
// minimal. Costs only add up, so this is Dijkstra's search with the triple as distance, over states
// that also say who ran last; since a step adds one to the steps and at most one to each of the
// others, the queue is three levels of buckets (a 0-1 breadth-first search, twice). No reduction is
// used here: it might drop the very interleaving that is wanted. Ties are broken by the order of
// threads, so the same counterexample comes out of every run.
import { type Counterexample, type Finding, findingKey } from "./outcome.ts";
import type { Space } from "./space.ts";
import { type Cursor, StateSet } from "./state-set.ts";
import { type Bounds, Limits } from "./strategy.ts";

/** Who ran last, where nobody has run yet. */
const NOBODY = -1;

interface Way {
  readonly state: number;
  /** Who made the step to here, and whose step was the last one that counts for switches. */
  readonly by: number;
  readonly last: number;
  readonly steps: number;
  /** The way that this one goes on from; null at the start. */
  readonly before: Way | null;
}

/** Buckets by preemptions and switches; within one, by steps. */
class Queue {
  readonly #buckets: Way[][][][] = [];

  push(preemptions: number, switches: number, way: Way): void {
    this.#buckets[preemptions] ??= [];
    const bySwitches = this.#buckets[preemptions] as Way[][][];
    bySwitches[switches] ??= [];
    const bySteps = bySwitches[switches] as Way[][];
    bySteps[way.steps] ??= [];
    (bySteps[way.steps] as Way[]).push(way);
  }

  /** Takes the ways in order of cost, those pushed meanwhile included. */
  *inOrder(): Generator<{ preemptions: number; switches: number; way: Way }, void, void> {
    for (let p = 0; p < this.#buckets.length; p++) {
      const bySwitches = this.#buckets[p] ?? [];
      for (let s = 0; s < bySwitches.length; s++) {
        const bySteps = bySwitches[s] ?? [];
        for (let n = 0; n < bySteps.length; n++) {
          for (const way of bySteps[n] ?? []) yield { preemptions: p, switches: s, way };
          delete bySteps[n];
        }
      }
      delete this.#buckets[p];
    }
  }
}

/**
 * Finds the shortest way to a finding of the same kind and rule as `wanted`.
 *
 * @returns null if there is none, or if a bound was reached first.
 */
export function findShortest(
  space: Space,
  wanted: Pick<Finding, "kind" | "property">,
  bounds: Bounds,
): Counterexample | null {
  const key = findingKey(wanted);
  return shortestTo(space, ({ row }) => findingIn(space, row, key), bounds);
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
  queue.push(0, 0, { state: seen.add(cursor), by: NOBODY, last: NOBODY, steps: 0, before: null });

  for (const { preemptions, switches, way } of queue.inOrder()) {
    if (!limits.allow({ states: seen.size })) return null;
    if (settle(settled, way.last + 1, way.state)) continue;
    seen.load(way.state, cursor);
    const finding = look(cursor);
    if (finding !== null) {
      const schedule: number[] = [];
      for (let w: Way | null = way; w !== null && w.by !== NOBODY; w = w.before) schedule.push(w.by);
      return {
        finding,
        schedule: schedule.reverse(),
        loop: null,
        steps: way.steps,
        switches,
        preemptions,
        shortest: true,
      };
    }
    if (space.stops(row)) continue;
    const couldGoOn = way.last !== NOBODY && space.edge(row, way.last) !== null;
    for (let t = 0; t < threads; t++) {
      const edge = space.edge(row, t);
      if (edge === null) continue;
      // What the machine does of itself is no switch.
      const last = space.prepared.threads[t]?.hidden === true ? way.last : t;
      const switched = way.last !== NOBODY && way.last !== last;
      cursor.step(edge, t);
      const state = seen.add(cursor);
      cursor.back();
      if (alreadySettled(settled, last + 1, state)) continue;
      queue.push(preemptions + (switched && couldGoOn ? 1 : 0), switches + (switched ? 1 : 0), {
        state,
        by: t,
        last,
        steps: way.steps + 1,
        before: way,
      });
    }
  }
  return null;
}

function findingIn(space: Space, row: Int32Array, key: string): Finding | null {
  let found: Finding | null = null;
  space.findings(row, (f) => {
    if (found === null && findingKey(f) === key) found = f;
  });
  if (found !== null || space.stops(row)) return found;
  for (let t = 0; t < space.threads.length; t++) if (space.edge(row, t) !== null) return null;
  return space.endFindings(row).find((f) => findingKey(f) === key) ?? null;
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
