// Page-table entries: what they refer to, how they come and how they go. Source: mm/memory.c,
// mm/mmap.c. Entries of a PMD and a PUD are in huge_memory.ts and huge_memory-pud.ts.
import type { Pfn } from "../../base/brand.ts";
import { requireUse } from "../../base/errors.ts";
import { type Cell, type Code, rmw } from "../../explore/access.ts";
import { WARN } from "../include/asm-generic/bug.ts";
import { is_zero_page, is_zero_pfn, page_folio, pfn_to_page } from "../include/linux/mm.ts";
import {
  type AddressSpace,
  type MmStruct,
  type Page,
  type Pte,
  TABLE,
  type UpperEntry,
  VM_SHARED,
  type VmArea,
} from "../include/linux/mm_types.ts";
import { folio_ref_count, folio_ref_inc } from "../include/linux/page_ref.ts";
import {
  isLeaf,
  pmd_offset,
  pmdPages,
  pmdStart,
  pte_lockptr,
  pte_offset,
  pud_offset,
  pudPages,
  pudStart,
} from "../include/linux/pgtable.ts";
import { down_read, down_write, up_read, up_write } from "../kernel/locking/rwsem.ts";
import { type Spinlock, spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE, WRITE_ONCE, xchg } from "../lib/atomic.ts";
import { dec_tlb_flush_pending, inc_tlb_flush_pending, mm_tlb_flush_nested } from "./mmu_gather.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    vm_normal_page: typeof vm_normal_page;
    vma_lookup: typeof vma_lookup;
    get_locked_pte: typeof get_locked_pte;
    insert_pfn: typeof insert_pfn;
    vmf_insert_mixed: typeof vmf_insert_mixed;
    insert_page: typeof insert_page;
    zap_present_pte: typeof zap_present_pte;
    zap_pte_range: typeof zap_pte_range;
    zap_drop_references: typeof zap_drop_references;
    zap_page_range: typeof zap_page_range;
    unmap_mapping_pages: typeof unmap_mapping_pages;
    handle_mm_fault: typeof handle_mm_fault;
    touch: typeof touch;
    mmap: typeof mmap;
    munmap: typeof munmap;
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
 * The mapping that an address is in.
 *
 * Models `mm/mmap.c:vma_lookup()` @ v6.12.
 * Context: mmap_lock held.
 */
export function* vma_lookup(_k: Kernel, mm: MmStruct, address: number): Code<VmArea | null> {
  const vmas = yield* READ_ONCE(mm.mm_mt);
  return vmas.find((v) => v.vm_start <= address && address < v.vm_start + v.vm_pages) ?? null;
}

/** Writes an entry, and counts the pages that it adds to those of the process. Nobody reads that count. */
export function* set_pte_at(ptep: Cell<Pte | null>, entry: Pte, rss: Cell<number>, pages: number): Code {
  yield* rmw([ptep, rss], (_old: Pte | null, count: number) => ({
    next: [entry, count + pages],
    result: null,
  }));
}

/**
 * Takes the lock of the table that an address is in, and makes the table if there is none.
 *
 * Models `mm/memory.c:get_locked_pte()` @ v6.12, with `__pte_alloc()`.
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
 * Maps a page frame with a special entry, of which no reference is counted.
 *
 * Models `mm/memory.c:insert_pfn()` @ v6.12.
 * Left out: VM_FAULT_OOM, where there can be no table; the access is tried again.
 */
