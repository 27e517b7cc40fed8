// Bytes to values without a string for each occurrence: the same few task names, event names and
// addresses come a million times, so each is looked up by a hash of its bytes.

/** FNV-1a over a range of bytes. */
export function hashBytes(b: Uint8Array, from: number, to: number): number {
  let h = 0x811c9dc5;
  for (let i = from; i < to; i++) h = Math.imul(h ^ (b[i] as number), 0x01000193);
  return h >>> 0;
}

interface Entry<T> {
  readonly bytes: Uint8Array;
  readonly value: T;
  readonly next: Entry<T> | null;
}

/** At most this many values are kept, so that a hostile file cannot fill the memory. */
const MAX_ENTRIES = 1 << 20;

/** One value for each different run of bytes, made on first sight. */
export class ByteInterner<T> {
  readonly #make: (text: string) => T;
  readonly #buckets = new Map<number, Entry<T>>();
  #size = 0;

  constructor(make: (text: string) => T) {
    this.#make = make;
  }

  get(b: Buffer, from: number, to: number): T {
    const h = hashBytes(b, from, to);
    const length = to - from;
    const head = this.#buckets.get(h) ?? null;
    outer: for (let e = head; e !== null; e = e.next) {
      const bytes = e.bytes;
      if (bytes.length !== length) continue;
      for (let i = 0; i < length; i++) if (bytes[i] !== b[from + i]) continue outer;
      return e.value;
    }
    const value = this.#make(b.toString("utf8", from, to));
    if (this.#size < MAX_ENTRIES) {
      this.#size++;
      this.#buckets.set(h, { bytes: Uint8Array.prototype.slice.call(b, from, to), value, next: head });
    }
    return value;
  }
}
