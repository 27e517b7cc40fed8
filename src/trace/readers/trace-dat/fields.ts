// Fields of an event from the bytes of a record, as the event's description says where they lie. Only
// those that the vocabulary asks for are read.
import type { KernelEvent } from "../../../events/event.ts";
import type { EventSpec, FieldName } from "../../../events/vocabulary.ts";
import { AddressTexts } from "../../bytes.ts";
import type { PageMap } from "../../page-map.ts";
import type { EventField } from "./event-format.ts";

/** How one field of ours is read. Wide values are read as two words of 32 bits. */
export interface FieldStep {
  /** The field as a number: what the hot loop switches on. */
  readonly code: number;
  /** Where the value, or the lower word of it, lies. */
  readonly low: number;
  /** Where the upper word lies; -1 for values of up to 32 bits. */
  readonly high: number;
  readonly size: number;
  readonly signed: boolean;
}

/** Fields by the number that `FieldReader` switches on. */
const CODES: readonly FieldName[] = [
  "page",
  "pfn",
  "count",
  "mapcount",
  "mapping",
  "pgmap",
  "flags",
  "index",
  "n",
  "gup",
  "val",
  "ret",
  "vma",
  "inode",
  "start",
  "end",
  "pid",
];
const ADDRESSES: readonly string[] = ["page", "mapping", "pgmap", "inode", "vma"];

/** Steps for the fields that a kind of event has, and how long a record must be for them. */
export function planFields(
  spec: EventSpec | null,
  fieldOf: (name: string) => EventField | undefined,
  little: boolean,
): { readonly steps: readonly FieldStep[]; readonly least: number } {
  const steps: FieldStep[] = [];
  let least = 4;
  for (const [field, name] of Object.entries(spec?.fields ?? {})) {
    const f = fieldOf(name);
    if (f === undefined || f.located !== null || f.array || ![1, 2, 4, 8].includes(f.size)) continue;
    const wide = f.size === 8;
    if (ADDRESSES.includes(field) && !wide) continue;
    steps.push({
      code: CODES.indexOf(field as FieldName),
      low: wide && !little ? f.offset + 4 : f.offset,
      high: wide ? (little ? f.offset + 4 : f.offset) : -1,
      size: f.size,
      signed: f.signed,
    });
    least = Math.max(least, f.offset + f.size);
  }
  return { steps, least };
}

export class FieldReader {
  readonly #little: boolean;
  readonly #map: PageMap;
  readonly #addresses = new AddressTexts();

  constructor(little: boolean, map: PageMap) {
    this.#little = little;
    this.#map = map;
  }

  /** Reads a field into the event. @param base Where the record begins. */
  read(step: FieldStep, view: DataView, base: number, e: KernelEvent): void {
    switch (step.code) {
      case 0: {
        const map = this.#map;
        const little = this.#little;
        e.pfn = map.pfnOf(view.getUint32(base + step.high, little), view.getUint32(base + step.low, little));
        e.offset = map.offset;
        return;
      }
      case 1: {
        const lo = this.#low(step, view, base) >>> 0;
        const hi = step.high < 0 ? 0 : view.getUint32(base + step.high, this.#little);
        // vmf_insert_mixed() gets a pfn with flags in its upper bits (PFN_DEV, PFN_MAP).
        e.pfn = (hi & 0xfffff) * 2 ** 32 + lo;
        e.pfnFlags = hi >>> 20;
        this.#map.sawPfn(e.pfn);
        return;
      }
      case 2:
        e.count = this.#low(step, view, base);
        return;
      case 3:
        e.mapcount = this.#low(step, view, base);
        return;
      case 4:
        e.mapping = this.#address(step, view, base);
        return;
      case 5:
        e.pgmap = this.#address(step, view, base);
        return;
      case 6:
        e.flags = this.#low(step, view, base) >>> 0;
        return;
      case 7:
        e.index = this.#wide(step, view, base);
        return;
      case 8:
        e.n = this.#low(step, view, base);
        return;
      case 9:
        e.gup = this.#low(step, view, base);
        return;
      case 10:
        e.val = this.#low(step, view, base);
        return;
      case 11:
        e.ret = this.#low(step, view, base);
        return;
      case 12:
        e.vma = this.#address(step, view, base);
        return;
      case 13:
        e.inode = this.#address(step, view, base);
        return;
      case 14:
        e.start = this.#wide(step, view, base);
        return;
      case 15:
        e.end = this.#wide(step, view, base);
        return;
      case 16:
        e.pid = this.#low(step, view, base);
        return;
    }
  }

  #address(step: FieldStep, view: DataView, base: number): string {
    const little = this.#little;
    return this.#addresses.get(
      view.getUint32(base + step.high, little),
      view.getUint32(base + step.low, little),
    );
  }

  /** The lower 32 bits, signed. */
  #low(step: FieldStep, view: DataView, base: number): number {
    const at = base + step.low;
    if (step.size >= 4) return view.getInt32(at, this.#little);
    if (step.size === 2)
      return step.signed ? view.getInt16(at, this.#little) : view.getUint16(at, this.#little);
    return step.signed ? view.getInt8(at) : view.getUint8(at);
  }

  #wide(step: FieldStep, view: DataView, base: number): number {
    if (step.high < 0) {
      const low = this.#low(step, view, base);
      return step.signed ? low : low >>> 0;
    }
    const little = this.#little;
    const at = base + step.high;
    const hi = step.signed ? view.getInt32(at, little) : view.getUint32(at, little);
    return hi * 2 ** 32 + view.getUint32(base + step.low, little);
  }
}
