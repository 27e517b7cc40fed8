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
  /**
   * Loads what look-ups of these hashes will need, in short loops that do not branch on it: so the processor
   * waits for many of them at once, and the look-ups find it in the cache.
   *
   * @returns a number without meaning; kept by the caller, it keeps the compiler from leaving the loads out.
   */
  announce(hashes: Int32Array, count: number): number;
  /** True if the row was added before. */
  hasHashed(source: Int32Array, from: number, hash: number): boolean;
}

/** The hash of a row whose parts are not known to change one at a time. */
export function hashOfRow(source: Int32Array, from: number, width: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < width; i++) hash = Math.imul(hash ^ (source[from + i] as number), 0x01000193) + i;
  hash ^= hash >>> 15;
  return Math.imul(hash, 0x7feb352d);
}

/**
 * A slot is two words. The first holds the number of a row plus one in its low bits, and some bits of its hash
 * above; it is what is exchanged. The second holds the hash: it is written later, and read only while all rest.
 */
const ROW_BITS = 26;
const ROW_MASK = (1 << ROW_BITS) - 1;
/** Where the number of rows in the table stands, away from the word that hands rows out. */
const COUNT_WORD = 32;
/** Where the number of slots in use stands. */
const SLOTS_WORD = 48;
const SLOT_BYTES = 8;
const FIRST_SLOTS = 1 << 21;
const CROWDED = 0.55;
const COUNT_AT_ONCE = 256;
/** Rows that a worker takes for itself at a time. */
const ROWS_AT_ONCE = 64;
/** Stands first in a row that is handed out but not in the table. */
export const UNUSED = -1;

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
    slots: new SharedArrayBuffer(slots * SLOT_BYTES),
    rows: new SharedArrayBuffer((rows + 1) * width * 4),
    counts: new SharedArrayBuffer(256),
  };
}

const maskOf = ({ slots, counts }: SharedRows): number =>
  (Atomics.load(new Int32Array(counts), SLOTS_WORD) || Math.min(FIRST_SLOTS, slots.byteLength / SLOT_BYTES)) -
  1;

/** Rows in the table; exact while all rest. */
export const countRows = ({ counts }: SharedRows): number => Atomics.load(new Int32Array(counts), COUNT_WORD);

/** Memory that a table takes, in bytes, as far as it was touched. */
export const bytesOf = (shared: SharedRows): number =>
  Math.min(Atomics.load(new Int32Array(shared.counts), 0), shared.capacity) * shared.width * 4 +
  (maskOf(shared) + 1) * SLOT_BYTES;

/** Empties a table. Nobody may use it meanwhile. */
export function clearRows(rows: SharedRows): void {
  new Int32Array(rows.slots).fill(0, 0, 2 * (maskOf(rows) + 1));
  new Int32Array(rows.counts).fill(0, 0, SLOTS_WORD);
}

/** True if the slots in use should be more: then all stop for a moment, and {@link growSlots}. */
export const isCrowded = (shared: SharedRows): boolean =>
  isCrowdedBy(countRows(shared), maskOf(shared) + 1, shared);

const isCrowdedBy = (rows: number, slots: number, shared: SharedRows): boolean =>
  rows > slots * CROWDED && slots * SLOT_BYTES < shared.slots.byteLength;

/**
 * Fills an empty table with rows, numbered in order. Nobody may use it meanwhile.
 *
 * @throws {@link TableFull} if they are too many.
 */
export function fillRows(shared: SharedRows, rows: Int32Array, hashOf: HashOf): void {
  const count = rows.length / shared.width;
  if (count > shared.capacity) throw new TableFull();
  const counts = new Int32Array(shared.counts);
  new Int32Array(shared.rows).set(rows);
  counts[0] = count;
  counts[COUNT_WORD] = count;
  while (isCrowded(shared)) growSlots(shared);
  const slots = new Int32Array(shared.slots);
  for (let row = 0; row < count; row++) {
    const hash = hashOf(rows, row * shared.width);
    put(slots, maskOf(shared), tagOf(hash) | (row + 1), hash);
  }
}

/** The rows of a table, by number; those not in use begin with {@link UNUSED}. All have to rest before. */
export function rowsOf(shared: SharedRows): Int32Array {
  const handedOut = Math.min(Atomics.load(new Int32Array(shared.counts), 0), shared.capacity);
  return new Int32Array(shared.rows).slice(0, handedOut * shared.width);
}

/** The hash under which the row at an offset was added. */
export type HashOf = (rows: Int32Array, offset: number) => number;

/**
 * Spreads a table over twice the slots. Nobody may use it meanwhile, and all have to rest before.
 *
 * The hash stands beside each entry, so the old slots are read in order, and those that follow one another
 * go to places that do so, too: a row is never looked at, and a miss of the cache is rare.
 */
export function growSlots(shared: SharedRows): void {
  const slots = new Int32Array(shared.slots);
  const before = maskOf(shared) + 1;
  const old = slots.slice(0, 2 * before);
  slots.fill(0, 0, 2 * before);
  for (let at = 0; at < old.length; at += 2) {
    if (old[at] !== 0) put(slots, 2 * before - 1, old[at] as number, old[at + 1] as number);
  }
  Atomics.store(new Int32Array(shared.counts), SLOTS_WORD, 2 * before);
}

