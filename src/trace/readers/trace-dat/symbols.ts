// From an address in the kernel to the name of its function, by the copy of /proc/kallsyms in the
// file. Read only when a stack or a return asks for it, and then without a string for each of the hundred
// thousand lines: of a short recording those took most of the time.
//
//     ffffffff81000000 T _stext
//     ffffffffc0212340 t ext4_dax_fault	[ext4]
import { digitsOf, HEX } from "../../text/hex.ts";
import { indexOfByte, viewOf } from "../../text/words.ts";

const NEWLINE = 10;
const SPACE = 0x20;
/** The shortest line there can be: an address of 32 bits, a type and a letter. */
const SHORTEST = "00000000 t x\n".length;
const MAX_LINES = 2_000_000;
/** Functions are in sections of text: `t` and `T`; weak ones are `w` and `W`. */
const FUNCTIONS = new Set([..."tTwW"].map((c) => c.charCodeAt(0)));

interface Table {
  readonly size: number;
  /** Addresses as two halves, ascending. */
  readonly hi: Uint32Array;
  readonly lo: Uint32Array;
  /** Where in the text each name begins. */
  readonly names: Uint32Array;
}

export class Symbols {
  readonly #text: Buffer;
  #table: Table | null = null;

  constructor(kallsyms: Buffer) {
    this.#text = kallsyms;
  }

  /** The function at an address, or the address itself in hexadecimal. */
  name(address: bigint): string {
    this.#table ??= sorted(functionsOf(this.#text));
    const { size, hi, lo, names } = this.#table;
    const upper = Number(address >> 32n);
    const lower = Number(address & 0xffffffffn);
    let low = 0;
    let high = size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const h = hi[middle] as number;
      if (h < upper || (h === upper && (lo[middle] as number) <= lower)) low = middle + 1;
      else high = middle;
    }
    const found = low - 1;
    if (found < 0 || distance(upper, lower, hi[found] as number, lo[found] as number) > 1 << 20)
      return `0x${address.toString(16)}`;
    const start = names[found] as number;
    return /^\S+/.exec(this.#text.toString("latin1", start, start + 512))?.[0] ?? "";
  }
}

const distance = (hi: number, lo: number, fromHi: number, fromLo: number): number =>
  (hi - fromHi) * 2 ** 32 + (lo - fromLo);

function functionsOf(text: Buffer): Table {
  const view = viewOf(text);
  const most = Math.min(MAX_LINES, Math.ceil(text.length / SHORTEST));
  const hi = new Uint32Array(most);
  const lo = new Uint32Array(most);
  const names = new Uint32Array(most);
  let size = 0;
  for (let p = 0; p < text.length && size < most; ) {
    const end = indexOfByte(view, p, text.length, NEWLINE);
    let digits = 0;
    while (digits < 16 && p + digits < end && (HEX[text[p + digits] as number] as number) >= 0) digits++;
    const type = p + digits + 1;
    if (
      digits >= 8 &&
      type + 2 < end &&
      text[type - 1] === SPACE &&
      FUNCTIONS.has(text[type] as number) &&
      text[type + 1] === SPACE &&
      (text[type + 2] as number) > SPACE
    ) {
      hi[size] = digitsOf(view, p, p + digits - 8);
      lo[size] = digitsOf(view, p + digits - 8, p + digits);
      names[size] = type + 2;
      // Without the right to see addresses, all of them are 0.
      if (hi[size] !== 0 || lo[size] !== 0) size++;
    }
    p = end + 1;
  }
  return { size, hi, lo, names };
}

/** The kernel's own functions come in order; those of modules, behind them, do not, and are sorted. */
function sorted({ size, hi, lo, names }: Table): Table {
  const at = (of: Uint32Array, i: number): number => of[i] as number;
  const compare = (a: number, b: number): number => at(hi, a) - at(hi, b) || at(lo, a) - at(lo, b) || a - b;
  let inOrder = Math.min(size, 1);
  while (inOrder < size && compare(inOrder - 1, inOrder) < 0) inOrder++;
  const rest = Uint32Array.from({ length: size - inOrder }, (_, i) => inOrder + i).sort(compare);
  const order = Uint32Array.from({ length: size }, (_, i) => (i < inOrder ? i : at(rest, i - inOrder)));
  // Something in the rest may belong between those before it.
  if (rest.length > 0 && inOrder > 0 && compare(inOrder - 1, at(rest, 0)) > 0) order.sort(compare);
  const inThatOrder = (of: Uint32Array): Uint32Array => order.map((i) => at(of, i));
  return { size, hi: inThatOrder(hi), lo: inThatOrder(lo), names: inThatOrder(names) };
}
