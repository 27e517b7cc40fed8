// get_user_pages without locks: it walks the page table with interrupts off. Source: mm/gup.c.
// Left out everywhere: PG_referenced, which it sets of what it takes.

import type { Cell, Code } from "../../explore/access.ts";
import type { DevPagemap } from "../include/linux/memremap.ts";
import { page_folio, pfn_to_page } from "../include/linux/mm.ts";
import {
  type Folio,
  type LowerEntry,
  type MmStruct,
  type Page,
  type Pte,
  TABLE,
  type UpperEntry,
} from "../include/linux/mm_types.ts";
import {
  isLeaf,
  pfnAt,
  pmd_offset,
  pmdPages,
  pmdStart,
  pte_offset,
  pud_offset,
  pudPages,
  pudStart,
} from "../include/linux/pgtable.ts";
import { pte_present } from "../include/linux/swapops.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE } from "../lib/atomic.ts";
import { FOLL_LONGTERM, FOLL_PIN, FOLL_WRITE } from "./gup-flags.ts";
import { local_irq_restore, local_irq_save } from "./mmu_gather.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    gup_fast_pte_range: typeof gup_fast_pte_range;
    gup_fast_pmd_leaf: typeof gup_fast_pmd_leaf;
    gup_fast_pud_leaf: typeof gup_fast_pud_leaf;
    gup_grab_devmap_page: typeof gup_grab_devmap_page;
    gup_fast_folio_allowed: typeof gup_fast_folio_allowed;
    gup_fast: typeof gup_fast;
    gup_looks_for_fork: (k: Kernel) => boolean;
    gup_pte_unchanged: typeof gup_pte_unchanged;
  }
}

/**
 * Takes the page behind one page-table entry, without any lock.
 *
 * Models `mm/gup.c:gup_fast_pte_range()` @ v6.12, for one entry; v5.18 has it as gup_pte_range().
 * Left out: protnone, the cache of the last pgmap.
 * Context: interrupts off; may not sleep.
 *
 * @param pmdp The entry above, which led here; null where there is none to look at.
 * @returns the page, or null where the kernel goes on to the slow path.
 */
export function* gup_fast_pte_range(
  k: Kernel,
  pmdp: Cell<UpperEntry> | null,
  ptep: Cell<LowerEntry>,
  flags: number,
): Code<Page | null> {
  const pte = yield* READ_ONCE(ptep);
  if (!pte_present(pte)) return null;
  if (flags & FOLL_WRITE && !pte.write) return null;
  let pgmap: DevPagemap | null = null;
  if (pte.devmap) {
    if (flags & FOLL_LONGTERM) return null;
    pgmap = yield* k.get_dev_pagemap(pte.pfn);
    if (pgmap === null) return null;
  } else if (pte.special) return null;

  const page = pfn_to_page(k, pte.pfn);
  let taken: Page | null = null;
  const folio = yield* k.try_grab_folio_fast(page, 1, flags);
  if (folio !== null) {
    const unchanged = yield* k.gup_pte_unchanged(pmdp, ptep, pte);
    const allowed = unchanged && (yield* k.gup_fast_folio_allowed(folio, flags));
    const unshare = allowed && !pte.write && (yield* k.gup_must_unshare(null, flags, page));
    if (allowed && !unshare) taken = page;
    else yield* k.gup_put_folio(folio, 1, flags);
  }
  if (pgmap !== null) yield* k.put_dev_pagemap(pgmap);
  return taken;
}

/**
 * Looks again: is the entry, and with it the right to the page, still there now that we hold a reference?
 *
 * Models the comparison of pte_val in `mm/gup.c:gup_pte_range()` @ v5.18.
 */
export function* gup_pte_unchanged(
  _k: Kernel,
  _pmdp: Cell<UpperEntry> | null,
  ptep: Cell<LowerEntry>,
  pte: Pte,
): Code<boolean> {
  return (yield* READ_ONCE(ptep)) === pte;
}

/**
 * Is this a folio that may be pinned so without a look at the mapping of the process?
 *
 * Models `mm/gup.c:gup_pte_range()` @ v5.18, which asks only whether the page is secret memory; here none is.
 */
export function* gup_fast_folio_allowed(_k: Kernel, _folio: Folio, _flags: number): Code<boolean> {
  return true;
}

/**
 * Takes pages behind one PMD entry, without any lock, each by itself.
 *
 * Models `mm/gup.c:__gup_device_huge_pmd()` and `__gup_device_huge()` @ v5.18; v6.12 has them as
 * gup_fast_devmap_pmd_leaf() and gup_fast_devmap_leaf().
 * Left out: huge entries that are not devmap: here there are none but of the huge zero page.
 * Context: interrupts off; may not sleep.
 *
 * @returns the pages, or none where the kernel goes on to the slow path.
 */
