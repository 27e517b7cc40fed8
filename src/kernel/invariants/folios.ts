// Rules about folios of several pages.
import { hex, pfn as toPfn } from "../../base/brand.ts";
import { countsOf, headOf, isLarge, memoryType } from "../counts.ts";
import { MEMORY_DEVICE_GENERIC } from "../include/linux/memremap.ts";
import { TAIL_MAPPING } from "../include/linux/mm_types.ts";
import { PG_reserved } from "../include/linux/page-flags.ts";

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