/** Puts an entry where nobody else does. */
function put(slots: Int32Array, mask: number, entry: number, hash: number): void {
  let slot = slotOf(hash) & mask;
  while (slots[2 * slot] !== 0) slot = (slot + 1) & mask;
  slots[2 * slot] = entry;
  slots[2 * slot + 1] = hash;
}

/** Where the search for a row begins, but for the mask. */
export const slotOf = (hash: number): number => hash ^ (hash >>> 16);
const tagOf = (hash: number): number => (Math.imul(hash, 0x9e3779b1) >>> ROW_BITS) << ROW_BITS;

/** Thrown when a table is full: the search ends as at a bound. */
export class TableFull extends Error {}

export class SharedTable implements Table {
  readonly #shared: SharedRows;
  readonly #slots: Int32Array;
  readonly #rows: Int32Array;
  readonly #counts: Int32Array;
  readonly #width: number;
  #mask: number;
  #uncounted = 0;
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
    this.#mask = maskOf(shared);
  }

  /** After the table was cleared. */
  reset(): void {
    this.#next = 0;
    this.#end = 0;
    this.reload();
  }

  /** After the table has grown. */
  reload(): void {
    this.#mask = maskOf(this.#shared);
  }

  /** As {@link isCrowded}. */
  get crowded(): boolean {
    return isCrowdedBy(this.size, this.#mask + 1, this.#shared);
  }

  get size(): number {
    return Atomics.load(this.#counts, COUNT_WORD);
  }

  get bytes(): number {
    return this.size * this.#width * 4 + (this.#mask + 1) * SLOT_BYTES;
  }

  block(_row: number): Int32Array {
    return this.#rows;
  }

  offset(row: number): number {
    return row * this.#width;
  }

  add(source: Int32Array, from: number): number {
    return this.addHashed(source, from, hashOfRow(source, from, this.#width));
  }

  addHashed(source: Int32Array, from: number, rawHash: number): number {
    const slots = this.#slots;
    const tag = tagOf(rawHash);
    let prepared = -1;
    let slot = slotOf(rawHash) & this.#mask;
    for (;;) {
      // An ordinary load, which costs a tenth of an atomic one: what is stale is empty, and the
      // exchange below notices that.
      let found = slots[2 * slot] as number;
      if (found === 0) {
        if (prepared < 0) prepared = this.#prepare(source, from);
        found = Atomics.compareExchange(slots, 2 * slot, 0, tag | (prepared + 1));
        if (found === 0) {
          slots[2 * slot + 1] = rawHash;
          this.#next++;
          this.#inserted();
          this.added = true;
          return prepared;
        }
      }
      if ((found & ~ROW_MASK) === tag && this.#equals(slot, found, source, from)) {
        this.added = false;
        return (found & ROW_MASK) - 1;
      }
      slot = (slot + 1) & this.#mask;
    }
  }

  hasHashed(source: Int32Array, from: number, rawHash: number): boolean {
    const tag = tagOf(rawHash);
    for (let slot = slotOf(rawHash) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const found = this.#slots[2 * slot] as number;
      if (found === 0) return false;
      if ((found & ~ROW_MASK) === tag && this.#equals(slot, found, source, from)) return true;
    }
  }

  announce(hashes: Int32Array, count: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    let loaded = 0;
    for (let i = 0; i < count; i++) loaded ^= slots[2 * (slotOf(hashes[i] as number) & mask)] as number;
    for (let i = 0; i < count; i++) {
      const found = slots[2 * (slotOf(hashes[i] as number) & mask)] as number;
      const row = (found & ROW_MASK) - 1;
      loaded ^= this.#rows[(row & ~(row >> 31)) * this.#width] as number;
    }
    return loaded;
  }

  #equals(slot: number, found: number, source: Int32Array, from: number): boolean {
    const width = this.#width;
    const rows = this.#rows;
    const offset = ((found & ROW_MASK) - 1) * width;
    for (let fresh = false; ; fresh = true) {
      let i = 0;
      while (i < width && rows[offset + i] === source[from + i]) i++;
      if (i === width) return true;
      if (fresh) return false;
      // On a machine that reorders loads the row may be older than the slot: an atomic load puts that right.
      Atomics.load(this.#slots, 2 * slot);
    }
  }

  /** Counts rows a few at a time: a word that all write to is slow. */
  #inserted(): void {
    if (++this.#uncounted === COUNT_AT_ONCE) this.#flush();
  }

  #flush(): void {
    if (this.#uncounted > 0) Atomics.add(this.#counts, COUNT_WORD, this.#uncounted);
    this.#uncounted = 0;
  }

  /** Before a pause or the end: makes the count exact, and says which rows are not in use. */
  rest(): void {
    this.#flush();
    for (let row = this.#next; row < this.#end; row++) this.#rows[row * this.#width] = UNUSED;
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