export function* gup_fast_pmd_leaf(
  k: Kernel,
  pmdp: Cell<UpperEntry>,
  pmd: Pte,
  address: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[]> {
  if ((flags & FOLL_WRITE && !pmd.write) || pmd.special || !pmd.devmap) return [];
  if (flags & FOLL_LONGTERM) return [];
  const pgmap = yield* k.get_dev_pagemap(pfnAt(k, pmd, address));
  if (pgmap === null) return [];
  const pages: Page[] = [];
  for (let i = address; i < address + nr_pages; i++) {
    const page = pfn_to_page(k, pfnAt(k, pmd, i));
    if (!(yield* k.gup_grab_devmap_page(page, flags))) break;
    pages.push(page);
  }
  yield* k.put_dev_pagemap(pgmap);
  const unchanged = (yield* READ_ONCE(pmdp)) === pmd;
  if (unchanged && pages.length === nr_pages) return pages;
  for (const page of pages) {
    const folio = yield* page_folio(k, page);
    yield* k.gup_put_folio(folio, 1, flags);
  }
  return [];
}

/**
 * Takes pages behind one PUD entry, without any lock, as behind one of a PMD.
 *
 * Models `mm/gup.c:gup_fast_pud_leaf()` @ v6.12, with gup_fast_devmap_pud_leaf().
 * Context: interrupts off; may not sleep.
 */
export function* gup_fast_pud_leaf(
  k: Kernel,
  pudp: Cell<UpperEntry>,
  pud: Pte,
  address: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[]> {
  return yield* k.gup_fast_pmd_leaf(pudp, pud, address, nr_pages, flags);
}

/**
 * Takes one page of a huge devmap entry, without any lock, and without asking whether its count is 0.
 *
 * Models the call of try_grab_page() in `mm/gup.c:__gup_device_huge()` @ v5.18.
 */
export function* gup_grab_devmap_page(k: Kernel, page: Page, flags: number): Code<boolean> {
  const folio = yield* page_folio(k, page);
  return (yield* k.try_grab_folio(folio, 1, flags)) === 0;
}

/** Does GUP without locks give a pin up if a fork() went on meanwhile? Not in v5.10. */
export const gup_looks_for_fork = (_k: Kernel): boolean => false;

/**
 * Takes pages of a process without locks: those that its page table has, up to the first that cannot be had so.
 *
 * Models `mm/gup.c:gup_fast()` @ v7.2, with gup_fast_pud_range() and gup_fast_pmd_range(); v5.18 has it as lockless_pages_from_mm().
 * Left out: write_protect_seq of a process that has no child here, where nobody changes it.
 */
export function* gup_fast(
  k: Kernel,
  mm: MmStruct,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[]> {
  const forks = k.gup_looks_for_fork() && (flags & FOLL_PIN) !== 0 && mm.children.length > 0;
  const seq = forks ? yield* READ_ONCE(mm.write_protect_seq) : 0;
  if (seq % 2 === 1) return [];
  let pages: readonly Page[] = [];
  yield* local_irq_save(k);
  const end = Math.min(start + nr_pages, mm.page_table.length);
  let address = start;
  while (address < end) {
    const pudp = pud_offset(k, mm, address);
    const pud = pudp === null ? TABLE : yield* READ_ONCE(pudp);
    if (pud === null) break;
    if (pudp !== null && isLeaf(pud)) {
      const n = Math.min(end, pudStart(k, address) + pudPages(k)) - address;
      const taken = yield* k.gup_fast_pud_leaf(pudp, pud, address, n, flags);
      if (taken.length === 0) break;
      pages = [...pages, ...taken];
      address += n;
      continue;
    }
    const pmdp = pmd_offset(k, mm, address);
    const pmd = pmdp === null ? TABLE : yield* READ_ONCE(pmdp);
    if (pmd === null) break;
    if (pmdp !== null && isLeaf(pmd)) {
      const n = Math.min(end, pmdStart(k, address) + pmdPages(k)) - address;
      const taken = yield* k.gup_fast_pmd_leaf(pmdp, pmd, address, n, flags);
      if (taken.length === 0) break;
      pages = [...pages, ...taken];
      address += n;
    } else {
      const page = yield* k.gup_fast_pte_range(pmdp, pte_offset(mm, address), flags);
      if (page === null) break;
      pages = [...pages, page];
      address++;
    }
  }
  yield* local_irq_restore(k);
  if (!forks || (yield* READ_ONCE(mm.write_protect_seq)) === seq) return pages;
  for (const page of pages) {
    const folio = yield* page_folio(k, page);
    yield* k.gup_put_folio(folio, 1, flags);
  }
  return [];
}