export function* insert_pfn(
  k: Kernel,
  vma: VmArea,
  address: number,
  pfn: Pfn,
  devmap: boolean,
  mkwrite: boolean,
): Code<VmFault> {
  const ptep = pte_offset(vma.vm_mm, address);
  const ptl = yield* k.get_locked_pte(vma.vm_mm, address);
  if (ptl === null) return "NOPAGE";
  const old = yield* READ_ONCE(ptep);
  if (old === null) {
    yield* WRITE_ONCE<Pte | null>(ptep, {
      kind: "pte",
      pfn,
      special: true,
      devmap,
      write: mkwrite,
      dirty: mkwrite,
    });
  } else if (mkwrite && old.pfn === pfn) {
    yield* WRITE_ONCE<Pte | null>(ptep, { ...old, write: true, dirty: true });
  } else if (mkwrite && !is_zero_pfn(k, old.pfn)) {
    yield* WARN(
      k,
      "no-remap-of-present-pte",
      `pfn 0x${pfn.toString(16)} is mapped over pfn 0x${old.pfn.toString(16)}`,
    );
  }
  yield* spin_unlock(ptl);
  return "NOPAGE";
}

/**
 * Maps a page frame of a DAX file.
 *
 * Models `mm/memory.c:vmf_insert_mixed()` and `vmf_insert_mixed_mkwrite()` @ v6.12.
 */
export function* vmf_insert_mixed(k: Kernel, vmf: VmFaultInfo, pfn: Pfn, mkwrite: boolean): Code<VmFault> {
  return yield* k.insert_pfn(vmf.vma, vmf.address, pfn, !is_zero_pfn(k, pfn), mkwrite);
}

/**
 * Maps a page with an ordinary entry, which holds a reference and counts as a mapping.
 *
 * Models `mm/memory.c:insert_page()` and `insert_page_into_pte_locked()` @ v7.2.
 * Left out: anonymous and typed pages; VM_FAULT_OOM, where there can be no table, which is a SIGBUS here.
 */
export function* insert_page(
  k: Kernel,
  vma: VmArea,
  address: number,
  page: Page,
  mkwrite: boolean,
): Code<VmFault> {
  const ptep = pte_offset(vma.vm_mm, address);
  const folio = yield* page_folio(k, page);
  if ((yield* folio_ref_count(folio)) === 0) return "SIGBUS";
  let fault: VmFault = "NOPAGE";
  const ptl = yield* k.get_locked_pte(vma.vm_mm, address);
  if (ptl === null) return "SIGBUS";
  const old = yield* READ_ONCE(ptep);
  if (old === null) {
    yield* folio_ref_inc(folio);
    yield* k.folio_add_file_rmap_pte(folio, page);
    const { pfn } = page;
    const entry: Pte = { kind: "pte", pfn, special: false, devmap: false, write: mkwrite, dirty: mkwrite };
    yield* set_pte_at(ptep, entry, vma.vm_mm.rss_file, 1);
  } else if (mkwrite && old.pfn === page.pfn) {
    // Dirty it becomes with the store itself.
    yield* WRITE_ONCE<Pte | null>(ptep, { ...old, write: true });
  } else if (mkwrite) {
    if (!is_zero_pfn(k, old.pfn)) {
      yield* WARN(
        k,
        "no-remap-of-present-pte",
        `pfn 0x${page.pfn.toString(16)} is mapped over pfn 0x${old.pfn.toString(16)}`,
      );
    }
    fault = "SIGBUS";
  }
  yield* spin_unlock(ptl);
  return fault;
}

/** The pages whose references a zap still has to drop, one for each entry that it cleared. */
export type Gathered = readonly Page[];

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
 * Clears one present entry.
 *
 * Models `mm/memory.c:zap_present_ptes()` @ v6.12: what has no page to be counted is only cleared.
 * Context: page-table lock held.
 */
export function* zap_present_pte(k: Kernel, vma: VmArea, address: number, pte: Pte): Code<ZappedPte> {
  const ptep = pte_offset(vma.vm_mm, address);
  const page = k.vm_normal_page(pte);
  if (page === null || is_zero_page(k, page)) {
    yield* xchg<Pte | null>(ptep, null);
    return { page: null, delayed: false };
  }
  yield* clearCounted(ptep, page.zone === "ZONE_DEVICE" ? vma.vm_mm.rss_file : vma.vm_mm.rss_anon);
  const folio = yield* page_folio(k, page);
  yield* k.folio_remove_rmap_pte(folio, page);
  return { page, delayed: false };
}

