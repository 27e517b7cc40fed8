// The rules of a page's life, each by name, so that a scenario says which it watches. A message is one
// sentence with the numbers, the page and the actors. Letters and digits as in docs/invariants.md.
import { hex, pfn as toPfn } from "../base/brand.ts";
import type { See } from "../explore/access.ts";
import {
  countedMappings,
  countedPage,
  countsOf,
  headOf,
  idleCount,
  isLarge,
  mappersOf,
  mappings,
  memoryType,
} from "./counts.ts";
import { GUP_PIN_COUNTING_BIAS } from "./include/linux/mm.ts";
import {
  type DaxEntry,
  type Inode,
  MEMORY_DEVICE_COHERENT,
  MEMORY_DEVICE_FS_DAX,
  MEMORY_DEVICE_GENERIC,
  PAGE_MAPPING_DAX_SHARED,
  type Page,
  PG_reserved,
  TAIL_MAPPING,
  VM_SHARED,
} from "./include/linux/mm_types.ts";
import { pmdPages, pmdStart } from "./include/linux/pgtable.ts";
import type { Kernel } from "./kernel.ts";

/** A rule over the pages and page tables of the machine. */
export interface KernelInvariant {
  readonly name: string;
  /** `end`: holds between operations, so it is looked at where nobody can run any more. */
  readonly at?: "every-state" | "end";
  readonly check: (k: Kernel, see: See) => string | null;
}

const devicePages = (k: Kernel): Page[] =>
  [...k.world.mem_map.values()].filter((page) => page.zone === "ZONE_DEVICE");

const firstBroken = (k: Kernel, check: (page: Page) => string | null): string | null => {
  for (const page of devicePages(k)) {
    const detail = check(page);
    if (detail !== null) return detail;
  }
  return null;
};

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
      const idle = headOf(k, see, page) === page ? idleCount(k, see, page) : 0;
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

/** I4: a folio has at least as many references as mappings: a mapping holds one, and lowers the mapcount first. */
export const mapcountWithinCount: KernelInvariant = {
  name: "mapcount-within-count",
  check: (k, see) =>
    firstBroken(k, (page) => {
      if (headOf(k, see, page) !== page) return null;
      const { refcount, mapcount } = countsOf(k, see, page);
      return mapcount <= refcount
        ? null
        : `the mapcount of pfn ${hex(page.pfn)} is ${mapcount}, but its count only ${refcount}`;
    }),
};

/** I14: no page of a DAX file is pinned for long: a file system waits for short pins only. Nor is coherent memory. */
export const noLongtermPinOfFsdax: KernelInvariant = {
  name: "no-longterm-pin-of-fsdax",
  check: (k, see) =>
    firstBroken(k, (page) =>
      see(page.longtermPins) > 0 && memoryType(k, see, page) !== MEMORY_DEVICE_GENERIC
        ? `pfn ${hex(page.pfn)}, of ${memoryType(k, see, page)} memory, is pinned for long by ${see(page.heldPins).join(" and ")}`
        : null,
    ),
};

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

