// Who maps a folio, as a count. Source: mm/rmap.c, include/linux/rmap.h, include/linux/mm.h.
// Left out everywhere: _nr_pages_mapped and the mapcounts per mm, which are statistics.
import { type Cell, type Code, rmw } from "../../explore/access.ts";
import { addLargeCount, folio_page, folio_test_large } from "../include/linux/mm.ts";
import {
  type Folio,
  type LowerEntry,
  type Page,
  type UpperEntry,
  VM_SHARED,
  type VmArea,
} from "../include/linux/mm_types.ts";
import {
  isLeaf,
  pfnAt,
  pmd_offset,
  pmdPages,
  pmdStart,
  pte_lockptr,
  pte_offset,
} from "../include/linux/pgtable.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { atomic_add, atomic_read, READ_ONCE, WRITE_ONCE } from "../lib/atomic.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    folio_mapcount: typeof folio_mapcount;
    folio_add_file_rmap_pte: typeof folio_add_file_rmap_pte;
    folio_remove_rmap_pte: typeof folio_remove_rmap_pte;
    pfn_mkclean_range: typeof pfn_mkclean_range;
    folio_add_file_rmap_pmd: typeof folio_add_file_rmap_pmd;
    folio_remove_rmap_pmd: typeof folio_remove_rmap_pmd;
  }
}

/**
 * How many page-table entries map a folio. One of a PMD counts as one.
 *
 * Models `include/linux/mm.h:folio_mapcount()` @ v6.12.
 */
export function* folio_mapcount(k: Kernel, folio: Folio): Code<number> {
  const large = yield* folio_test_large(folio);
  const count = large ? folio_page(k, folio, 1)._large_mapcount : folio._mapcount;
  return (yield* atomic_read(count)) + 1;
}

/** Models `mm/rmap.c:folio_add_file_rmap_ptes()` @ v6.12, for one entry. */
export function* folio_add_file_rmap_pte(k: Kernel, folio: Folio, page: Page): Code {
  const large = yield* folio_test_large(folio);
  yield* atomic_add(page._mapcount, 1);
  if (large) yield* atomic_add(folio_page(k, folio, 1)._large_mapcount, 1);
}

/**
 * Models `mm/rmap.c:folio_remove_rmap_ptes()` @ v6.12, for one entry; v6.1 has it as page_remove_rmap(), where no large folio
 * is mapped with a count.
 * Left out: CONFIG_NO_PAGE_MAPCOUNT (v6.15), with which a page of a large folio has no mapcount of its own.
 */
export function* folio_remove_rmap_pte(k: Kernel, folio: Folio, page: Page): Code {
  if (yield* folio_test_large(folio)) yield* atomic_add(folio_page(k, folio, 1)._large_mapcount, -1);
  yield* atomic_add(page._mapcount, -1);
}

/** Models `mm/rmap.c:folio_add_file_rmap_pmd()` and `folio_add_file_rmap_pud()` @ v7.2. */
export function* folio_add_file_rmap_pmd(k: Kernel, folio: Folio): Code {
  yield* addLargeCount(k, folio, "_entire_mapcount", 1);
  yield* atomic_add(folio_page(k, folio, 1)._large_mapcount, 1);
}

/**
 * Models `mm/rmap.c:folio_remove_rmap_pmd()` and `folio_remove_rmap_pud()` @ v7.2. Whether the folio is still a
 * large one is not looked at.
 */
export function* folio_remove_rmap_pmd(k: Kernel, folio: Folio): Code {
  yield* atomic_add(folio_page(k, folio, 1)._large_mapcount, -1);
  yield* addLargeCount(k, folio, "_entire_mapcount", -1);
}

/**
 * Gives a mapping an anon_vma, before it gets its first private page.
 *
 * Models `mm/rmap.c:__anon_vma_prepare()` @ v6.12, and anon_vma_fork() for the mapping of a child.
 * Left out: the anon_vma itself, which leads from a page to its mappings.
 */
export function* anon_vma_prepare({ anon_vma, vm_start }: VmArea): Code {
  yield* rmw([anon_vma], (parts: readonly number[]) => ({
    next: [parts.includes(vm_start) ? parts : [...parts, vm_start]],
    result: null,
  }));
}

/** Has a mapping an anon_vma? One look at its field. */
export function* hasAnonVma({ anon_vma, vm_start }: VmArea): Code<boolean> {
  return (yield* READ_ONCE(anon_vma)).includes(vm_start);
}

/**
 * Where a mapping is split, the upper part has an anon_vma if the mapping had.
 *
 * Models `mm/rmap.c:anon_vma_clone()` @ v6.12, as __split_vma() calls it.
 */
export function* anon_vma_clone({ anon_vma, vm_start }: VmArea, addr: number): Code {
  yield* rmw([anon_vma], (parts: readonly number[]) => ({
    next: [parts.includes(vm_start) ? [...parts, addr] : parts],
    result: null,
  }));
}

/**
 * Takes away the right to write through the entries of a range, so that the next store makes a fault.
 *
 * Models `mm/rmap.c:pfn_mkclean_range()` @ v6.12, with page_vma_mkclean_one() and invalid_mkclean_vma(): private mappings
 * are passed over. Each entry takes its lock by itself, and that of a PMD counts as one.
 * Left out: that the entry is none while the TLB is flushed; that private mappings are passed over, which have no entry
 * to write to the file by.
 *
 * @param address First virtual page number; `nr` is the number of pages, `first` the page frame of the first.
 */
export function* pfn_mkclean_range(k: Kernel, vma: VmArea, address: number, nr: number, first: number): Code {
  if ((vma.vm_flags & VM_SHARED) === 0) return;
  for (let at = address; at < address + nr; at++) {
    const pfn = first + at - address;
    const pmdp = pmd_offset(k, vma.vm_mm, at);
    const pmd = pmdp === null ? null : yield* READ_ONCE(pmdp);
    const huge = pmdp !== null && isLeaf(pmd);
    const cell = huge ? pmdp : pte_offset(vma.vm_mm, at);
    if (pmdp === null || pmd !== null) {
      const ptl = huge ? vma.vm_mm.pmd_lock : pte_lockptr(k, vma.vm_mm, at);
      yield* spin_lock(k, ptl);
      const entry = yield* READ_ONCE<LowerEntry | UpperEntry>(cell);
      const writable = isLeaf(entry) && pfnAt(k, entry, at) === pfn && (entry.write || entry.dirty);
      if (writable) {
        yield* WRITE_ONCE<LowerEntry | UpperEntry>(cell as Cell<LowerEntry | UpperEntry>, {
          ...entry,
          write: false,
          dirty: false,
        });
        yield* k.flush_tlb_mm(vma.vm_mm);
      }
      yield* spin_unlock(ptl);
    }
    // The next entry is that of the next PMD.
    if (pmdp !== null && (pmd === null || huge)) at = pmdStart(k, at) + pmdPages(k) - 1;
  }
}