/**
 * Clears an entry of one page, and takes the page from the count of the process.
 *
 * @returns whether the entry was dirty: the processor may have marked it after the last look at it.
 */
export function* clearCounted(ptep: Cell<Pte | null>, rss: Cell<number>): Code<boolean> {
  return yield* rmw([ptep, rss], (old: Pte | null, count: number) => ({
    next: [null, count - 1],
    result: old?.dirty === true,
  }));
}

/**
 * Is an entry to go? A private copy stays where only the pages of the file are unmapped.
 *
 * Models `mm/memory.c:should_zap_folio()` @ v6.12.
 */
export function should_zap(k: Kernel, pte: Pte | null, even_cows: boolean): pte is Pte {
  if (pte === null || even_cows) return pte !== null;
  const page = k.vm_normal_page(pte);
  return page === null || page.zone === "ZONE_DEVICE" || is_zero_page(k, page);
}

/**
 * Clears the entries of a part of one table.
 *
 * Models `mm/memory.c:zap_pte_range()` @ v6.12.
 * Left out: batches.
 *
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
    if (!should_zap(k, pte, even_cows)) continue;
    const { page } = yield* k.zap_present_pte(vma, address, pte);
    if (page !== null) pages.push(page);
    cleared = true;
  }
  yield* spin_unlock(ptl);
  return { pages, cleared };
}

/**
 * Drops the references of entries that are gone from page tables and TLBs.
 *
 * Models `mm/mmu_gather.c:tlb_batch_pages_flush()` @ v6.12.
 */
export function* zap_drop_references(k: Kernel, pages: Gathered): Code {
  yield* k.release_pages(pages);
}

/**
 * Clears the entries of a part of a mapping.
 *
 * Models `mm/memory.c:zap_page_range_single()` @ v6.12: entries first, then the TLB, then references. A huge
 * entry of which only a part goes is split, and that of a file is thereby cleared.
 * Left out: mmu notifiers, batches.
 *
 * @param first First virtual page number; `end` is one past the last.
 * @param even_cows Entries of private copies, too.
 */
