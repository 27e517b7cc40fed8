// The rules of a page's life, each by name, so that a scenario says which it watches. A message is one
// sentence with the numbers, the page and the actors. Letters and digits as in docs/invariants.md.
import { hex } from "../base/brand.ts";
import type { See } from "../explore/access.ts";
import { GUP_PIN_COUNTING_BIAS } from "./include/linux/mm.ts";
import type { MmStruct, Page } from "./include/linux/mm_types.ts";
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
  noWarning,
];
