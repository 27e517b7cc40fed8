// The set of states that were seen, and the one state that the search stands in. A state is a row:
// the value id of each cell, then the node of each thread. Two things keep wide rows cheap. Cells are
// packed in chunks, and a chunk that was seen before is kept once (collapse compression, as in Spin):
// a state is then a number for each chunk. And the hash is a sum over positions, so a step changes it
// by the few positions that it writes, and is taken back the same way.
import type { Edge } from "./automaton.ts";
import { RowTable } from "./row-table.ts";
import type { Table } from "./shared-table.ts";

/** Cells in a chunk. Programs with few cells are kept as they are: a chunk of one. */
const CHUNK = 8;
const FEW_CELLS = 12;

/** What one position adds to the hash of a state. */
export function mix(position: number, value: number): number {
  let h = Math.imul(value + Math.imul(position + 1, 0x9e3779b1), 0x85ebca6b);
  h ^= h >>> 15;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 13);
}

/** The hash of a packed state. */
export function hashOf(packed: Int32Array, from: number, width: number): number {
  let hash = 0;
  for (let i = 0; i < width; i++) hash = (hash + mix(i, packed[from + i] as number)) | 0;
  return hash;
}

/** Cuts rows into chunks and gives each chunk a number; the same for all who share it. */
export class Packing {
  readonly cells: number;
  readonly threads: number;
  /** Cells in a chunk. */
  readonly chunk: number;
  readonly #tables: readonly Table[];
  /** Integers in a packed state: one a chunk, then one a thread. */
  readonly width: number;
  readonly chunks: number;

  /** @param shared Gives the table of each chunk, where others share them. */
  constructor(cells: number, threads: number, shared: ((chunk: number) => Table) | null = null) {
    this.cells = cells;
    this.threads = threads;
    this.chunk = cells <= FEW_CELLS ? 1 : CHUNK;
    this.chunks = Math.ceil(cells / this.chunk);
    this.width = this.chunks + threads;
    this.#tables =
      this.chunk === 1
        ? []
        : Array.from({ length: this.chunks }, (_, k) => shared?.(k) ?? new RowTable(this.chunk, 8));
  }

  /** The number of a chunk of `row`, whose length is a multiple of a chunk. */
  number(row: Int32Array, chunk: number): number {
    return this.chunk === 1
      ? (row[chunk] as number)
      : (this.#tables[chunk] as Table).add(row, chunk * this.chunk);
  }

  /** Writes the cells of a packed state to `row`. */
  unpack(packed: Int32Array, row: Int32Array): void {
    if (this.chunk === 1) return;
    for (let k = 0; k < this.chunks; k++) {
      const table = this.#tables[k] as Table;
      const number = packed[k] as number;
      const block = table.block(number);
      const offset = table.offset(number);
      for (let i = 0; i < CHUNK; i++) row[k * CHUNK + i] = block[offset + i] as number;
    }
  }

  /** The chunks that are known, by table. */
  save(): Int32Array[] {
    return this.#tables.map((t) => (t as RowTable).toArray());
  }

  /** Gives the chunks of {@link save} the numbers that they had. */
  restore(saved: readonly Int32Array[]): void {
    saved.forEach((rows, k) => {
      for (let at = 0; at < rows.length; at += this.chunk) (this.#tables[k] as Table).add(rows, at);
    });
  }

  get bytes(): number {
    return this.#tables.reduce((sum, t) => sum + t.bytes, 0);
  }
}

/** The state that a search stands in; makes steps and takes them back. */
export class Cursor {
  readonly packing: Packing;
  /** Value ids of the cells (filled up to whole chunks), then the node of each thread. */
  readonly row: Int32Array;
  /** Position of the first thread in `row`. */
  readonly threadsAt: number;
  readonly packed: Int32Array;
  hash = 0;
  // What the last step overwrote.
  readonly #undoRow: Int32Array;
  #undoRows = 0;
  readonly #undoPacked: Int32Array;
  #undoPackeds = 0;
  #undoHash = 0;

  constructor(packing: Packing) {
    this.packing = packing;
    this.threadsAt = packing.chunks * packing.chunk;
    this.row = new Int32Array(this.threadsAt + packing.threads);
    // Without chunks, a state is packed as it is.
    this.packed = packing.chunk === 1 ? this.row : new Int32Array(packing.width);
    this.#undoRow = new Int32Array(2 * this.row.length + 2);
    this.#undoPacked = new Int32Array(2 * packing.width + 2);
  }

  /** Stands in the state whose value ids are given, with all threads at their start. */
  start(values: readonly number[]): void {
    this.row.fill(0);
    values.forEach((v, i) => {
      this.row[i] = v;
    });
    const { packing, packed } = this;
    for (let k = 0; k < packing.chunks; k++) packed[k] = packing.number(this.row, k);
    for (let t = 0; t < packing.threads; t++) packed[packing.chunks + t] = 0;
    this.#rehash();
  }

  /** Stands in a state that was packed before. */
  load(block: Int32Array, offset: number): void {
    const { packing, packed, row } = this;
    const { width, chunks } = packing;
    for (let i = 0; i < width; i++) packed[i] = block[offset + i] as number;
    packing.unpack(packed, row);
    for (let i = chunks; i < width; i++) row[this.threadsAt + i - chunks] = packed[i] as number;
    this.#rehash();
  }

  #rehash(): void {
    this.hash = hashOf(this.packed, 0, this.packed.length);
  }

  /** Makes the step of a thread. */
  step(edge: Edge, thread: number): void {
    this.#undoHash = this.hash;
    this.#undoRows = 0;
    this.#undoPackeds = 0;
    const { writes } = edge;
    const plain = this.packing.chunk === 1;
    for (let i = 0; i < writes.length; i += 2) {
      const cell = writes[i] as number;
      const value = writes[i + 1] as number;
      if (plain) this.#hashChange(cell, this.row[cell] as number, value);
      this.#setRow(cell, value);
    }
    if (!plain) this.#packChunks(writes);
    const at = this.threadsAt + thread;
    const position = this.packing.chunks + thread;
    this.#hashChange(position, this.row[at] as number, edge.next);
    this.#setRow(at, edge.next);
    if (!plain) this.#setPacked(position, edge.next);
  }

  #packChunks(writes: Int32Array): void {
    for (let i = 0; i < writes.length; i += 2) {
      const chunk = ((writes[i] as number) / CHUNK) | 0;
      const old = this.packed[chunk] as number;
      const number = this.packing.number(this.row, chunk);
      if (number === old) continue;
      this.#hashChange(chunk, old, number);
      this.#setPacked(chunk, number);
    }
  }