export function* zap_page_range(k: Kernel, vma: VmArea, first: number, end: number, even_cows = true): Code {
  let pages: readonly Page[] = [];
  let cleared = false;
  let address = first;
  yield* inc_tlb_flush_pending(vma.vm_mm);
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
  const nested = yield* mm_tlb_flush_nested(vma.vm_mm);
  if (cleared || nested) yield* k.flush_tlb_mm(vma.vm_mm);
  yield* dec_tlb_flush_pending(vma.vm_mm);
  if (cleared) yield* k.zap_drop_references(pages);
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

/**
 * Brings a page into a page table: as large an entry as the mapping has room for, or a small one.
 *
 * Models `mm/memory.c:__handle_mm_fault()` @ v6.12, for a mapping of a DAX file.
 * Left out: per-VMA locks, VM_FAULT_RETRY; in a shared mapping, the reading of a small entry before the file
 * system is called, which it is whether the entry is absent or read-only.
 * Context: mmap_lock held for reading.
 */
export function* handle_mm_fault(k: Kernel, vma: VmArea, address: number, write: boolean): Code<VmFault> {
  const huge = yield* k.handle_huge_fault(vma, address, write);
  if (huge !== "FALLBACK") return huge;
  if ((vma.vm_flags & VM_SHARED) === 0) return yield* k.handle_private_fault(vma, address, write);
  const pgoff = vma.vm_pgoff + address - vma.vm_start;
  const { huge_fault } = vma.vm_file.i_sb.s_type;
  return yield* k[huge_fault]({ vma, address, pgoff, write, order: 0 });
}

/**
 * The program touches an address: if the page table does not let it, a fault brings the page.
 *
 * Ours: what the hardware does, and `arch/x86/mm/fault.c:do_user_addr_fault()` @ v6.12.
 */
export function* touch(k: Kernel, mm: MmStruct, address: number, write: boolean): Code<VmFault> {
  const pudp = pud_offset(k, mm, address);
  let entry = pudp === null ? TABLE : yield* READ_ONCE(pudp);
  const pmdp = pmd_offset(k, mm, address);
  if (entry === TABLE && pmdp !== null) entry = yield* READ_ONCE(pmdp);
  if (entry === TABLE) entry = yield* READ_ONCE<UpperEntry>(pte_offset(mm, address));
  if (isLeaf(entry) && (entry.write || !write)) return "NOPAGE";
  yield* down_read(k, mm.mmap_lock);
  const vma = yield* k.vma_lookup(mm, address);
  const fault = vma === null ? "SIGSEGV" : yield* k.handle_mm_fault(vma, address, write);
  yield* up_read(k, mm.mmap_lock);
  return fault;
}

/**
 * Makes a mapping known to its process and its file.
 *
 * Models `mm/vma.c:vma_link()` @ v6.12. The vm_area_struct exists from setup on.
 */
export function* mmap(k: Kernel, vma: VmArea): Code {
  const { mmap_lock, mm_mt } = vma.vm_mm;
  yield* down_write(k, mmap_lock);
  const mapped = yield* READ_ONCE(mm_mt);
  yield* WRITE_ONCE(mm_mt, [...mapped, vma]);
  yield* linkFile(k, vma);
  yield* up_write(mmap_lock);
}

/** Makes a mapping known to its file. Models `mm/vma.c:vma_link_file()` @ v6.12. */
export function* linkFile(k: Kernel, vma: VmArea): Code {
  const { i_mmap, i_mmap_rwsem } = vma.vm_file.i_mapping;
  yield* down_write(k, i_mmap_rwsem);
  const vmas = yield* READ_ONCE(i_mmap);
  yield* WRITE_ONCE(i_mmap, [...vmas, vma]);
  yield* up_write(i_mmap_rwsem);
}

/**
 * Takes a mapping away.
 *
 * Models `mm/vma.c:vms_complete_munmap_vmas()` @ v6.12: entries first, then the file forgets the mapping, and
 * the tables go.
 * Left out: splitting; the whole mapping goes.
 */
export function* munmap(k: Kernel, vma: VmArea): Code {
  const { i_mmap, i_mmap_rwsem } = vma.vm_file.i_mapping;
  const mm = vma.vm_mm;
  const end = vma.vm_start + vma.vm_pages;
  yield* down_write(k, mm.mmap_lock);
  const mapped = yield* READ_ONCE(mm.mm_mt);
  requireUse(mapped.includes(vma), `munmap() of a mapping that process ${mm.name} has no more`);
  yield* WRITE_ONCE(
    mm.mm_mt,
    mapped.filter((v) => v !== vma),
  );
  yield* k.zap_page_range(vma, vma.vm_start, end);
  yield* down_write(k, i_mmap_rwsem);
  const vmas = yield* READ_ONCE(i_mmap);
  yield* WRITE_ONCE(
    i_mmap,
    vmas.filter((v) => v !== vma),
  );
  yield* up_write(i_mmap_rwsem);
  for (let address = vma.vm_start; address < end; address += pmdPages(k)) {
    const pmdp = pmd_offset(k, mm, address);
    if (pmdp !== null) yield* WRITE_ONCE<UpperEntry>(pmdp, null);
  }
  for (let address = vma.vm_start; address < end; address += pudPages(k)) {
    const pudp = pud_offset(k, mm, address);
    if (pudp !== null) yield* WRITE_ONCE<UpperEntry>(pudp, null);
  }
  yield* up_write(mm.mmap_lock);
}
