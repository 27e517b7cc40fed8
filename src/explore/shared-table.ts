// Rows of integers that several workers share, each kept once: as `row-table.ts`, in shared memory. A row
// is written first, where nobody else looks, and then published by one compare-and-exchange of its slot,
// so a reader sees whole rows only, and no lock is taken.

/** What a table of rows gives: to a search it is the same whether others share it. */
export interface Table {
  /** True if the last row that was added is new. */
  readonly added: boolean;
  readonly size: number;
  readonly bytes: number;
  block(row: number): Int32Array;
  offset(row: number): number;
  add(source: Int32Array, from: number): number;
  addHashed(source: Int32Array, from: number, hash: number): number;
}

/** A slot holds the number of a row plus one in its low bits, and some bits of its hash above. */
const ROW_BITS = 26;
const ROW_MASK = (1 << ROW_BITS) - 1;
/** Rows that a worker takes for itself at a time. */
const ROWS_AT_ONCE = 64;

/** Shared memory of one table; made by the main thread, sent to the workers. */
export interface SharedRows {
  readonly width: number;
  readonly capacity: number;
  readonly slots: SharedArrayBuffer;
  readonly rows: SharedArrayBuffer;
  /** Rows handed out to workers, and rows that are in the table. */
  readonly counts: SharedArrayBuffer;
}

/** @param capacity Rows at most; memory is taken as rows come. */
export function sharedRows(width: number, capacity: number): SharedRows {
  const rows = Math.min(capacity, ROW_MASK - 1);
  let slots = 1 << 10;
  while (slots < rows * 1.6) slots *= 2;
  return {
    width,
    capacity: rows,
    slots: new SharedArrayBuffer(slots * 4),
    rows: new SharedArrayBuffer((rows + 1) * width * 4),
    counts: new SharedArrayBuffer(8),
  };
}

/** Empties a table. Nobody may use it meanwhile. */
export function clearRows({ slots, counts }: SharedRows): void {
  new Int32Array(slots).fill(0);
  new Int32Array(counts).fill(0);
}

/** Thrown when a table is full: the search ends as at a bound. */
export class TableFull extends Error {}

export class SharedTable implements Table {
  readonly #shared: SharedRows;
  readonly #slots: Int32Array;
  readonly #rows: Int32Array;
  readonly #counts: Int32Array;
  readonly #width: number;
  readonly #mask: number;
  /** Rows that this worker may fill: from `next` up to `end`. */
  #next = 0;
  #end = 0;
  added = false;

  constructor(shared: SharedRows) {
    this.#shared = shared;
    this.#slots = new Int32Array(shared.slots);
    this.#rows = new Int32Array(shared.rows);
    this.#counts = new Int32Array(shared.counts);
    this.#width = shared.width;
    this.#mask = this.#slots.length - 1;
  }

  /** After the table was cleared. */
  reset(): void {
    this.#next = 0;
    this.#end = 0;
  }

  get size(): number {
    return Atomics.load(this.#counts, 1);
  }

  get bytes(): number {
    return this.size * this.#width * 4 + this.#slots.byteLength;
  }

  block(_row: number): Int32Array {
    return this.#rows;
  }

  offset(row: number): number {
    return row * this.#width;
  }

  add(source: Int32Array, from: number): number {
    let hash = 0x811c9dc5;
    for (let i = 0; i < this.#width; i++)
      hash = Math.imul(hash ^ (source[from + i] as number), 0x01000193) + i;
    hash ^= hash >>> 15;
    return this.addHashed(source, from, Math.imul(hash, 0x7feb352d));
  }

  addHashed(source: Int32Array, from: number, rawHash: number): number {
    const width = this.#width;
    const rows = this.#rows;
    const hash = rawHash ^ (rawHash >>> 16);
    const tag = (Math.imul(rawHash, 0x9e3779b1) >>> ROW_BITS) << ROW_BITS;
    let prepared = -1;
    let slot = hash & this.#mask;
    for (;;) {
      let found = Atomics.load(this.#slots, slot);
      if (found === 0) {
        if (prepared < 0) prepared = this.#prepare(source, from);
        found = Atomics.compareExchange(this.#slots, slot, 0, tag | (prepared + 1));
        if (found === 0) {
          this.#next++;
          Atomics.add(this.#counts, 1, 1);
          this.added = true;
          return prepared;
        }
      }
      if ((found & ~ROW_MASK) === tag) {
        const row = (found & ROW_MASK) - 1;
        const offset = row * width;
        let i = 0;
        while (i < width && rows[offset + i] === source[from + i]) i++;
        if (i === width) {
          this.added = false;
          return row;
        }
      }
      slot = (slot + 1) & this.#mask;
    }
  }

  /** Writes a row where nobody looks yet; it is published later, or written over by the next one. */
  #prepare(source: Int32Array, from: number): number {
    if (this.#next === this.#end) {
      this.#next = Atomics.add(this.#counts, 0, ROWS_AT_ONCE);
      this.#end = Math.min(this.#next + ROWS_AT_ONCE, this.#shared.capacity);
      if (this.#next >= this.#shared.capacity) {
        this.#end = this.#next;
        throw new TableFull();
      }
    }
    const offset = this.#next * this.#width;
    for (let i = 0; i < this.#width; i++) this.#rows[offset + i] = source[from + i] as number;
    return this.#next;
  }
}
