// Bytes to values without a string for each occurrence: the same few task names, event names and
// addresses come a million times, so each is looked up by a hash of its bytes.

import { copyOf, hashOf, mix, sameBytes } from "./text/words.ts";

interface Entry<T> {
  readonly hash: number;
  readonly bytes: DataView;
  readonly length: number;
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
  // Runs seen lately, by a few of their bytes.
  readonly #recent: (Entry<T> | null)[] = new Array<Entry<T> | null>(SLOTS).fill(null);

  constructor(make: (text: string) => T) {
    this.#make = make;
  }

  get(view: DataView, from: number, to: number): T {
    const length = to - from;
    const slot = slotOf(view, from, to);
    const recent = this.#recent[slot] ?? null;
    if (recent !== null && recent.length === length && sameBytes(view, from, recent.bytes, length))
      return recent.value;
    const h = hashOf(view, from, to);
    for (let e = this.#buckets[h & (this.#buckets.length - 1)] ?? null; e !== null; e = e.next) {
      if (e.hash !== h || e.length !== length || !sameBytes(view, from, e.bytes, length)) continue;
      this.#recent[slot] = e;
      return e.value;
    }
    const bytes = copyOf(view, from, to);
    const value = this.#make(textOf(bytes));
    if (this.#size < MAX_ENTRIES) this.#add({ hash: h, bytes, length, value, next: null });
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
  }

  #put(entry: Entry<T>): void {
    const i = entry.hash & (this.#buckets.length - 1);
    entry.next = this.#buckets[i] ?? null;
    this.#buckets[i] = entry;
  }
}

const SLOTS = 64;

function slotOf(view: DataView, from: number, to: number): number {
  const length = to - from;
  if (length < 4) return length;
  return (mix(view.getInt32(from, true), view.getInt32(to - 4, true)) + length) & (SLOTS - 1);
}

const RECENT = 512;

/** As `ByteInterner`, of values of which there may be any number: a new one takes the place of another. */
export class RecentBytes<T> {
  readonly #make: (text: string) => T;
  readonly #entries: (Entry<T> | null)[] = new Array<Entry<T> | null>(RECENT).fill(null);

  constructor(make: (text: string) => T) {
    this.#make = make;
  }

  get(view: DataView, from: number, to: number): T {
    const length = to - from;
    const hash = hashOf(view, from, to);
    const slot = hash & (RECENT - 1);
    const entry = this.#entries[slot] ?? null;
    if (
      entry !== null &&
      entry.hash === hash &&
      entry.length === length &&
      sameBytes(view, from, entry.bytes, length)
    )
      return entry.value;
    const bytes = copyOf(view, from, to);
    const value = this.#make(textOf(bytes));
    this.#entries[slot] = { hash, bytes, length, value, next: null };
    return value;
  }
}

const textOf = (bytes: DataView): string => Buffer.from(bytes.buffer).toString("utf8");

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
