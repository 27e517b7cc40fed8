// `key=value` pairs after an event's name, read without making strings. An event prints its fields in a
// fixed order, so each kind remembers the keys it printed last, and mostly has only to compare.
import { absent, clearEvent, type KernelEvent } from "../../events/event.ts";
import type { EventSpec, FieldName } from "../../events/vocabulary.ts";
import { AddressTexts, ByteInterner, RecentBytes } from "../bytes.ts";
import type { PageMap } from "../page-map.ts";
import { eightDigits, HEX } from "./hex.ts";
import { type Printed, printedKey, startsWith } from "./keys.ts";
import { indexOfByte } from "./words.ts";

/** How to read one kind of event. */
export interface ArgPlan {
  readonly wanted: readonly Printed[];
  readonly wantsSite: boolean;
  readonly wantsText: boolean;
  /** Nothing of it is wanted. */
  readonly empty: boolean;
  /** The keys of the event read last, in their order. */
  readonly printed: Printed[];
  /** Some event of this kind lacked a field that is wanted: fields must be cleared before reading. */
  incomplete: boolean;
}

/** Fields by the number that `ArgReader` switches on. */
const CODES: readonly FieldName[] = [
  "page",
  "pfn",
  "count",
  "mapcount",
  "val",
  "ret",
  "n",
  "gup",
  "pid",
  "index",
  "start",
  "end",
  "flags",
  "mapping",
  "pgmap",
  "inode",
  "vma",
];

export function planFor(spec: EventSpec): ArgPlan {
  const wanted = Object.entries(spec.fields).map(([field, key]) =>
    printedKey(new TextEncoder().encode(`${key}=`), CODES.indexOf(field as FieldName)),
  );
  const wantsSite = spec.role === "scan-exit" || spec.role === "break-exit" || spec.role === "remove-exit";
  const wantsText = spec.role === "mark";
  return {
    wanted,
    wantsSite,
    wantsText,
    empty: wanted.length === 0 && !wantsSite && !wantsText,
    printed: [],
    incomplete: false,
  };
}

const SPACE = 0x20;
const EQUALS = 0x3d;
const MINUS = 0x2d;
const MAX_TEXT = 200;
/** Keys of one event that are remembered. */
const MAX_PRINTED = 32;

/** Reads arguments of text events into an event. One per reader: it keeps what it has seen. */
export class ArgReader {
  readonly #map: PageMap;
  readonly #texts = new ByteInterner((s) => s);
  readonly #marks = new RecentBytes((s) => s.trimEnd());
  readonly #long = new RecentBytes(Number);
  readonly #addresses = new AddressTexts();
  /** The two halves of the number read last, and where it ended. */
  #hi = 0;
  #lo = 0;
  #end = 0;

  constructor(map: PageMap) {
    this.#map = map;
  }

  /**
   * @param from First byte after the event's name and colon.
   * @param e The one event of this kind: what it holds is overwritten.
   */
  read(b: Buffer, view: DataView, from: number, to: number, plan: ArgPlan, e: KernelEvent): void {
    if (plan.empty) return;
    if (plan.incomplete) clearEvent(e);
    if (this.#fill(b, view, from, to, plan, e) || plan.incomplete) return;
    plan.incomplete = true;
    clearEvent(e);
    this.#fill(b, view, from, to, plan, e);
  }

  /** @returns whether all fields that are wanted were there. */
  #fill(b: Buffer, view: DataView, from: number, to: number, plan: ArgPlan, e: KernelEvent): boolean {
    let p = from;
    while (p < to && b[p] === SPACE) p++;
    if (plan.wantsText) {
      e.text = p < to ? this.#marks.get(view, p, Math.min(to, p + MAX_TEXT)) : "";
      return true;
    }
    let site = "";
    if (b[p] === 0x28) {
      // "(function+0x4/0x40)" or "(caller+0x4/0x40 <- function)"
      const close = indexOfByte(view, p + 1, to, 0x29);
      if (close < to) {
        if (plan.wantsSite) site = this.#texts.get(view, p + 1, close);
        p = close + 1;
      }
    }
    if (plan.wantsSite) e.site = site;
    const { printed } = plan;
    let left = plan.wanted.length;
    for (let i = 0; left > 0; i++) {
      while (p < to && b[p] === SPACE) p++;
      if (p >= to) break;
      let pair = printed[i];
      if (pair === undefined || !startsWith(view, p, to, pair)) {
        const found = this.#find(b, view, p, to, plan);
        if (found === null) {
          // A word without "=".
          p = indexOfByte(view, p, to, SPACE);
          i--;
          continue;
        }
        pair = found;
        if (i < MAX_PRINTED) printed[i] = pair;
      }
      p += pair.key.length;
      if (pair.code >= 0) {
        p = this.#store(pair.code, b, view, p, to, e);
        left--;
      }
      if (p < to && b[p] !== SPACE) p = indexOfByte(view, p, to, SPACE);
    }
    return left === 0;
  }

