// Keys of `key=value` pairs, prepared so that eight bytes are compared at once.

/** A key with its `=`, and which field it is; -1 for one that nobody asks for. */
export interface Printed {
  readonly key: Uint8Array;
  /** Its first four bytes as they are read at once, where it has fewer with a mask, and the four after. */
  readonly first: number;
  readonly firstMask: number;
  readonly second: number;
  readonly secondMask: number;
  /** The field as a number: what the hot loop switches on. */
  readonly code: number;
}

export function printedKey(key: Uint8Array, code: number): Printed {
  const word = (at: number): number =>
    [0, 1, 2, 3].reduce((sum, i) => sum | ((key[at + i] ?? 0) << (8 * i)), 0);
  const mask = (at: number): number =>
    [0, 1, 2, 3].reduce((sum, i) => sum | (at + i < key.length ? 0xff << (8 * i) : 0), 0);
  return { key, first: word(0), firstMask: mask(0), second: word(4), secondMask: mask(4), code };
}

/** Whether the key stands at a place of a line that ends at `to`. */
export function startsWith(view: DataView, at: number, to: number, k: Printed): boolean {
  const { key } = k;
  const { length } = key;
  if (at + length > to) return false;
  let i = 0;
  if (at + 8 <= to) {
    if ((view.getInt32(at, true) & k.firstMask) !== k.first) return false;
    if ((view.getInt32(at + 4, true) & k.secondMask) !== k.second) return false;
    i = 8;
  }
  for (; i < length; i++) if (view.getUint8(at + i) !== key[i]) return false;
  return true;
}
