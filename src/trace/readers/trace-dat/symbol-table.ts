// Lines of /proc/kallsyms that come in any order, put into it; without a string for each.
import { digitsOf, HEX } from "../../text/hex.ts";
import { indexOfByte, viewOf } from "../../text/words.ts";

/** An address as two halves. */
export interface Place {
  readonly hi: number;
  readonly lo: number;
}

export interface SymbolLine extends Place {
  readonly isFunction: boolean;
  /** Where in the text the name begins. */
  readonly nameAt: number;
  /** Where the line ends. */
  readonly end: number;
}

const NEWLINE = 10;
const SPACE = 0x20;
const MAX_LINES = 2_000_000;
/** Functions are in sections of text: `t` and `T`; weak ones are `w` and `W`. */
const FUNCTIONS = new Set([..."tTwW"].map((c) => c.charCodeAt(0)));

/** The line that starts at a place; null if it is no line of a symbol. */
export function symbolLine(text: Buffer, view: DataView, start: number): SymbolLine | null {
  const end = indexOfByte(view, start, text.length, NEWLINE);
  let digits = 0;
  while (digits < 16 && start + digits < end && (HEX[text[start + digits] as number] as number) >= 0)
    digits++;
  const type = start + digits + 1;
  if (digits < 8 || type + 2 >= end || text[type - 1] !== SPACE || text[type + 1] !== SPACE) return null;
  return {
    hi: digitsOf(view, start, start + digits - 8),
    lo: digitsOf(view, start + digits - 8, start + digits),
    isFunction: FUNCTIONS.has(text[type] as number) && (text[type + 2] as number) > SPACE,
    nameAt: type + 2,
    end,
  };
}

/** Without the right to see addresses, all of them are 0. */
export const isHidden = (place: Place): boolean => place.hi === 0 && place.lo === 0;

/** Functions by address. */
export class SymbolTable {
  readonly #lines: readonly SymbolLine[];

  /** Of the lines from a place of the text on. */
  constructor(text: Buffer, from: number) {
    const view = viewOf(text);
    const lines: SymbolLine[] = [];
    for (let p = from; p < text.length && lines.length < MAX_LINES; ) {
      const line = symbolLine(text, view, p);
      if (line?.isFunction === true && !isHidden(line)) lines.push(line);
      p = (line?.end ?? indexOfByte(view, p, text.length, NEWLINE)) + 1;
    }
    this.#lines = lines.sort((a, b) => a.hi - b.hi || a.lo - b.lo);
  }

  /** The last function at or before a place. */
  before({ hi, lo }: Place): SymbolLine | null {
    let low = 0;
    let high = this.#lines.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const line = this.#lines[middle] as SymbolLine;
      if (line.hi < hi || (line.hi === hi && line.lo <= lo)) low = middle + 1;
      else high = middle;
    }
    return this.#lines[low - 1] ?? null;
  }
}
