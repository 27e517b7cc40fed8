// Which steps conflict: pairs of different threads whose order matters. All that optimal DPOR (`dpor.ts`)
// does rests on this one relation. Two steps conflict
// - if they touch a cell that one of them stores to. A store of the value that was there counts, as it does for
//   other tools; a read-modify-write that leaves all as it was does not;
// - if each changes a cell that the same invariant looks at: their order is what may break it;
// - if one of them ends the execution, as a failed assertion does.
import type { Edge } from "./automaton.ts";

/** A step as far as conflicts go. */
export interface Step {
  readonly thread: number;
  /** Null for a step that waits, and may never be made. */
  readonly edge: Edge | null;
  /** Cells that it looks at or stores to, and those that it stores to. */
  readonly touches: Int32Array;
  readonly stores: Int32Array;
  /** A bit for each of them, modulo 32: most pairs are seen to be independent by these alone. */
  readonly touchBits: number;
  readonly storeBits: number;
  /** True if the bits say all: no cell has a number above 31. */
  readonly exact: boolean;
  /** Bits of the invariants that it may break. */
  readonly rules: number;
  /** True if it ends the execution. */
  readonly stops: boolean;
}

/** What {@link makeStep} does not work out itself. */
export type StepFacts = Pick<Step, "thread" | "edge" | "touches" | "stores" | "rules" | "stops">;

/** Completes a step. All steps are made here, so that they have one shape. */
export const makeStep = ({ thread, edge, touches, stores, rules, stops }: StepFacts): Step => ({
  thread,
  edge,
  touches,
  stores,
  touchBits: bitsOf(touches),
  storeBits: bitsOf(stores),
  exact: touches.every((c) => c < 32) && stores.every((c) => c < 32),
  rules,
  stops,
});

/** True if the order of two steps of different threads matters. */
export function conflict(a: Step, b: Step): boolean {
  if (a.stops || b.stops || (a.rules & b.rules) !== 0) return true;
  if (((a.storeBits & b.touchBits) | (b.storeBits & a.touchBits)) === 0) return false;
  return (a.exact && b.exact) || overlap(a.stores, b.touches) || overlap(b.stores, a.touches);
}

function bitsOf(cells: Int32Array): number {
  let bits = 0;
  for (let i = 0; i < cells.length; i++) bits |= 1 << ((cells[i] as number) & 31);
  return bits;
}

function overlap(a: Int32Array, b: Int32Array): boolean {
  for (let i = 0; i < a.length; i++) for (let j = 0; j < b.length; j++) if (a[i] === b[j]) return true;
  return false;
}
