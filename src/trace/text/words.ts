// Bytes of text looked at four at a time: most bytes of a recording are only passed by on the way to the
// next field.

const ONES = 0x01010101;
const TOPS = 0x80808080;

/** Has its top bit set at each byte of `word` that is zero; above the lowest of them it may err. */
const zeroBytes = (word: number): number => (word - ONES) & ~word & TOPS;

/** Which byte, from 0, the lowest top bit belongs to. */
const lowestByte = (tops: number): number => (31 - Math.clz32(tops & -tops)) >>> 3;

/** Where a byte stands first, from `from` on; `to` if it does not. */
export function indexOfByte(view: DataView, from: number, to: number, byte: number): number {
  const pattern = byte * ONES;
  let p = from;
  for (; p + 4 <= to; p += 4) {
    const found = zeroBytes(view.getInt32(p, true) ^ pattern);
    if (found !== 0) return p + lowestByte(found);
  }
  while (p < to && view.getUint8(p) !== byte) p++;
  return p;
}

/** Where the first of two bytes stands, from `from` on; `to` if neither does. */
export function indexOfEither(view: DataView, from: number, to: number, one: number, other: number): number {
  const pattern = one * ONES;
  const otherPattern = other * ONES;
  let p = from;
  for (; p + 4 <= to; p += 4) {
    const word = view.getInt32(p, true);
    const found = zeroBytes(word ^ pattern) | zeroBytes(word ^ otherPattern);
    if (found !== 0) return p + lowestByte(found);
  }
  while (p < to && view.getUint8(p) !== one && view.getUint8(p) !== other) p++;
  return p;
}

/** A hash of a range of bytes, for tables whose size is a power of two. */
export function hashOf(view: DataView, from: number, to: number): number {
  let h = 0x811c9dc5;
  let p = from;
  for (; p + 4 <= to; p += 4) h = mix(h, view.getInt32(p, true));
  for (; p < to; p++) h = mix(h, view.getUint8(p));
  return h ^ (h >>> 13);
}

/** Upper bits of a product depend on lower ones only, hence the shift. */
export const mix = (h: number, word: number): number => {
  const product = Math.imul(h ^ word, 0x5bd1e995);
  return product ^ (product >>> 15);
};

/** Whether a range of bytes, of which `view` holds enough, is the same as the `length` bytes that are all of `bytes`. */
export function sameBytes(view: DataView, from: number, bytes: DataView, length: number): boolean {
  let i = 0;
  for (; i + 4 <= length; i += 4) if (view.getInt32(from + i, true) !== bytes.getInt32(i, true)) return false;
  for (; i < length; i++) if (view.getUint8(from + i) !== bytes.getUint8(i)) return false;
  return true;
}

/** A copy of a range of bytes. */
export const copyOf = (view: DataView, from: number, to: number): DataView =>
  new DataView(Uint8Array.from(new Uint8Array(view.buffer, view.byteOffset + from, to - from)).buffer);

/** A view of a buffer's bytes: both count from the same place. */
export const viewOf = (b: Buffer): DataView => new DataView(b.buffer, b.byteOffset, b.length);
