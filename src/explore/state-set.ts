// The set of states that were seen: rows of integers in typed arrays, found again by an
// open-addressing hash table. Rows are compared whole, so two states are never taken for one.

/** Rows in one block of memory: allocated at once, never moved. */
const ROWS_IN_BLOCK = 1 << 14;

export class StateSet {
  readonly #width: number;
  readonly #blocks: Int32Array[] = [];
  #slots = new Int32Array(1 << 12).fill(-1);
  #size = 0;

  /** @param width Integers in a row. */
  constructor(width: number) {
    this.#width = width;
  }

  /** Number of states. */
  get size(): number {
    return this.#size;
  }

  /** Memory that the states take, in bytes. */
  get bytes(): number {
    return this.#blocks.length * ROWS_IN_BLOCK * this.#width * 4 + this.#slots.byteLength;
  }

  /** The block that holds a state. */
  block(state: number): Int32Array {
    return this.#blocks[Math.floor(state / ROWS_IN_BLOCK)] as Int32Array;
  }

  /** Where in its block a state begins. */
  offset(state: number): number {
    return (state % ROWS_IN_BLOCK) * this.#width;
  }

  /**
   * Adds the row at the start of `row`.
   *
   * @returns its number; numbers are given in order, so the state is new exactly when it equals the
   *   size that the set had before.
   */
  add(row: Int32Array): number {
    const mask = this.#slots.length - 1;
    let slot = this.#hash(row) & mask;
    for (;;) {
      const state = this.#slots[slot] as number;
      if (state < 0) break;
      if (this.#equal(state, row)) return state;
      slot = (slot + 1) & mask;
    }
    const state = this.#size++;
    if (state % ROWS_IN_BLOCK === 0) this.#blocks.push(new Int32Array(ROWS_IN_BLOCK * this.#width));
    const block = this.block(state);
    const offset = this.offset(state);
    for (let i = 0; i < this.#width; i++) block[offset + i] = row[i] as number;
    this.#slots[slot] = state;
    if (this.#size * 2 > this.#slots.length) this.#grow();
    return state;
  }

  #hash(row: Int32Array): number {
    let h = 0x811c9dc5;
    for (let i = 0; i < this.#width; i++) h = Math.imul(h ^ (row[i] as number), 0x01000193) + (h >>> 15);
    h ^= h >>> 16;
    h = Math.imul(h, 0x7feb352d);
    return h ^ (h >>> 15);
  }

  #equal(state: number, row: Int32Array): boolean {
    const block = this.block(state);
    const offset = this.offset(state);
    for (let i = 0; i < this.#width; i++) if (block[offset + i] !== row[i]) return false;
    return true;
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 2).fill(-1);
    const mask = slots.length - 1;
    const row = new Int32Array(this.#width);
    for (let state = 0; state < this.#size; state++) {
      const block = this.block(state);
      const offset = this.offset(state);
      for (let i = 0; i < this.#width; i++) row[i] = block[offset + i] as number;
      let slot = this.#hash(row) & mask;
      while ((slots[slot] as number) >= 0) slot = (slot + 1) & mask;
      slots[slot] = state;
    }
    this.#slots = slots;
  }
}
