// What a page counts, and what its count should be, as one looks at a state from outside. For invariants
// and for comparisons; modelled code reads words instead.

import { pfn as toPfn } from "../base/brand.ts";
import type { See } from "../explore/access.ts";
import {
  MEMORY_DEVICE_PCI_P2PDMA,
  MEMORY_DEVICE_PRIVATE,
  type MemoryType,
} from "./include/linux/memremap.ts";
import { hasLargeCounts, idleCountOf, isTail, largeCounts, pfn_to_page } from "./include/linux/mm.ts";
import type { MmStruct, Page, Pte } from "./include/linux/mm_types.ts";
import { PG_head } from "./include/linux/page-flags.ts";
import { isLeaf, pmdPages, pudPages } from "./include/linux/pgtable.ts";
import { isSwpEntry, pte_present } from "./include/linux/swapops.ts";
import type { Kernel } from "./kernel.ts";

/** What a page counts, as its folio would say if it were asked. */
export interface PageCounts {
  /** `_refcount` of the folio that the page is part of. */
  readonly refcount: number;
  /** `folio_mapcount()`. */
  readonly mapcount: number;
  /** `_pincount` of a large folio; 0 for a page of its own, whose pins count in `refcount`. */
  readonly pincount: number;
  readonly order: number;
  /** Page frame number of the folio's head. */
  readonly head: number;
  /** The page's own `_refcount`: 0 in a tail. */
  readonly own: number;
}

/** The head of the folio that a page is part of. */
export function headOf(k: Kernel, see: See, page: Page): Page {
  const word0 = see(page.pgmap);
  return isTail(word0) ? pfn_to_page(k, word0.head) : page;
}

/** Is a page the head of a large folio? */
export const isLarge = (see: See, head: Page): boolean => (see(head.flags) & PG_head) !== 0;

/**
 * Are the counts of a folio there to be read? Those of a large one begin with the last store of prep_compound_page(),
 * while nobody can take a reference, and end when it is taken apart. Before and after, these words are something else.
 */
export const countsAreThere = (k: Kernel, see: See, head: Page): boolean =>
  !isLarge(see, head) || hasLargeCounts(see(pfn_to_page(k, toPfn(head.pfn + 1)).mapping));

/** The counts of the folio that a page is part of. */
export function countsOf(k: Kernel, see: See, page: Page): PageCounts {
  const head = headOf(k, see, page);
  const refcount = see(head._refcount);
  const own = see(page._refcount);
  if (!isLarge(see, head)) {
    return { refcount, mapcount: see(head._mapcount) + 1, pincount: 0, order: 0, head: head.pfn, own };
  }
  const first = pfn_to_page(k, toPfn(head.pfn + 1));
  return {
    refcount,
    mapcount: see(first._large_mapcount) + 1,
    pincount: largeCounts(see(first.mapping))._pincount,
    order: see(first.order),
    head: head.pfn,
    own,
  };
}

/** An entry of a page table, where it is, and how many pages it maps. */
export interface Mapping {
  readonly mm: MmStruct;
  /** First virtual page number. */
  readonly address: number;
  readonly pages: number;
  readonly entry: Pte;
}

/** Every entry that maps memory, in every process. */
export function mappings(k: Kernel, see: See): Mapping[] {
  return k.world.mms.flatMap((mm) => {
    const found: Mapping[] = [];
    mm.page_table.forEach((ptep, address) => {
      const entry = see(ptep);
      if (pte_present(entry)) found.push({ mm, address, pages: 1, entry });
    });
    for (const [upper, pages] of [
      [mm.pmds, pmdPages(k)],
      [mm.puds, pudPages(k)],
    ] as const) {
      upper.forEach((cell, i) => {
        const entry = see(cell);
        if (isLeaf(entry)) found.push({ mm, address: i * pages, pages, entry });
      });
    }
    return found;
  });
}

/** Does an entry map a page? */
export const maps = ({ entry, pages }: Mapping, page: Page): boolean =>
  entry.pfn <= page.pfn && page.pfn < entry.pfn + pages;

/** An entry in words: `process[virtual page]`, `process[pmd 0]`. */
export const entryName = ({ mm, address, entry }: Mapping): string =>
  `${mm.name}[${entry.kind === "pte" ? "" : `${entry.kind} `}${address}]`;

/** The entries that map a page. */
export const mappersOf = (k: Kernel, see: See, page: Page): string[] =>
  mappings(k, see)
    .filter((m) => maps(m, page))
    .map(entryName);

/** The page that an entry holds a reference of, if the kernel counts references through entries of its level. */
export function countedPage(k: Kernel, entry: Pte): Page | null {
  if (entry.kind === "pte") return k.vm_normal_page(entry);
  return entry.kind === "pmd" ? k.zapped_page_pmd(entry) : k.zapped_page_pud(entry);
}

/** What kind of device memory a page is; null for ordinary memory. */
export function memoryType(k: Kernel, see: See, page: Page): MemoryType | null {
  const word0 = see(headOf(k, see, page).pgmap);
  return word0 === null || isTail(word0) ? null : word0.type;
}

/**
 * What the count of the head of a page has beyond mappings and holders. Memory of a PCI device has it in the driver's
 * pool only: who maps the page gets that reference.
 */
export function idleCount(k: Kernel, see: See, page: Page): number {
  const type = memoryType(k, see, page);
  if (type === null) return 0;
  if (type === MEMORY_DEVICE_PRIVATE) return k.private_idle_count(isPooled(k, see, page));
  return type === MEMORY_DEVICE_PCI_P2PDMA && !isPooled(k, see, page) ? 0 : idleCountOf(k, type);
}

/** Has the driver the page, to give it to somebody? */
export function isPooled(k: Kernel, see: See, page: Page): boolean {
  const word0 = see(headOf(k, see, page).pgmap);
  return word0 !== null && !isTail(word0) && see(word0.pool).includes(page.pfn);
}

/** How many entries map the folio of a head, of those through which the kernel counts references. */
export const countedMappings = (k: Kernel, see: See, head: Page): number =>
  mappings(k, see).filter(({ entry }) => {
    const page = countedPage(k, entry);
    return page !== null && headOf(k, see, page) === head;
  }).length + privateEntries(k, see, head);

/** How many entries that are not present hold a page that only a device reaches, and count as mappings. */
const privateEntries = (k: Kernel, see: See, page: Page): number =>
  k.world.mms
    .flatMap((mm) => mm.page_table.map(see))
    .filter((entry) => isSwpEntry(entry) && entry.kind === "device-private" && entry.pfn === page.pfn).length;
