// `key=value` pairs after an event's name, read without making strings. Events print their fields in
// a fixed order, so the next key wanted is nearly always the next key found.
import { clearEvent, type KernelEvent } from "../../events/event.ts";
import type { EventSpec, FieldName } from "../../events/vocabulary.ts";
import { ByteInterner } from "../bytes.ts";
import type { PageMap } from "../page-map.ts";

interface Wanted {
  readonly field: FieldName;
  /** The field as a number: what the hot loop switches on. */
  readonly code: number;
  readonly key: Uint8Array;
}

/** How to read one kind of event. */
export interface ArgPlan {
  readonly wanted: readonly Wanted[];
  readonly wantsSite: boolean;
  readonly wantsText: boolean;
  /** Nothing of it is wanted. */
  readonly empty: boolean;
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
  const wanted: Wanted[] = [];
  for (const [field, key] of Object.entries(spec.fields)) {
    wanted.push({
      field: field as FieldName,
      code: CODES.indexOf(field as FieldName),
      key: new TextEncoder().encode(key),
    });
  }
  const wantsSite = spec.role === "scan-exit" || spec.role === "break-exit" || spec.role === "remove-exit";
  const wantsText = spec.role === "mark";
  return { wanted, wantsSite, wantsText, empty: wanted.length === 0 && !wantsSite && !wantsText };
}

const SPACE = 0x20;
const EQUALS = 0x3d;
const MINUS = 0x2d;
const MAX_TEXT = 200;

/** Reads arguments of text events into an event. One per reader: it keeps what it has seen. */
export class ArgReader {
  readonly #map: PageMap;
  readonly #texts = new ByteInterner((s) => s);
  readonly #addresses = new ByteInterner((s) => (/^0*[1-9a-f][0-9a-f]*$/.test(s) ? s : ""));
  /** The two halves of the hexadecimal number read last. */
  #hi = 0;
  #lo = 0;

  constructor(map: PageMap) {
    this.#map = map;
  }

  /** @param from First byte after the event's name and colon. */
  read(b: Buffer, from: number, to: number, plan: ArgPlan, e: KernelEvent): void {
    clearEvent(e);
    if (plan.empty) return;
    let p = from;
    while (p < to && b[p] === SPACE) p++;
    if (plan.wantsText) {
      e.text = b.toString("utf8", p, Math.min(to, p + MAX_TEXT)).trimEnd();
      return;
    }
    if (b[p] === 0x28) {
      // "(function+0x4/0x40)" or "(caller+0x4/0x40 <- function)"
      const close = indexOfByte(b, 0x29, p, to);
      if (close > 0) {
        if (plan.wantsSite) e.site = this.#texts.get(b, p + 1, close);
        p = close + 1;
      }
    }
    const wanted = plan.wanted;
    const count = wanted.length;
    let next = 0;
    let left = count;
    while (p < to && left > 0) {
      while (p < to && b[p] === SPACE) p++;
      const keyStart = p;
      while (p < to) {
        const c = b[p] as number;
        if (c === EQUALS || c === SPACE) break;
        p++;
      }
      if (b[p] !== EQUALS || p >= to) continue;
      const keyLength = p - keyStart;
      p++;
      const valueStart = p;
      // Which of the wanted keys is it? Start with the one after the last found.
      let hit = -1;
      for (let i = 0; i < count; i++) {
        const at = next + i < count ? next + i : next + i - count;
        const key = (wanted[at] as Wanted).key;
        if (key.length !== keyLength) continue;
        let k = 0;
        while (k < keyLength && key[k] === b[keyStart + k]) k++;
        if (k === keyLength) {
          hit = at;
          break;
        }
      }
      while (p < to && b[p] !== SPACE) p++;
      if (hit < 0) continue;
      next = hit + 1 < count ? hit + 1 : 0;
      left--;
      this.#store((wanted[hit] as Wanted).code, b, valueStart, p, e);
    }
  }

