// Steps that were made and whose states are still to be looked up, some dozens at a time. A look-up in a large
// table waits for memory, a hundred times as long as the rest of it takes; look-ups that are made one after
// another, each with a search step between, wait one after another. So all of them are announced to the table
// first, in a loop that does nothing else: there the processor waits for many at once.
import type { Edge } from "./automaton.ts";
import type { Cursor, StateSet } from "./state-set.ts";

export class Successors {
  readonly #width: number;
  readonly #rows: Int32Array;
  readonly #hashes: Int32Array;
  readonly #from: Int32Array;
  readonly #threads: Uint8Array;
  readonly #edges: Edge[] = [];
  count = 0;
  /** See {@link StateSet.announce}. */
  announced = 0;

  /**
   * @param width Integers in a packed state.
   * @param most  Steps at most.
   */
  constructor(width: number, most: number) {
    this.#width = width;
    this.#rows = new Int32Array(width * most);
    this.#hashes = new Int32Array(most);
    this.#from = new Int32Array(most);
    this.#threads = new Uint8Array(most);
  }

  /** Notes a step that the cursor has just made. */
  push(cursor: Cursor, from: number, thread: number, edge: Edge): void {
    const at = this.count++;
    const { packed } = cursor;
    const start = at * this.#width;
    for (let i = 0; i < this.#width; i++) this.#rows[start + i] = packed[i] as number;
    this.#hashes[at] = cursor.hash;
    this.#from[at] = from;
    this.#threads[at] = thread;
    this.#edges[at] = edge;
  }

  /** Adds all states to a set, tells `added` which are new, and forgets them. */
  addTo(seen: StateSet, added: (state: number, from: number, thread: number, edge: Edge) => void): void {
    this.announced = seen.announce(this.#hashes, this.count);
    for (let at = 0; at < this.count; at++) {
      const state = seen.addPacked(this.#rows, at * this.#width, this.#hashes[at] as number);
      if (!seen.added) continue;
      added(state, this.#from[at] as number, this.#threads[at] as number, this.#edges[at] as Edge);
    }
    this.count = 0;
  }
}