  #hashChange(position: number, old: number, value: number): void {
    this.hash = (this.hash + mix(position, value) - mix(position, old)) | 0;
  }

  #setRow(at: number, value: number): void {
    this.#undoRow[this.#undoRows++] = at;
    this.#undoRow[this.#undoRows++] = this.row[at] as number;
    this.row[at] = value;
  }

  #setPacked(at: number, value: number): void {
    this.#undoPacked[this.#undoPackeds++] = at;
    this.#undoPacked[this.#undoPackeds++] = this.packed[at] as number;
    this.packed[at] = value;
  }

  /** Takes the last step back; once. */
  back(): void {
    const undo = this.#undoRow;
    const undoPacked = this.#undoPacked;
    for (let i = this.#undoRows - 2; i >= 0; i -= 2) this.row[undo[i] as number] = undo[i + 1] as number;
    for (let i = this.#undoPackeds - 2; i >= 0; i -= 2) {
      this.packed[undoPacked[i] as number] = undoPacked[i + 1] as number;
    }
    this.hash = this.#undoHash;
  }
}

/** All states that were seen, by number, in the order in which they were added. */
export class StateSet {
  readonly #packing: Packing;
  readonly #rows: Table;

  constructor(packing: Packing, rows: Table = new RowTable(packing.width, 14)) {
    this.#packing = packing;
    this.#rows = rows;
  }

  /** True if the last state that was added is new. */
  get added(): boolean {
    return this.#rows.added;
  }

  /** Number of states. */
  get size(): number {
    return this.#rows.size;
  }

  /** Memory that the states take, in bytes. */
  get bytes(): number {
    return this.#rows.bytes + this.#packing.bytes;
  }

  /**
   * Adds the state that a cursor stands in.
   *
   * @returns its number; alone, numbers are given in order.
   */
  add(cursor: Cursor): number {
    return this.#rows.addHashed(cursor.packed, 0, cursor.hash);
  }

  /** As {@link add}, for a state that was packed, and its hash. */
  addPacked(packed: Int32Array, from: number, hash: number): number {
    return this.#rows.addHashed(packed, from, hash);
  }

  /** Prepares for adding the states with these hashes: see {@link Table.announce}. */
  announce(hashes: Int32Array, count: number): number {
    return this.#rows.announce(hashes, count);
  }

  /** All states, packed, one after another. */
  save(): Int32Array {
    return (this.#rows as RowTable).toArray();
  }

  /** Adds the states of {@link save}, under the numbers that they had. */
  restore(saved: Int32Array): void {
    const { width } = this.#packing;
    for (let at = 0; at < saved.length; at += width)
      this.#rows.addHashed(saved, at, hashOf(saved, at, width));
  }

  /** True if the state that a cursor stands in was added before. */
  has(cursor: Cursor): boolean {
    return this.#rows.hasHashed(cursor.packed, 0, cursor.hash);
  }

  /** Makes a cursor stand in a state. */
  load(state: number, cursor: Cursor): void {
    cursor.load(this.#rows.block(state), this.#rows.offset(state));
  }
}