  #store(code: number, b: Buffer, from: number, to: number, e: KernelEvent): void {
    switch (code) {
      case 0: // page
        if (this.#hex(b, from, to)) {
          e.pfn = this.#map.pfnOf(this.#hi, this.#lo);
          e.offset = this.#map.offset;
        }
        return;
      case 1: // pfn
        // vmf_insert_mixed() gets a pfn with flags in its upper bits (PFN_DEV, PFN_MAP).
        if (this.#number(b, from, to)) {
          e.pfn = (this.#hi & 0xfffff) * 2 ** 32 + this.#lo;
          e.pfnFlags = this.#hi >>> 20;
          this.#map.sawPfn(e.pfn);
        }
        return;
      case 2: // count
        e.count = this.#int32(b, from, to);
        return;
      case 3: // mapcount
        e.mapcount = this.#int32(b, from, to);
        return;
      case 4: // val
        e.val = this.#int32(b, from, to);
        return;
      case 5: // ret
        e.ret = this.#int32(b, from, to);
        return;
      case 6: // n
        e.n = this.#int32(b, from, to);
        return;
      case 7: // gup
        e.gup = this.#int32(b, from, to);
        return;
      case 8: // pid
        e.pid = this.#int32(b, from, to);
        return;
      case 9: // index
        e.index = this.#wide(b, from, to);
        return;
      case 10: // start
        e.start = this.#wide(b, from, to);
        return;
      case 11: // end
        e.end = this.#wide(b, from, to);
        return;
      case 12: // flags
        if (b[from] === 0x30 && this.#number(b, from, to)) e.flags = this.#lo;
        else e.flagWords = this.#texts.get(b, from, to);
        return;
      case 13: // mapping
        e.mapping = this.#address(b, from, to);
        return;
      case 14: // pgmap
        e.pgmap = this.#address(b, from, to);
        return;
      case 15: // inode
        e.inode = this.#address(b, from, to);
        return;
      case 16: // vma
        e.vma = this.#address(b, from, to);
        return;
    }
  }

  /** An address as text without `0x`; empty for NULL. */
  #address(b: Buffer, from: number, to: number): string {
    const start = b[from] === 0x30 && (b[from + 1] ?? 0) === 0x78 ? from + 2 : from;
    return to - start > 16 ? "" : this.#addresses.get(b, start, to);
  }

  /** Hexadecimal with or without `0x`. */
  #hex(b: Buffer, from: number, to: number): boolean {
    let p = from;
    if (b[p] === 0x30 && b[p + 1] === 0x78) p += 2;
    if (to - p > 16 || p >= to) return false;
    let hi = 0;
    let lo = 0;
    const split = to - 8;
    for (; p < to; p++) {
      const c = b[p] as number;
      const d =
        c >= 0x30 && c <= 0x39
          ? c - 0x30
          : c >= 0x61 && c <= 0x66
            ? c - 0x57
            : c >= 0x41 && c <= 0x46
              ? c - 0x37
              : -1;
      if (d < 0) return false;
      if (p < split) hi = hi * 16 + d;
      else lo = lo * 16 + d;
    }
    this.#hi = hi;
    this.#lo = lo;
    return true;
  }

  /** `0x…` as hexadecimal, anything else as decimal, into the two halves. */
  #number(b: Buffer, from: number, to: number): boolean {
    if (b[from] === 0x30 && b[from + 1] === 0x78) return this.#hex(b, from, to);
    const n = this.#decimal(b, from, to);
    if (Number.isNaN(n)) return false;
    this.#hi = Math.floor(n / 2 ** 32);
    this.#lo = n % 2 ** 32;
    return true;
  }

  #decimal(b: Buffer, from: number, to: number): number {
    let p = from;
    const negative = b[p] === MINUS;
    if (negative) p++;
    if (p >= to || to - p > 20) return Number.NaN;
    // Beyond 2^53 digit by digit would round many times.
    const exact = to - p > 15;
    let n = 0;
    for (; p < to; p++) {
      const d = (b[p] as number) - 0x30;
      if (d < 0 || d > 9) return Number.NaN;
      n = n * 10 + d;
    }
    if (exact) return Number(b.toString("latin1", from, to));
    return negative ? -n : n;
  }

  #int32(b: Buffer, from: number, to: number): number {
    if (b[from] === 0x30 && b[from + 1] === 0x78) return this.#hex(b, from, to) ? this.#lo | 0 : Number.NaN;
    return this.#decimal(b, from, to);
  }

  /** A number of up to 64 bits; beyond 2^53 only its size matters. */
  #wide(b: Buffer, from: number, to: number): number {
    if (b[from] === 0x30 && b[from + 1] === 0x78) {
      return this.#hex(b, from, to) ? this.#hi * 2 ** 32 + this.#lo : Number.NaN;
    }
    return this.#decimal(b, from, to);
  }
}

function indexOfByte(b: Buffer, byte: number, from: number, to: number): number {
  for (let i = from; i < to; i++) if (b[i] === byte) return i;
  return -1;
}
