// The rules of a page's life, each by name, so that a scenario says which it watches. A message is one
// sentence with the numbers, the page and the actors. Letters and digits as in docs/invariants.md.
import { hex } from "../base/brand.ts";
import type { See } from "../explore/access.ts";
import { GUP_PIN_COUNTING_BIAS } from "./include/linux/mm.ts";
import { type Inode, type MmStruct, PAGE_MAPPING_DAX_SHARED, type Page } from "./include/linux/mm_types.ts";
import type { Kernel } from "./kernel.ts";

/** A rule over the pages and page tables of the machine. */
export interface KernelInvariant {
  readonly name: string;
  /** `end`: holds between operations, so it is looked at where nobody can run any more. */
  readonly at?: "every-state" | "end";
  readonly check: (k: Kernel, see: See) => string | null;
}

const devicePages = (k: Kernel): Page[] => [...k.world.mem_map.values()];

/** Who maps a page, as `process[virtual page]`. */
function mappers(k: Kernel, see: See, page: Page): string[] {
  return k.world.mms.flatMap((mm: MmStruct) =>
    mm.page_table.flatMap((ptep, i) => (see(ptep)?.pfn === page.pfn ? [`${mm.name}[${i}]`] : [])),
  );
}

const firstBroken = (k: Kernel, check: (page: Page) => string | null): string | null => {
  for (const page of devicePages(k)) {
    const detail = check(page);
    if (detail !== null) return detail;
  }
  return null;
};

/** I1: the count of a page is what its reference holders add up to. */
export const referencesAddUp: KernelInvariant = {
  name: "references-add-up",
  at: "end",
  check: (k, see) =>
    firstBroken(k, (page) => {
      const base = k.fsdax_idle_count();
      const pins = see(page.heldPins).length;
      const gets = see(page.heldGets).length;
      const entries = k.world.mms.flatMap((mm) => mm.page_table.map((ptep) => see(ptep)));
      const counted = entries.filter((pte) => pte !== null && k.vm_normal_page(pte) === page).length;
      const expected = base + counted + gets + pins * GUP_PIN_COUNTING_BIAS;
      const count = see(page._refcount);
      return count === expected
        ? null
        : `the count of pfn ${hex(page.pfn)} is ${count}, but its holders add up to ${expected} ` +
            `(base ${base}, mappings ${counted}, gets ${gets}, pins ${pins})`;
    }),
};

/** I2: a count is never below that of an idle page. */
export const countNotBelowIdle: KernelInvariant = {
  name: "count-not-below-idle",
  check: (k, see) =>
    firstBroken(k, (page) => {
      const count = see(page._refcount);
      const idle = k.fsdax_idle_count();
      return count >= idle ? null : `the count of pfn ${hex(page.pfn)} is ${count}, below ${idle}`;
    }),
};

/** I3: a page that a page table maps has a reference. */
export const mappedPageIsReferenced: KernelInvariant = {
  name: "mapped-page-is-referenced",
  check: (k, see) =>
    firstBroken(k, (page) => {
      const by = mappers(k, see, page);
      return by.length > 0 && see(page._refcount) < 1
        ? `${by.join(", ")} maps pfn ${hex(page.pfn)}, whose count is ${see(page._refcount)}`
        : null;
    }),
};

/** I5: the mapcount of a page is the number of entries that map it, where the kernel keeps one. */
export const mapcountCountsMappings: KernelInvariant = {
  name: "mapcount-counts-mappings",
  at: "end",
  check: (k, see) =>
    firstBroken(k, (page) => {
      const entries = k.world.mms.flatMap((mm) => mm.page_table.map((ptep) => see(ptep)));
      const mapped = entries.filter((pte) => pte !== null && k.vm_normal_page(pte) === page).length;
      const mapcount = see(page._mapcount) + 1;
      return mapcount === mapped
        ? null
        : `the mapcount of pfn ${hex(page.pfn)} is ${mapcount}, but ${mapped} entries map it`;
    }),
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
      const by = mappers(k, see, page);
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

/** How many entries of the page cache the words of a page say that it has. */
function associations(see: See, page: Page): number {
  const mapping = see(page.mapping);
  return mapping === null || mapping === PAGE_MAPPING_DAX_SHARED ? see(page.index) : 1;
}

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
      const there = entries.filter((e) => e?.kind === "normal" && e.pfn === page.pfn).length;
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
      const marks = inode.i_mapping.i_marks[index];
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

/** The kernel's own warnings: what its code says must not be. */
export const noWarning: KernelInvariant = {
  name: "no-warning",
  check: (k, see) => see(k.world.warning),
};

/** All of them. */
export const kernelInvariants: readonly KernelInvariant[] = [
  referencesAddUp,
  countNotBelowIdle,
  mappedPageIsReferenced,
  mapcountCountsMappings,
  noPinOnFreeBlock,
  noMappingOfFreeBlock,
  associationsCountEntries,
  unflushedPageIsDirty,
  noWarning,
];
