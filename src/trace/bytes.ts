// Bytes to values without a string for each occurrence: the same few task names, event names and
// addresses come a million times, so each is looked up by a hash of its bytes.

/** FNV-1a over a range of bytes. */
export function hashBytes(b: Uint8Array, from: number, to: number): number {
  let h = 0x811c9dc5;
  for (let i = from; i < to; i++) h = Math.imul(h ^ (b[i] as number), 0x01000193);
  return h >>> 0;
}

interface Entry<T> {
  readonly hash: number;
  readonly bytes: Uint8Array;
  readonly value: T;
  next: Entry<T> | null;
}

/** At most this many values are kept, so that a hostile file cannot fill the memory. */
const MAX_ENTRIES = 1 << 20;

/**
 * One value for each different run of bytes, made on first sight. A table of its own: looking a number
 * up in a Map was a tenth of the time of a run.
 */
export class ByteInterner<T> {
  readonly #make: (text: string) => T;
  #buckets: (Entry<T> | null)[] = new Array<Entry<T> | null>(1 << 10).fill(null);
  #size = 0;
  // The run seen last: neighbouring lines mostly name the same task.
  #last: Entry<T> | null = null;

  constructor(make: (text: string) => T) {
    this.#make = make;
  }

  get(b: Buffer, from: number, to: number): T {
    const length = to - from;
    const last = this.#last;
    if (last !== null && last.bytes.length === length) {
      const { bytes } = last;
      let i = length - 1;
      while (i >= 0 && bytes[i] === b[from + i]) i--;
      if (i < 0) return last.value;
    }
    const h = hashBytes(b, from, to);
    outer: for (let e = this.#buckets[h & (this.#buckets.length - 1)] ?? null; e !== null; e = e.next) {
      if (e.hash !== h) continue;
      const { bytes } = e;
      if (bytes.length !== length) continue;
      for (let i = 0; i < length; i++) if (bytes[i] !== b[from + i]) continue outer;
      this.#last = e;
      return e.value;
    }
    const value = this.#make(b.toString("utf8", from, to));
    if (this.#size < MAX_ENTRIES)
      this.#add({ hash: h, bytes: Uint8Array.prototype.slice.call(b, from, to), value, next: null });
    return value;
  }

  #add(entry: Entry<T>): void {
    this.#size++;
    if (this.#size > this.#buckets.length * 2) {
      const old = this.#buckets;
      this.#buckets = new Array<Entry<T> | null>(old.length * 4).fill(null);
      for (const head of old) {
        for (let e = head; e !== null; ) {
          const { next } = e;
          this.#put(e);
          e = next;
        }
      }
    }
    this.#put(entry);
    this.#last = entry;
  }

  #put(entry: Entry<T>): void {
    const i = entry.hash & (this.#buckets.length - 1);
    entry.next = this.#buckets[i] ?? null;
    this.#buckets[i] = entry;
  }
}

const ADDRESSES = 4096;

/** Addresses as hexadecimal text. The same few come again and again: a small table saves making the text. */
export class AddressTexts {
  readonly #hi = new Uint32Array(ADDRESSES);
  readonly #lo = new Uint32Array(ADDRESSES);
  readonly #text: string[] = new Array<string>(ADDRESSES).fill("");

  /** @returns the address without `0x`; empty for NULL. */
  get(hi: number, lo: number): string {
    const i = ((lo >>> 3) ^ (lo >>> 13)) & (ADDRESSES - 1);
    if (this.#hi[i] === hi && this.#lo[i] === lo) return this.#text[i] ?? "";
    const text =
      hi === 0 ? (lo === 0 ? "" : lo.toString(16)) : hi.toString(16) + lo.toString(16).padStart(8, "0");
    this.#hi[i] = hi;
    this.#lo[i] = lo;
    this.#text[i] = text;
    return text;
  }
}