  /** The key that stands here; null if none does. */
  #find(b: Buffer, view: DataView, from: number, to: number, plan: ArgPlan): Printed | null {
    let p = from;
    while (p < to && b[p] !== EQUALS && b[p] !== SPACE) p++;
    if (p >= to || b[p] === SPACE) return null;
    const length = p + 1 - from;
    for (const w of plan.wanted) if (w.key.length === length && startsWith(view, from, to, w)) return w;
    return printedKey(Uint8Array.prototype.slice.call(b, from, p + 1), -1);
  }

  /** Reads one value into its field, which is absent if the value is not what it should be. @returns its end. */
  #store(code: number, b: Buffer, view: DataView, from: number, to: number, e: KernelEvent): number {
    this.#end = from;
    switch (code) {
      case 0: // page
        if (this.#hex(b, view, from, to)) {
          e.pfn = this.#map.pfnOf(this.#hi, this.#lo);
          e.offset = this.#map.offset;
        } else e.pfn = e.offset = absent;
        break;
      case 1: // pfn
        // vmf_insert_mixed() gets a pfn with flags in its upper bits (PFN_DEV, PFN_MAP).
        if (this.#number(b, view, from, to)) {
          e.pfn = (this.#hi & 0xfffff) * 2 ** 32 + this.#lo;
          e.pfnFlags = this.#hi >>> 20;
          this.#map.sawPfn(e.pfn);
        } else {
          e.pfn = absent;
          e.pfnFlags = 0;
        }
        break;
      case 2:
        e.count = this.#int32(b, view, from, to);
        break;
      case 3:
        e.mapcount = this.#int32(b, view, from, to);
        break;
      case 4:
        e.val = this.#int32(b, view, from, to);
        break;
      case 5:
        e.ret = this.#int32(b, view, from, to);
        break;
      case 6:
        e.n = this.#int32(b, view, from, to);
        break;
      case 7:
        e.gup = this.#int32(b, view, from, to);
        break;
      case 8:
        e.pid = this.#int32(b, view, from, to);
        break;
      case 9:
        e.index = this.#wide(b, view, from, to);
        break;
      case 10:
        e.start = this.#wide(b, view, from, to);
        break;
      case 11:
        e.end = this.#wide(b, view, from, to);
        break;
      case 12:
        if (b[from] === 0x30 && this.#number(b, view, from, to)) {
          e.flags = this.#lo;
          e.flagWords = "";
        } else {
          const end = indexOfByte(view, from, to, SPACE);
          e.flags = absent;
          e.flagWords = this.#texts.get(view, from, end);
          this.#end = end;
        }
        break;
      case 13:
        e.mapping = this.#address(b, view, from, to);
        break;
      case 14:
        e.pgmap = this.#address(b, view, from, to);
        break;
      case 15:
        e.inode = this.#address(b, view, from, to);
        break;
      case 16:
        e.vma = this.#address(b, view, from, to);
        break;
    }
    return this.#end;
  }

  /** An address as text without `0x`; empty for NULL. */
  #address(b: Buffer, view: DataView, from: number, to: number): string {
    return this.#hex(b, view, from, to) ? this.#addresses.get(this.#hi, this.#lo) : "";
  }

  /** Hexadecimal with or without `0x`, up to a space: up to 16 digits, into the two halves. */
  #hex(b: Buffer, view: DataView, from: number, to: number): boolean {
    const start = b[from] === 0x30 && b[from + 1] === 0x78 ? from + 2 : from;
    const whole = start + 16;
    if (whole === to || (whole < to && b[whole] === SPACE)) {
      // A whole address: two digits at a time.
      const upper = eightDigits(view, start);
      const lower = eightDigits(view, start + 8);
      if (upper >= 0 && lower >= 0) {
        this.#hi = upper;
        this.#lo = lower;
        this.#end = whole;
        return true;
      }
    }
    let hi = 0;
    let lo = 0;
    let p = start;
    for (; p < to; p++) {
      const c = b[p] as number;
      const d = HEX[c] as number;
      if (d < 0) {
        if (c === SPACE) break;
        return false;
      }
      hi = (hi << 4) | (lo >>> 28);
      lo = (lo << 4) | d;
    }
    if (p === start || p - start > 16) return false;
    this.#hi = hi >>> 0;
    this.#lo = lo >>> 0;
    this.#end = p;
    return true;
  }

  /** `0x…` as hexadecimal, anything else as decimal, into the two halves. */
  #number(b: Buffer, view: DataView, from: number, to: number): boolean {
    if (b[from] === 0x30 && b[from + 1] === 0x78) return this.#hex(b, view, from, to);
    const n = this.#decimal(b, view, from, to);
    if (Number.isNaN(n)) return false;
    this.#hi = Math.floor(n / 2 ** 32);
    this.#lo = n % 2 ** 32;
    return true;
  }

  /** A decimal number up to a space. */
  #decimal(b: Buffer, view: DataView, from: number, to: number): number {
    let p = from;
    const negative = b[p] === MINUS;
    if (negative) p++;
    const start = p;
    let n = 0;
    for (; p < to; p++) {
      const d = (b[p] as number) - 0x30;
      if (d < 0 || d > 9) {
        if (b[p] === SPACE) break;
        return Number.NaN;
      }
      n = n * 10 + d;
    }
    const digits = p - start;
    if (digits === 0 || digits > 20) return Number.NaN;
    this.#end = p;
    // Beyond 2^53 digit by digit would round many times.
    if (digits > 15) return this.#long.get(view, from, p);
    return negative ? -n : n;
  }

  #int32(b: Buffer, view: DataView, from: number, to: number): number {
    if (b[from] === 0x30 && b[from + 1] === 0x78)
      return this.#hex(b, view, from, to) ? this.#lo | 0 : Number.NaN;
    return this.#decimal(b, view, from, to);
  }

  /** A number of up to 64 bits; beyond 2^53 only its size matters. */
  #wide(b: Buffer, view: DataView, from: number, to: number): number {
    if (b[from] === 0x30 && b[from + 1] === 0x78) {
      return this.#hex(b, view, from, to) ? this.#hi * 2 ** 32 + this.#lo : Number.NaN;
    }
    return this.#decimal(b, view, from, to);
  }
}
