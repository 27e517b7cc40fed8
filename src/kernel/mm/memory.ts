// Page-table entries: what they refer to, and the faults that bring them. Source: mm/memory.c. How entries come is in
// memory-insert.ts, how they go in memory-zap.ts; those of a PMD and a PUD are in huge_memory.ts and huge_memory-pud.ts.
import { type Cell, type Code, rmw } from "../../explore/access.ts";
import { is_zero_pfn, pfn_to_page } from "../include/linux/mm.ts";
import {
  type LowerEntry,
  type MmStruct,
  type Page,
  type Pte,
  TABLE,
  type UpperEntry,
  VM_SHARED,
  type VmArea,
} from "../include/linux/mm_types.ts";
import { pmd_offset, pte_lockptr, pte_offset } from "../include/linux/pgtable.ts";
import { type Spinlock, spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { atomic_add, READ_ONCE, WRITE_ONCE } from "../lib/atomic.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    vm_normal_page: typeof vm_normal_page;
    get_locked_pte: typeof get_locked_pte;
    handle_mm_fault: typeof handle_mm_fault;
  }
}

/**
 * What a fault came to: the entry is there now; the access is beyond the file; a smaller entry must do; or
 * nothing is mapped at the address.
 */
export type VmFault = "NOPAGE" | "SIGBUS" | "FALLBACK" | "SIGSEGV" | "DONE_COW";

/** struct vm_fault. */
export interface VmFaultInfo {
  readonly vma: VmArea;
  /** Virtual page number. */
  readonly address: number;
  /** Page of the file. */
  readonly pgoff: number;
  readonly write: boolean;
  /** How large an entry is asked for: 0, PMD_ORDER or PUD_ORDER. */
  readonly order: number;
  /** The page that is to get a copy, for a store to a private mapping. */
  readonly cow_page?: Page;
}

/**
 * The page that an entry refers to, if references to it are counted through the entry.
 *
 * Models `mm/memory.c:vm_normal_page()` @ v6.12: special and devmap entries have none.
 */
export function vm_normal_page(k: Kernel, pte: Pte): Page | null {
  return pte.special || pte.devmap || is_zero_pfn(k, pte.pfn) ? null : pfn_to_page(k, pte.pfn);
}

/**
 * Counts pages that a process maps more, or less.
 *
 * Models `include/linux/mm.h:add_mm_counter()` @ v6.12.
 */
export function* add_mm_counter(rss: Cell<number>, pages: number): Code {
  yield* atomic_add(rss, pages);
}

/**
 * Writes an entry, and counts the pages that it adds to those of the process.
 *
 * Simplified: in one step; the kernel counts before, or of a table at the end, and nobody reads the count meanwhile.
 */
export function* set_pte_at(
  ptep: Cell<LowerEntry>,
  entry: LowerEntry,
  rss: Cell<number>,
  pages: number,
): Code {
  yield* rmw([ptep, rss], (_old: LowerEntry, count: number) => ({
    next: [entry, count + pages],
    result: null,
  }));
}

/**
 * Takes the lock of the table that an address is in, and makes the table if there is none.
 *
 * Models `include/linux/mm.h:get_locked_pte()` @ v6.12, with `mm/memory.c:__pte_alloc()`.
 *
 * @returns null where a huge entry stands in the way.
 */
export function* get_locked_pte(k: Kernel, mm: MmStruct, address: number): Code<Spinlock | null> {
  const pmdp = pmd_offset(k, mm, address);
  if (pmdp !== null) {
    if ((yield* READ_ONCE(pmdp)) === null) {
      yield* spin_lock(k, mm.pmd_lock);
      if ((yield* READ_ONCE(pmdp)) === null) yield* WRITE_ONCE<UpperEntry>(pmdp, TABLE);
      yield* spin_unlock(mm.pmd_lock);
    }
  }
  const ptl = pte_lockptr(k, mm, address);
  yield* spin_lock(k, ptl);
  if (pmdp === null || (yield* READ_ONCE(pmdp)) === TABLE) return ptl;
  yield* spin_unlock(ptl);
  return null;
}

/**
 * Brings a page into a page table: as large an entry as the mapping has room for, or a small one.
 *
 * Models `mm/memory.c:__handle_mm_fault()` @ v6.12, for a mapping of a DAX file.
 * Left out: per-VMA locks, VM_FAULT_RETRY; in a shared mapping, for an access of the program, the reading of a small
 * entry before the file system is called, which it is whether the entry is absent or read-only.
 * Context: mmap_lock held for reading.
 *
 * @param unshare FAULT_FLAG_UNSHARE. In a shared mapping it is a fault for reading like others: of an entry that is
 * there it makes nothing (sanitize_fault_flags()).
 */
export function* handle_mm_fault(
  k: Kernel,
  vma: VmArea,
  address: number,
  write: boolean,
  unshare: boolean = false,
): Code<VmFault> {
  const huge = yield* k.handle_huge_fault(vma, address, write);
  if (huge !== "FALLBACK") return huge;
  if ((vma.vm_flags & VM_SHARED) === 0) return yield* k.handle_private_fault(vma, address, write, unshare);
  if (unshare && (yield* READ_ONCE(pte_offset(vma.vm_mm, address))) !== null) return "NOPAGE";
  const pgoff = vma.vm_pgoff + address - vma.vm_start;
  const { huge_fault } = vma.vm_file.i_sb.s_type;
  return yield* k[huge_fault]({ vma, address, pgoff, write, order: 0 });
}
