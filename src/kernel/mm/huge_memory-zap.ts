// Entries of a PMD: how they go, whole or because only a part of what they map goes. Source: mm/huge_memory.c.
import type { Cell, Code } from "../../explore/access.ts";
import { page_folio } from "../include/linux/mm.ts";
import { type Page, type Pte, TABLE, type UpperEntry, type VmArea } from "../include/linux/mm_types.ts";
import { isLeaf, pmd_offset, pmdPages, pmdStart, pud_offset } from "../include/linux/pgtable.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE, xchg } from "../lib/atomic.ts";
import { add_mm_counter } from "./memory.ts";
import type { Zapped } from "./memory-zap.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    zapped_page_pmd: typeof zapped_page_pmd;
    zap_pmd_range: typeof zap_pmd_range;
    zap_passes_over_pmd: typeof zap_passes_over_pmd;
    zap_huge_pmd: typeof zap_huge_pmd;
    __split_huge_pmd: typeof __split_huge_pmd;
    __split_huge_pmd_locked: typeof __split_huge_pmd_locked;
    vma_adjust_trans_huge: typeof vma_adjust_trans_huge;
  }
}

/**
 * The page whose count falls when a PMD entry is cleared.
 *
 * Models what `mm/huge_memory.c:zap_huge_pmd()` @ v6.12 asks of
 * `include/linux/mm.h:vma_is_special_huge()`, which is true of DAX.
 */
export const zapped_page_pmd = (k: Kernel, pmd: Pte): Page | null => k.vm_normal_page_pmd(pmd);

/**
 * Clears the entries of a mapping below one PMD, or the PMD entry itself. What a fault brings in between goes, too, if it
 * is seen.
 *
 * Models `mm/memory.c:zap_pmd_range()` @ v6.12, for one PMD.
 *
 * @param first First virtual page number; `end` is one past the last.
 */
export function* zap_pmd_range(
  k: Kernel,
  vma: VmArea,
  first: number,
  end: number,
  even_cows: boolean,
): Code<Zapped> {
  const pmdp = pmd_offset(k, vma.vm_mm, first);
  if (pmdp === null) return yield* k.zap_pte_range(vma, first, end, even_cows);
  for (;;) {
    let pmd = yield* READ_ONCE(pmdp);
    if (isLeaf(pmd)) {
      if (end - first === pmdPages(k)) {
        const zapped = yield* k.zap_huge_pmd(vma, first);
        if (zapped.cleared) return zapped;
      } else yield* k.__split_huge_pmd(vma, first);
      pmd = yield* READ_ONCE(pmdp);
    }
    if (pmd === TABLE) return yield* k.zap_pte_range(vma, first, end, even_cows);
    if (k.zap_passes_over_pmd(pmd)) return { pages: [], cleared: false };
  }
}

/** Models the `include/linux/pgtable.h:pmd_none_or_trans_huge_or_clear_bad()` of zap_pmd_range() @ v6.1, without the clearing. */
export const zap_passes_over_pmd = (_k: Kernel, pmd: UpperEntry): boolean => pmd !== TABLE;

/**
 * Clears a PMD entry.
 *
 * Models `mm/huge_memory.c:zap_huge_pmd()` @ v6.12, where that of a DAX file counts for nothing.
 * Left out: anonymous huge pages, entries of migration; the marks of the entry, dirty and young, that pass to the folio;
 * the reference of the process to the huge page of zeroes.
 */
export function* zap_huge_pmd(k: Kernel, vma: VmArea, address: number): Code<Zapped> {
  const pmdp = pmd_offset(k, vma.vm_mm, address);
  if (pmdp === null) return { pages: [], cleared: false };
  const { pmd_lock, rss_file } = vma.vm_mm;
  yield* spin_lock(k, pmd_lock);
  const pmd = yield* READ_ONCE(pmdp);
  let page: Page | null = null;
  if (isLeaf(pmd)) {
    yield* xchg<UpperEntry>(pmdp, null);
    page = k.zapped_page_pmd(pmd);
    if (page !== null) {
      const folio = yield* page_folio(k, page);
      yield* k.folio_remove_rmap_pmd(folio);
      yield* add_mm_counter(rss_file, -pmdPages(k));
    }
  }
  yield* spin_unlock(pmd_lock);
  return { pages: page === null ? [] : [page], cleared: isLeaf(pmd) };
}

/**
 * Takes a PMD entry apart. That of a file is cleared: smaller entries come with the next faults.
 *
 * Models `mm/huge_memory.c:__split_huge_pmd()` @ v6.12.
 */
export function* __split_huge_pmd(k: Kernel, vma: VmArea, address: number): Code {
  const pmdp = pmd_offset(k, vma.vm_mm, address);
  if (pmdp === null) return;
  const { pmd_lock } = vma.vm_mm;
  yield* spin_lock(k, pmd_lock);
  const pmd = yield* READ_ONCE(pmdp);
  if (isLeaf(pmd)) yield* k.__split_huge_pmd_locked(vma, pmdp, pmd);
  yield* spin_unlock(pmd_lock);
}

/**
 * Models `mm/huge_memory.c:__split_huge_pmd_locked()` @ v6.12, for the mapping of a file: the TLB is flushed, and
 * the reference dropped, while the lock is held.
 * Left out: the marks of the entry, dirty and young, that pass to the folio; nobody asks a DAX page for them; that
 * v6.15, and the releases .0 before it, drop the reference before they take the pages from the count of the process;
 * entries of migration.
 */
export function* __split_huge_pmd_locked(k: Kernel, vma: VmArea, pmdp: Cell<UpperEntry>, pmd: Pte): Code {
  const page = k.zapped_page_pmd(pmd);
  yield* xchg<UpperEntry>(pmdp, null);
  yield* k.flush_tlb_mm(vma.vm_mm);
  if (page === null) return;
  const folio = yield* page_folio(k, page);
  yield* k.folio_remove_rmap_pmd(folio);
  yield* add_mm_counter(vma.vm_mm.rss_file, -pmdPages(k));
  yield* k.folio_put(folio);
}

/**
 * Takes apart the huge entry that maps pages on both sides of a place where a mapping is to be split.
 *
 * Models `mm/huge_memory.c:vma_adjust_trans_huge()` @ v6.12, with split_huge_pmd_if_needed(). No entry of a PUD is in the
 * way: a device that has them lets its mappings be split between them only.
 * Left out: a neighbour that grows at the expense of the mapping.
 */
export function* vma_adjust_trans_huge(k: Kernel, vma: VmArea, addr: number): Code {
  const first = pmdStart(k, addr);
  const within = first >= vma.vm_start && first + pmdPages(k) <= vma.vm_start + vma.vm_pages;
  if (addr === first || !within) return;
  const pudp = pud_offset(k, vma.vm_mm, addr);
  if (pudp === null || (yield* READ_ONCE(pudp)) === TABLE) yield* k.__split_huge_pmd(vma, addr);
}
