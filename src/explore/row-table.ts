// Rows of integers, each kept once and known by a number. Rows lie in typed arrays and are found again
// by open addressing; they are compared whole, so two rows are never taken for one.
import { hashOfRow, slotOf, type Table } from "./shared-table.ts";

/** Share of the slots that may be taken: more costs probes, less costs misses of the cache. */
const FULL = 0.6;

export class RowTable implements Table {
  readonly #width: number;
  readonly #blockBits: number;
  readonly #blocks: Int32Array[] = [];
  /** Pairs: hash, then number of the row plus one; zero where nothing is. */
  #slots = new Int32Array(1 << 7);
  #mask = (1 << 6) - 1;
  #size = 0;
  added = false;

  /**
   * @param width     Integers in a row.
   * @param blockBits Rows in one block of memory, as a power of two. A block is never moved.
   */
  constructor(width: number, blockBits: number) {
    this.#width = width;
    this.#blockBits = blockBits;
  }

  get size(): number {
    return this.#size;
  }

  /** Memory that the rows take, in bytes. */
  get bytes(): number {
    return this.#blocks.length * (this.#width << (this.#blockBits + 2)) + this.#slots.byteLength;
  }

  /** The block that holds a row. */
  block(row: number): Int32Array {
    return this.#blocks[row >>> this.#blockBits] as Int32Array;
  }

  /** Where in its block a row begins. */
  offset(row: number): number {
    return (row & ((1 << this.#blockBits) - 1)) * this.#width;
  }

  /** The number of the row that stands in `source` from `from` on; numbers are given in order. */
  add(source: Int32Array, from: number): number {
    return this.addHashed(source, from, hashOfRow(source, from, this.#width));
  }

  /** As {@link add}, for a caller that knows a hash of the row. Always the same kind of hash, please. */
  addHashed(source: Int32Array, from: number, rawHash: number): number {
    const width = this.#width;
    const hash = slotOf(rawHash);
    const mask = this.#mask;
    const slots = this.#slots;
    let slot = hash & mask;
    for (;;) {
      const row = (slots[2 * slot + 1] as number) - 1;
      if (row < 0) break;
      if (slots[2 * slot] === hash) {
        const block = this.block(row);
        const offset = this.offset(row);
        let i = 0;
        while (i < width && block[offset + i] === source[from + i]) i++;
        if (i === width) {
          this.added = false;
          return row;
        }
      }
      slot = (slot + 1) & mask;
    }
    this.added = true;
    const row = this.#size++;
    const offset = this.offset(row);
    if (offset === 0) this.#blocks.push(new Int32Array(width << this.#blockBits));
    const block = this.block(row);
    for (let i = 0; i < width; i++) block[offset + i] = source[from + i] as number;
    slots[2 * slot] = hash;
    slots[2 * slot + 1] = row + 1;
    if (this.#size > mask * FULL) this.#grow();
    return row;
  }

  announce(hashes: Int32Array, count: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    let loaded = 0;
    for (let i = 0; i < count; i++) loaded ^= slots[2 * (slotOf(hashes[i] as number) & mask)] as number;
    if (this.#size === 0) return loaded;
    for (let i = 0; i < count; i++) {
      const row = (slots[2 * (slotOf(hashes[i] as number) & mask) + 1] as number) - 1;
      // Row 0 where there is none: whether there is one cannot be guessed, so no branch.
      const known = row & ~(row >> 31);
      loaded ^= this.block(known)[this.offset(known)] as number;
    }
    return loaded;
  }

  hasHashed(source: Int32Array, from: number, rawHash: number): boolean {
    const hash = slotOf(rawHash);
    const width = this.#width;
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const row = (this.#slots[2 * slot + 1] as number) - 1;
      if (row < 0) return false;
      if (this.#slots[2 * slot] !== hash) continue;
      const block = this.block(row);
      const offset = this.offset(row);
      let i = 0;
      while (i < width && block[offset + i] === source[from + i]) i++;
      if (i === width) return true;
    }
  }

  /** All rows, one after another. */
  toArray(): Int32Array {
    const all = new Int32Array(this.#size * this.#width);
    for (let row = 0; row < this.#size; row++) {
      const offset = this.offset(row);
      all.set(this.block(row).subarray(offset, offset + this.#width), row * this.#width);
    }
    return all;
  }

  #grow(): void {
    const old = this.#slots;
    const mask = this.#mask * 2 + 1;
    const slots = new Int32Array((mask + 1) * 2);
    for (let i = 0; i < old.length; i += 2) {
      if (old[i + 1] === 0) continue;
      const hash = old[i] as number;
      let slot = hash & mask;
      while (slots[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
      slots[2 * slot] = hash;
      slots[2 * slot + 1] = old[i + 1] as number;
    }
    this.#slots = slots;
    this.#mask = mask;
  }
}
