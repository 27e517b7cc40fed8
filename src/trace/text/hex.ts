// Hexadecimal digits by tables.

/** Value of a hexadecimal digit by its byte; -1 for any other byte. */
export const HEX = new Int8Array(256).fill(-1);
for (let i = 0; i < 10; i++) HEX[0x30 + i] = i;
for (let i = 0; i < 6; i++) HEX[0x61 + i] = HEX[0x41 + i] = 10 + i;

/** Value of two hexadecimal digits by their two bytes, the first of them the lower; -1 for other bytes. */
const HEX2 = new Int16Array(65_536).fill(-1);
for (const [first, upper] of HEX.entries()) {
  if (upper >= 0)
    for (const [second, lower] of HEX.entries())
      if (lower >= 0) HEX2[second * 256 + first] = upper * 16 + lower;
}

/** Eight hexadecimal digits; -1 if some byte is none. */
export function eightDigits(view: DataView, at: number): number {
  const a = HEX2[view.getUint16(at, true)] as number;
  const b = HEX2[view.getUint16(at + 2, true)] as number;
  const c = HEX2[view.getUint16(at + 4, true)] as number;
  const d = HEX2[view.getUint16(at + 6, true)] as number;
  return (a | b | c | d) < 0 ? -1 : ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

/** Up to eight hexadecimal digits; 0 for none. */
export function digitsOf(view: DataView, from: number, to: number): number {
  let n = 0;
  for (let p = from; p < to; p++) n = (n << 4) | (HEX[view.getUint8(p)] as number);
  return n >>> 0;
}
