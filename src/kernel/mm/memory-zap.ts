// How entries of one page go: first they, then what TLBs know of them, then the references. Source: mm/memory.c,
// mm/mmu_gather.c. Entries of a PMD and a PUD are in huge_memory-zap.ts and huge_memory-pud.ts.

import { type Cell, type Code, rmw } from "../../explore/access.ts";
import type { AddressSpace } from "../include/linux/fs.ts";
import { is_zero_page, page_folio, pfn_to_page } from "../include/linux/mm.ts";
import type { LowerEntry, Page, Pte, VmArea } from "../include/linux/mm_types.ts";
import { pmdPages, pmdStart, pte_lockptr, pte_offset, pudPages, pudStart } from "../include/linux/pgtable.ts";
import { isSwpEntry, pte_present, type SwpEntry } from "../include/linux/swapops.ts";
import { down_read, up_read } from "../kernel/locking/rwsem.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE, xchg } from "../lib/atomic.ts";
import { type Gathered, inc_tlb_flush_pending } from "./mmu_gather.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    zap_present_pte: typeof zap_present_pte;
    zap_nonpresent_pte: typeof zap_nonpresent_pte;
    zap_pte_range: typeof zap_pte_range;
    unmap_page_range: typeof unmap_page_range;
    zap_page_range: typeof zap_page_range;
    unmap_mapping_pages: typeof unmap_mapping_pages;
  }
}

/** What a part of a zap leaves to be done after the TLB flush. */
export interface Zapped {
  readonly pages: Gathered;
  /** Was any entry cleared, so that TLBs are to be flushed? */
  readonly cleared: boolean;
  readonly [field: string]: Gathered | boolean;
}

/** What the clearing of one entry leaves to be done. */
export interface ZappedPte {
  /** The page whose reference is to be dropped after the TLB flush, or null. */
  readonly page: Page | null;
  /** Is its mapcount to be lowered after that flush, too? */
  readonly delayed: boolean;
  readonly [field: string]: Page | boolean | null;
}

/**
 * Is it a mapping of no file? Setup gives such one a file that is none.
 *
 * Models `include/linux/mm.h:vma_is_anonymous()` @ v6.12.
 */
export const vma_is_anonymous = ({ vm_file }: VmArea): boolean =>
  !vm_file.is_fsdax && vm_file.dev_dax === null && vm_file.p2pmem === null;

/**
 * Clears one present entry.
 *
 * Models `mm/memory.c:zap_present_ptes()` @ v6.12: what has no page to be counted is only cleared.
 * Left out: the marks of the entry, dirty and young, that pass to the page; nobody asks a DAX page for them.
 * Context: page-table lock held.
 */
export function* zap_present_pte(k: Kernel, vma: VmArea, address: number, pte: Pte): Code<ZappedPte> {
  const ptep = pte_offset(vma.vm_mm, address);
  const page = k.vm_normal_page(pte);
  if (page === null || is_zero_page(k, page)) {
    yield* xchg<LowerEntry>(ptep, null);
    return { page: null, delayed: false };
  }
  const ofFile = page.zone === "ZONE_DEVICE" && !vma_is_anonymous(vma);
  yield* clearCounted(ptep, ofFile ? vma.vm_mm.rss_file : vma.vm_mm.rss_anon);
  const folio = yield* page_folio(k, page);
  yield* k.folio_remove_rmap_pte(folio, page);
  return { page, delayed: false };
}

/**
 * Clears an entry of one page, and takes the page from the count of the process.
 *
 * Simplified: in one step; the kernel counts what it cleared of a table at the end, under the same lock.
 *
 * @returns whether the entry was dirty: the processor may have marked it after the last look at it.
 */
export function* clearCounted(ptep: Cell<LowerEntry>, rss: Cell<number>): Code<boolean> {
  return yield* rmw([ptep, rss], (old: LowerEntry, count: number) => ({
    next: [null, count - 1],
    result: pte_present(old) && old.dirty,
  }));
}

/**
 * Is an entry to go? A private copy stays where only the pages of the file are unmapped.
 *
 * Models `mm/memory.c:should_zap_folio()` @ v6.12; v5.10 compares the file of the page in zap_pte_range().
 * Simplified: the page is not asked whether it is anonymous; in a mapping of a file all memory of a device is the file's.
 */
export function should_zap(k: Kernel, pte: LowerEntry, even_cows: boolean): pte is Pte {
  if (!pte_present(pte)) return false;
  if (even_cows) return true;
  const page = k.vm_normal_page(pte);
  return page === null || page.zone === "ZONE_DEVICE" || is_zero_page(k, page);
}

