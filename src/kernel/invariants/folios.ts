// Rules about folios of several pages.
import { hex, pfn as toPfn } from "../../base/brand.ts";
import type { See } from "../../explore/access.ts";
import { countsAreThere, countsOf, headOf, isLarge, memoryType } from "../counts.ts";
import { MEMORY_DEVICE_GENERIC } from "../include/linux/memremap.ts";
import { GUP_PIN_COUNTING_BIAS } from "../include/linux/mm.ts";
import { type Page, TAIL_MAPPING } from "../include/linux/mm_types.ts";
import { PG_reserved } from "../include/linux/page-flags.ts";
import type { Kernel } from "../kernel.ts";

import { devicePages, firstBroken, type KernelInvariant } from "./rule.ts";

/** I16: the pincount of a large folio is the number of its pins. */
export const pincountCountsPins: KernelInvariant = {
  name: "pincount-counts-pins",
  at: "end",
  check: (k, see) =>
    firstBroken(k, (page) => {
      if (headOf(k, see, page) !== page || !isLarge(see, page)) return null;
      const pages = devicePages(k).filter((p) => headOf(k, see, p) === page);
      const pins = pages.reduce((n, p) => n + see(p.heldPins).length, 0);
      const { pincount } = countsOf(k, see, page);
      return pincount === pins
        ? null
        : `the pincount of the folio of pfn ${hex(page.pfn)} is ${pincount}, but ${pins} pins are held`;
    }),
};

/**
 * I15: a pin is put as it was taken: counted in the pincount of a large folio, which has one reference beneath it, or as
 * 1024 references to a page of its own. So a pinned page stays part of the folio that it was part of.
 */
export const pinsArePutAsTaken: KernelInvariant = {
  name: "pins-are-put-as-taken",
  check: (k, see) =>
    firstBroken(k, (page) => {
      const head = headOf(k, see, page);
      const large = isLarge(see, head);
      const holders = see(page.heldPins);
      const taken = see(page.pinnedAs);
      const moved = taken.findIndex((pin) => pin.apart !== large || pin.head !== head.pfn);
      if (moved >= 0) {
        const pin = taken[moved];
        const counted = pin?.apart
          ? `in the pincount of the folio of pfn ${hex(pin.head)}`
          : "as 1024 references";
        const now = large ? `part of the folio of pfn ${hex(head.pfn)}` : "a page of its own";
        return `${holders[moved]} has pinned pfn ${hex(page.pfn)}, counted ${counted}, but it is ${now} now`;
      }
      return head === page && countsAreThere(k, see, head) ? wrongSum(k, see, head) : null;
    }),
};

/** Pins of a folio that somebody holds, and that its counts have no room for; in one sentence. */
function wrongSum(k: Kernel, see: See, head: Page): string | null {
  const pages = devicePages(k).filter((p) => headOf(k, see, p) === head);
  const holders = pages.flatMap((p) => see(p.heldPins));
  const { refcount, pincount } = countsOf(k, see, head);
  const name = `the folio of pfn ${hex(head.pfn)}`;
  const held = `${holders.length} pins are held${holders.length > 0 ? ` by ${holders.join(" and ")}` : ""}`;
  if (!isLarge(see, head)) {
    return holders.length === 0 || refcount >= holders.length * GUP_PIN_COUNTING_BIAS
      ? null
      : `the count of ${name} is ${refcount}, but ${held}, of 1024 references each`;
  }
  if (pincount < holders.length) return `the pincount of ${name} is ${pincount}, but ${held}`;
  return pincount <= Math.max(0, refcount)
    ? null
    : `the pincount of ${name} is ${pincount}, but its count only ${refcount}: a pin that was counted there was put as references`;
}

/**
 * I8: who follows the pgmap of a page finds one, whether he holds a reference or not: word 0 of the page is also the link of
 * a tail to its head, and 0 while a folio is taken apart.
 */
export const pgmapIsValid: KernelInvariant = {
  name: "pgmap-is-valid",
  check: (k, see) => firstBroken(k, (page) => see(page.misread)),
};

/** I9: every page that the order of a folio covers resolves to its head, and through it to one pgmap. */
export const folioHasOnePgmap: KernelInvariant = {
  name: "folio-has-one-pgmap",
  check: (k, see) =>
    firstBroken(k, (page) => {
      if (headOf(k, see, page) !== page) return null;
      const { order } = countsOf(k, see, page);
      for (let i = 1; i < 2 ** order; i++) {
        const tail = k.world.mem_map.get(toPfn(page.pfn + i));
        if (tail !== undefined && headOf(k, see, tail) === page) continue;
        const which = `page ${i} of the folio of pfn ${hex(page.pfn)}, of order ${order},`;
        const pgmap = tail === undefined ? "has no struct page" : "asks another page for its pgmap";
        return `${which} ${pgmap}`;
      }
      return null;
    }),
};

/**
 * I25: where tails share their struct page, nobody writes to one after it was made. Of a folio of a DAX device the head
 * and the first tail are their own; further ones may be one piece of memory.
 */
export const sharedTailsAreNotWritten: KernelInvariant = {
  name: "shared-tails-are-not-written",
  check: (k, see) =>
    firstBroken(k, (page) => {
      const head = headOf(k, see, page);
      if (page.pfn < head.pfn + 2 || memoryType(k, see, page) !== MEMORY_DEVICE_GENERIC) return null;
      const words: readonly (readonly [string, unknown, unknown])[] = [
        ["flags", see(page.flags), PG_reserved],
        ["mapping", see(page.mapping), TAIL_MAPPING],
        ["index", see(page.index), 0],
        ["_mapcount", see(page._mapcount), -1],
        ["_refcount", see(page._refcount), 0],
      ];
      const written = words.find(([, now, made]) => now !== made);
      return written === undefined
        ? null
        : `${written[0]} of pfn ${hex(page.pfn)} was written, which shares its struct page with other tails of the ` +
            `folio of pfn ${hex(head.pfn)}`;
    }),
};