/** Does a mapped page count as one of a file? Coherent memory is anonymous. */
function countsAsFile(k: Kernel, see: See, page: Page): boolean {
  const type = memoryType(k, see, page);
  return type !== null && type !== MEMORY_DEVICE_COHERENT;
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

/** I6: nobody holds a page whose block the file system has freed: DMA would reach another file. */
export const noPinOnFreeBlock: KernelInvariant = {
  name: "no-pin-on-free-block",
  check: (k, see) =>
    firstBroken(k, (page) => {
      const holders = [...see(page.heldPins), ...see(page.heldGets)];
      return holders.length > 0 && see(page.block_owner) === "free"
        ? `the block of pfn ${hex(page.pfn)} is free, but ${holders.join(" and ")} still uses the page`
        : null;
    }),
};

/** I6: no page table maps a page whose block the file system has freed. */
export const noMappingOfFreeBlock: KernelInvariant = {
  name: "no-mapping-of-free-block",
  check: (k, see) =>
    firstBroken(k, (page) => {
      const by = mappersOf(k, see, page);
      return by.length > 0 && see(page.block_owner) === "free"
        ? `the block of pfn ${hex(page.pfn)} is free, but ${by.join(", ")} maps it`
        : null;
    }),
};

/** Every page of every file: its place in the page cache and in the block map. */
function* filePages(k: Kernel): Iterable<{ inode: Inode; index: number }> {
  for (const sb of k.world.super_blocks) {
    for (const inode of sb.s_inodes) {
      for (let index = 0; index < inode.i_data.length; index++) yield { inode, index };
    }
  }
}

/** Does an entry stand for a page? */
const entryMaps = (k: Kernel, entry: DaxEntry, page: Page): boolean =>
  entry.pfn <= page.pfn && page.pfn < entry.pfn + (entry.pmd ? pmdPages(k) : 1);

/** How many entries of the page cache the words of a page say that it has. */
function associations(see: See, page: Page): number {
  const mapping = see(page.mapping);
  return mapping === null || mapping === PAGE_MAPPING_DAX_SHARED ? see(page.index) : 1;
}

/** I6: what a shared mapping shows of a page of a file is the block that the file has there. */
export const mappingShowsBlockOfFile: KernelInvariant = {
  name: "mapping-shows-block-of-file",
  at: "end",
  check: (k, see) => {
    for (const mm of k.world.mms) {
      for (const { vm_flags, vm_start, vm_pages, vm_pgoff, vm_file } of see(mm.mm_mt)) {
        if (!(vm_flags & VM_SHARED) || !vm_file.is_fsdax) continue;
        for (let i = 0; i < vm_pages; i++) {
          const ptep = mm.page_table[vm_start + i];
          const extent = vm_file.i_data[vm_pgoff + i];
          const pte = ptep === undefined ? null : see(ptep);
          const block = extent === undefined ? null : see(extent);
          if (pte === null || pte.pfn === (block ?? k.world.zero_page.pfn)) continue;
          const has = block === null ? "a hole" : `pfn ${hex(block)}`;
          return `${mm.name}[${vm_start + i}] maps pfn ${hex(pte.pfn)}, but ${vm_file.name} has ${has} there`;
        }
      }
    }
    return null;
  },
};

/** I18: a page says of itself how many entries there are for it: none, that of one file, or a number. */
export const associationsCountEntries: KernelInvariant = {
  name: "associations-count-entries",
  at: "end",
  check: (k, see) => {
    const entries = [...filePages(k)].map(({ inode, index }) => {
      const cell = inode.i_mapping.i_pages[index];
      return cell === undefined ? null : see(cell);
    });
    return firstBroken(k, (page) => {
      // Of a large folio, the head speaks for all.
      if (headOf(k, see, page) !== page || memoryType(k, see, page) !== MEMORY_DEVICE_FS_DAX) return null;
      const there = entries.filter((e) => e?.kind === "normal" && entryMaps(k, e, page)).length;
      const said = associations(see, page);
      return there === said
        ? null
        : `pfn ${hex(page.pfn)} says that ${said} entries are for it, but there are ${there}`;
    });
  },
};

/** I26: what was stored through a mapping is marked dirty until it is flushed; else fsync passes over it. */
export const unflushedPageIsDirty: KernelInvariant = {
  name: "unflushed-page-is-dirty",
  at: "end",
  check: (k, see) => {
    for (const { inode, index } of filePages(k)) {
      const extent = inode.i_data[index];
      const head = pmdStart(k, index);
      const { i_marks, i_pages } = inode.i_mapping;
      // The marks of a PMD entry are at the first of its pages.
      const first = i_pages[head];
      const marks = i_marks[first !== undefined && see(first)?.pmd ? head : index];
      const block = extent === undefined ? null : see(extent);
      const page = block === null ? undefined : k.world.mem_map.get(block);
      if (page === undefined || marks === undefined) continue;
      if (see(page.unflushed) && !see(marks).dirty) {
        return (
          `page ${index} of ${inode.name} (pfn ${hex(page.pfn)}) was stored to and is not flushed, ` +
          "but it is not marked dirty"
        );
      }
    }
    return null;
  },
};

/** I22: when a device has gone, nobody maps its memory any more. */
export const noMappingOfDeadDevice: KernelInvariant = {
  name: "no-mapping-of-dead-device",
  at: "end",
  check: (k, see) => {
    for (const { s_dax_dev } of k.world.super_blocks) {
      if (see(s_dax_dev.alive)) continue;
      for (const pfn of s_dax_dev.pfns) {
        const page = k.world.mem_map.get(pfn);
        const by = page === undefined ? [] : mappersOf(k, see, page);
        if (by.length > 0) return `the device has gone, but ${by.join(", ")} maps its pfn ${hex(pfn)}`;
      }
    }
    return null;
  },
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

/** The kernel's own warnings: what its code says must not be. */
export const noWarning: KernelInvariant = {
  name: "no-warning",
  check: (k, see) => see(k.world.warning),
};

/** All of them. */
export const kernelInvariants: readonly KernelInvariant[] = [
  heldPageIsReferenced,
  referencesAddUp,
  countNotBelowIdle,
  mappedPageIsReferenced,
  mapcountWithinCount,
  mapcountCountsMappings,
  noLongtermPinOfFsdax,
  pincountCountsPins,
  rssCountsMappings,
  noPinOnFreeBlock,
  noMappingOfFreeBlock,
  mappingShowsBlockOfFile,
  associationsCountEntries,
  unflushedPageIsDirty,
  noMappingOfDeadDevice,
  folioHasOnePgmap,
  sharedTailsAreNotWritten,
  chargesAddUp,
  noWarning,
];
