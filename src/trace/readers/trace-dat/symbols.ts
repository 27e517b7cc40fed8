// From an address in the kernel to the name of its function, by the copy of /proc/kallsyms in the
// file: ten megabytes, of which a recording asks for some dozens of names.
//
//     ffffffff81000000 T _stext
//     ffffffffc0212340 t ext4_dax_fault	[ext4]
//
// The kernel's own lines come first and in the order of their addresses, so a name is found by halving
// the text. Those of modules are in no order: they are read when an address is not the kernel's own.
import { viewOf } from "../../text/words.ts";
import { isHidden, type Place, type SymbolLine, SymbolTable, symbolLine } from "./symbol-table.ts";

/** Text that is shorter is not worth halving. */
const SHORT = 1 << 16;
/** A function is not longer. */
const FURTHEST = 1 << 20;
const NEWLINE = 10;
/** Names found are kept by the lowest bits of their addresses. */
const SLOT_BITS = 0xfffn;

interface Named {
  readonly address: bigint;
  readonly name: string;
}

export class Symbols {
  readonly #text: Buffer;
  readonly #view: DataView;
  /** Where the part ends that is in order. */
  #ordered: number;
  #table: SymbolTable | null = null;
  readonly #names: (Named | undefined)[] = [];

  constructor(kallsyms: Buffer) {
    this.#text = kallsyms;
    this.#view = viewOf(kallsyms);
    const module = kallsyms.length < SHORT ? 0 : kallsyms.indexOf("\t[");
    this.#ordered = module < 0 ? kallsyms.length : kallsyms.lastIndexOf(NEWLINE, module) + 1;
  }

  /** The function at an address, or the address itself in hexadecimal. */
  name(address: bigint): string {
    const slot = Number(address & SLOT_BITS);
    const known = this.#names[slot];
    if (known !== undefined && known.address === address) return known.name;
    const name = this.#find(address);
    this.#names[slot] = { address, name };
    return name;
  }

  #find(address: bigint): string {
    const wanted: Place = { hi: Number(address >> 32n), lo: Number(address & 0xffffffffn) };
    const own = this.#halve(wanted);
    let found = own.line;
    if (found === null || own.isLast) {
      this.#table ??= new SymbolTable(this.#text, this.#ordered);
      const other = this.#table.before(wanted);
      if (found === null || (other !== null && distance(other, found) >= 0)) found = other;
    }
    if (found === null || distance(wanted, found) > FURTHEST) return `0x${address.toString(16)}`;
    return /^\S+/.exec(this.#text.toString("latin1", found.nameAt, found.nameAt + 512))?.[0] ?? "";
  }

  /** The last function at or before a place, of those in order; and whether nothing stands behind the place. */
  #halve(wanted: Place): { readonly line: SymbolLine | null; readonly isLast: boolean } {
    let from = 0;
    let to = this.#ordered;
    let least: Place = { hi: 0, lo: 0 };
    let most: Place = { hi: 2 ** 32, lo: 0 };
    while (from < to) {
      const start = this.#startOfLine((from + to) >>> 1);
      const line = symbolLine(this.#text, this.#view, start);
      if (line === null || distance(line, least) < 0 || distance(most, line) < 0) {
        // Not in order at all: a damaged file, or a kernel that nobody thought of.
        this.#ordered = 0;
        this.#table = null;
        return { line: null, isLast: true };
      }
      if (distance(wanted, line) >= 0) {
        least = line;
        from = line.end + 1;
      } else {
        most = line;
        to = start;
      }
    }
    return { line: this.#functionBefore(from, wanted), isLast: to === this.#ordered };
  }

  /** Passes variables by, from a start of a line backwards. */
  #functionBefore(end: number, wanted: Place): SymbolLine | null {
    for (let p = end; p > 0; ) {
      p = this.#startOfLine(p - 1);
      const line = symbolLine(this.#text, this.#view, p);
      if (line === null || isHidden(line) || distance(wanted, line) > FURTHEST) return null;
      if (line.isFunction) return line;
    }
    return null;
  }

  #startOfLine(at: number): number {
    return at === 0 ? 0 : this.#text.lastIndexOf(NEWLINE, at - 1) + 1;
  }
}

const distance = (a: Place, b: Place): number => (a.hi - b.hi) * 2 ** 32 + (a.lo - b.lo);