/**
 * Clears an entry that is not present. That of a page which only a device reaches holds a reference, as a present one
 * does; no processor knows of it, so the reference goes at once.
 *
 * Models `mm/memory.c:zap_nonpresent_ptes()` @ v7.2; v6.12 has it within zap_pte_range().
 * Context: page-table lock held.
 */
export function* zap_nonpresent_pte(k: Kernel, vma: VmArea, address: number, entry: SwpEntry): Code {
  yield* clearCounted(pte_offset(vma.vm_mm, address), vma.vm_mm.rss_anon);
  if (entry.kind === "migration") return;
  const page = pfn_to_page(k, entry.pfn);
  yield* k.folio_remove_rmap_pte(page.folio, page);
  yield* k.put_page(page);
}

/**
 * Clears the entries of a part of one table.
 *
 * Models `mm/memory.c:zap_pte_range()` @ v6.12.
 * Left out: batches.
 *
 * @param first First virtual page number; `end` is one past the last.
 * @param even_cows Those of private copies, too.
 */
export function* zap_pte_range(
  k: Kernel,
  vma: VmArea,
  first: number,
  end: number,
  even_cows: boolean,
): Code<Zapped> {
  const ptl = pte_lockptr(k, vma.vm_mm, first);
  const pages: Page[] = [];
  let cleared = false;
  yield* spin_lock(k, ptl);
  for (let address = first; address < end; address++) {
    const pte = yield* READ_ONCE(pte_offset(vma.vm_mm, address));
    if (isSwpEntry(pte) && even_cows) yield* k.zap_nonpresent_pte(vma, address, pte);
    if (!should_zap(k, pte, even_cows)) continue;
    const { page } = yield* k.zap_present_pte(vma, address, pte);
    if (page !== null) pages.push(page);
    cleared = true;
  }
  yield* spin_unlock(ptl);
  return { pages, cleared };
}

/**
 * Clears the entries of a part of a mapping. TLBs are yet to be flushed, and references to be dropped.
 *
 * Models `mm/memory.c:unmap_page_range()` @ v6.12. A huge entry of which only a part goes is split, and that of a file
 * is thereby cleared.
 *
 * @param first First virtual page number; `end` is one past the last.
 * @param even_cows Entries of private copies, too.
 */
export function* unmap_page_range(
  k: Kernel,
  vma: VmArea,
  first: number,
  end: number,
  even_cows: boolean,
): Code<Zapped> {
  let pages: readonly Page[] = [];
  let cleared = false;
  let address = first;
  while (address < end) {
    let next = Math.min(end, pudStart(k, address) + pudPages(k));
    let zapped = yield* k.zap_pud_range(vma, address, next);
    if (zapped === null) {
      next = Math.min(end, pmdStart(k, address) + pmdPages(k));
      zapped = yield* k.zap_pmd_range(vma, address, next, even_cows);
    }
    pages = [...pages, ...zapped.pages];
    cleared = cleared || zapped.cleared;
    address = next;
  }
  return { pages, cleared };
}

/**
 * Clears the entries of a part of a mapping.
 *
 * Models `mm/memory.c:zap_page_range_single()` @ v6.12: entries first, then the TLB, then references.
 * Left out: mmu notifiers, batches.
 *
 * @param first First virtual page number; `end` is one past the last.
 * @param even_cows Entries of private copies, too.
 */
export function* zap_page_range(k: Kernel, vma: VmArea, first: number, end: number, even_cows = true): Code {
  yield* inc_tlb_flush_pending(vma.vm_mm);
  const { pages, cleared } = yield* k.unmap_page_range(vma, first, end, even_cows);
  yield* k.tlb_finish_mmu(vma.vm_mm, pages, cleared);
}

/**
 * Takes pages of a file out of every page table.
 *
 * Models `mm/memory.c:unmap_mapping_pages()` @ v6.12.
 *
 * @param start First page of the file; `nr` is the number of pages.
 * @param even_cows Private copies of them, too.
 */
export function* unmap_mapping_pages(
  k: Kernel,
  mapping: AddressSpace,
  start: number,
  nr: number,
  even_cows = false,
): Code {
  yield* down_read(k, mapping.i_mmap_rwsem);
  const vmas = yield* READ_ONCE(mapping.i_mmap);
  for (const vma of vmas) {
    const first = Math.max(start, vma.vm_pgoff);
    const end = Math.min(start + nr, vma.vm_pgoff + vma.vm_pages);
    const shift = vma.vm_start - vma.vm_pgoff;
    if (first < end) yield* k.zap_page_range(vma, first + shift, end + shift, even_cows);
  }
  yield* up_read(k, mapping.i_mmap_rwsem);
}
