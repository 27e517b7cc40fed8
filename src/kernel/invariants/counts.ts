// Rules about counts: references, mappings, pins, charges.
import { hex } from "../../base/brand.ts";
import type { See } from "../../explore/access.ts";
import {
  countedMappings,
  countedPage,
  countsAreThere,
  countsOf,
  headOf,
  idleCount,
  isLarge,
  isPooled,
  mappersOf,
  mappings,
  maps,
  memoryType,
} from "../counts.ts";
import {
  MEMORY_DEVICE_COHERENT,
  MEMORY_DEVICE_GENERIC,
  MEMORY_DEVICE_PRIVATE,
} from "../include/linux/memremap.ts";
import { GUP_PIN_COUNTING_BIAS } from "../include/linux/mm.ts";
import type { Page } from "../include/linux/mm_types.ts";
import { PG_anon_exclusive } from "../include/linux/page-flags.ts";
import type { Kernel } from "../kernel.ts";

import { devicePages, firstBroken, type KernelInvariant } from "./rule.ts";

/** I1: the count of a folio is what its reference holders add up to, and that of a tail is 0. */
export const referencesAddUp: KernelInvariant = {
  name: "references-add-up",
  at: "end",
  check: (k, see) =>
    firstBroken(k, (page) => {
      const head = headOf(k, see, page);
      if (head !== page) {
        const own = see(page._refcount);
        return own === 0 ? null : `the count of pfn ${hex(page.pfn)} is ${own}, though it is a tail`;
      }
      const large = isLarge(see, head);
      const pages = devicePages(k).filter((p) => headOf(k, see, p) === head);
      const count = (kind: "heldPins" | "heldGets") => pages.reduce((n, p) => n + see(p[kind]).length, 0);
      const base = idleCount(k, see, head);
      const pins = count("heldPins");
      const gets = count("heldGets");
      const counted = countedMappings(k, see, head);
      const expected = base + counted + gets + pins * (large ? 1 : GUP_PIN_COUNTING_BIAS);
      const { refcount } = countsOf(k, see, page);
      return refcount === expected
        ? null
        : `the count of pfn ${hex(page.pfn)} is ${refcount}, but its holders add up to ${expected} ` +
            `(base ${base}, mappings ${counted}, gets ${gets}, pins ${pins})`;
    }),
};

/** I2: a count is never below that of an idle page. */
export const countNotBelowIdle: KernelInvariant = {
  name: "count-not-below-idle",
  check: (k, see) =>
    firstBroken(k, (page) => {
      const count = see(page._refcount);
      // What a driver gives out may be with the driver again a step before its count says so.
      const idle = headOf(k, see, page) === page && !isPooled(k, see, page) ? idleCount(k, see, page) : 0;
      return count >= idle ? null : `the count of pfn ${hex(page.pfn)} is ${count}, below ${idle}`;
    }),
};

/** I3: a page that a page table maps has a reference. */
export const mappedPageIsReferenced: KernelInvariant = {
  name: "mapped-page-is-referenced",
  check: (k, see) =>
    firstBroken(k, (page) => {
      const by = mappersOf(k, see, page);
      const { refcount } = countsOf(k, see, page);
      return by.length > 0 && refcount < 1
        ? `${by.join(", ")} maps pfn ${hex(page.pfn)}, whose count is ${refcount}`
        : null;
    }),
};

/** I5: the mapcount of a folio is the number of entries that map it, where the kernel keeps one. */
export const mapcountCountsMappings: KernelInvariant = {
  name: "mapcount-counts-mappings",
  at: "end",
  check: (k, see) =>
    firstBroken(k, (page) => {
      if (headOf(k, see, page) !== page) return null;
      const mapped = countedMappings(k, see, page);
      const { mapcount } = countsOf(k, see, page);
      return mapcount === mapped
        ? null
        : `the mapcount of pfn ${hex(page.pfn)} is ${mapcount}, but ${mapped} entries map it`;
    }),
};

/** I10: who holds a page holds a reference of the folio that the page is part of, for as long as that. */
export const heldPageIsReferenced: KernelInvariant = {
  name: "held-page-is-referenced",
  check: (k, see) =>
    firstBroken(k, (page) => {
      const holders = [...see(page.heldPins), ...see(page.heldGets)];
      const { refcount, head } = countsOf(k, see, page);
      return holders.length > 0 && refcount < holders.length + idleCount(k, see, page)
        ? `${holders.join(" and ")} holds pfn ${hex(page.pfn)}, but the count of pfn 0x${head.toString(16)} is ${refcount}`
        : null;
    }),
};

/**
 * I4: a folio has at least as many references as mappings: a mapping holds one, and lowers the mapcount first. A folio
 * that is being made has no counts yet.
 */
export const mapcountWithinCount: KernelInvariant = {
  name: "mapcount-within-count",
  check: (k, see) =>
    firstBroken(k, (page) => {
      if (headOf(k, see, page) !== page || !countsAreThere(k, see, page)) return null;
      const { refcount, mapcount } = countsOf(k, see, page);
      return mapcount <= refcount
        ? null
        : `the mapcount of pfn ${hex(page.pfn)} is ${mapcount}, but its count only ${refcount}`;
    }),
};

/**
 * I14: no page of a DAX file is pinned for long: a file system waits for short pins only. Nor is coherent memory, which must
 * be free to move, or memory of a PCI device, which may go at any time.
 */
export const noLongtermPinOfFsdax: KernelInvariant = {
  name: "no-longterm-pin-of-fsdax",
  check: (k, see) =>
    firstBroken(k, (page) =>
      see(page.longtermPins) > 0 && memoryType(k, see, page) !== MEMORY_DEVICE_GENERIC
        ? `pfn ${hex(page.pfn)}, of ${memoryType(k, see, page)} memory, is pinned for long by ${see(page.heldPins).join(" and ")}`
        : null,
    ),
};

/**
 * An anonymous page that is pinned is its process's own: the next store must not go to a copy and leave the pin behind.
 * Since v5.19 the page says that it is; the kernel checks it itself where it debugs
 * (`mm/gup.c:sanity_check_pinned_pages()`). Before, every page with more than one reference is copied (do_wp_page()), and
 * only an entry that may be written through keeps a pinned one where it is.
 */
export const pinnedAnonPageIsExclusive: KernelInvariant = {
  name: "pinned-anon-page-is-exclusive",
  check: (k, see) => {
    for (const page of k.world.mem_map.values()) {
      const pins = see(page.heldPins);
      if (page.zone !== "ZONE_NORMAL" || pins.length === 0) continue;
      const who = `${pins.join(" and ")} has pinned pfn ${hex(page.pfn)}`;
      if (k.has_anon_exclusive()) {
        if ((see(page.flags) & PG_anon_exclusive) === 0) return `${who}, which is not one process's own`;
        continue;
      }
      const by = mappings(k, see).filter((m) => maps(m, page));
      if (by.length > 0 && !by.some(({ entry }) => entry.write)) {
        return `${who}, and a store to it would go to a copy: no entry that maps it may be written through`;
      }
    }
    return null;
  },
};

/** Does a mapped page count as one of a file? Coherent and private memory is anonymous. */
function countsAsFile(k: Kernel, see: See, page: Page): boolean {
  const type = memoryType(k, see, page);
  return type !== null && type !== MEMORY_DEVICE_COHERENT && type !== MEMORY_DEVICE_PRIVATE;
}

/** I24: a process counts the pages that it maps, of those through which the kernel counts references. */
export const rssCountsMappings: KernelInvariant = {
  name: "rss-counts-mappings",
  at: "end",
  check: (k, see) => {
    for (const mm of k.world.mms) {
      const mapped = mappings(k, see).reduce((n, { mm: of, entry, pages }) => {
        const page = countedPage(k, entry);
        return of === mm && page !== null && countsAsFile(k, see, page) ? n + pages : n;
      }, 0);
      const rss = see(mm.rss_file);
      if (rss !== mapped) return `${mm.name} counts ${rss} pages of files as its own, but maps ${mapped}`;
    }
    return null;
  },
};

/** I23: what the control group is charged with is what its pages were charged with, and never less than nothing. */
export const chargesAddUp: KernelInvariant = {
  name: "charges-add-up",
  at: "end",
  check: (k, see) => {
    const usage = see(k.world.memcg_usage);
    const charged = [...k.world.mem_map.values()].filter((page) => see(page.memcg_data) > 0);
    return usage === charged.length
      ? null
      : `the control group is charged with ${usage} pages, but ${charged.length} are charged ` +
          `(${charged.map((page) => `pfn ${hex(page.pfn)}`).join(", ")})`;
  },
};
