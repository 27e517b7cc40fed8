// Page-table entries: what they refer to, how they come and how they go. Source: mm/memory.c,
// mm/mmap.c, mm/truncate.c.
import type { Pfn } from "../../base/brand.ts";
import type { Code } from "../../explore/access.ts";
import { WARN } from "../include/asm-generic/bug.ts";
import { page_folio, pfn_to_page } from "../include/linux/mm.ts";
import type { AddressSpace, MmStruct, Page, Pte, VmArea } from "../include/linux/mm_types.ts";
import { folio_ref_count, folio_ref_inc } from "../include/linux/page_ref.ts";
import { down_read, down_write, up_read, up_write } from "../kernel/locking/rwsem.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE, WRITE_ONCE, xchg } from "../lib/atomic.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    vm_normal_page: typeof vm_normal_page;
    vma_lookup: typeof vma_lookup;
    insert_pfn: typeof insert_pfn;
    vmf_insert_mixed: typeof vmf_insert_mixed;
    insert_page: typeof insert_page;
    zap_present_pte: typeof zap_present_pte;
    zap_drop_references: typeof zap_drop_references;
    zap_page_range: typeof zap_page_range;
    unmap_mapping_pages: typeof unmap_mapping_pages;
    handle_mm_fault: typeof handle_mm_fault;
    touch: typeof touch;
    mmap: typeof mmap;
    munmap: typeof munmap;
  }
}

/** What a fault came to: the entry is there now, or the access is beyond the file. */
export type VmFault = "NOPAGE" | "SIGBUS";

/** struct vm_fault. */
export interface VmFaultInfo {
  readonly vma: VmArea;
  /** Virtual page number. */
  readonly address: number;
  /** Page of the file. */
  readonly pgoff: number;
  readonly write: boolean;
}

/**
 * The page that an entry refers to, if references to it are counted through the entry.
 *
 * Models `mm/memory.c:vm_normal_page()` @ v6.12: special and devmap entries have none.
 */
export function vm_normal_page(k: Kernel, pte: Pte): Page | null {
  return pte.special || pte.devmap ? null : pfn_to_page(k, pte.pfn);
}

/** Models `mm/mmap.c:vma_lookup()` @ v6.12. Not a step: only setup makes mappings. */
export function vma_lookup(_k: Kernel, mm: MmStruct, address: number): VmArea | null {
  return mm.vmas.find((v) => v.vm_start <= address && address < v.vm_start + v.vm_pages) ?? null;
}

/**
 * Maps a page frame with a special entry, of which no reference is counted.
 *
 * Models `mm/memory.c:insert_pfn()` @ v6.12.
 */
export function* insert_pfn(
  k: Kernel,
  vma: VmArea,
  address: number,
  pfn: Pfn,
  devmap: boolean,
  mkwrite: boolean,
): Code<VmFault> {
  const { ptl, page_table } = vma.vm_mm;
  const ptep = page_table[address];
  if (ptep === undefined) return "SIGBUS";
  yield* spin_lock(k, ptl);
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
  } else if (mkwrite && old.pfn !== k.world.zero_page.pfn) {
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
  const devmap = pfn !== k.world.zero_page.pfn;
  return yield* k.insert_pfn(vmf.vma, vmf.address, pfn, devmap, mkwrite);
}

/**
 * Maps a page with an ordinary entry, which holds a reference and counts as a mapping.
 *
 * Models `mm/memory.c:insert_page()` and `insert_page_into_pte_locked()` @ v7.2.
 * Left out: anonymous and typed pages, the mm's counters.
 */
export function* insert_page(
  k: Kernel,
  vma: VmArea,
  address: number,
  page: Page,
  mkwrite: boolean,
): Code<VmFault> {
  const { ptl, page_table } = vma.vm_mm;
  const ptep = page_table[address];
  const folio = yield* page_folio(k, page);
  if (ptep === undefined || (yield* folio_ref_count(folio)) === 0) return "SIGBUS";
  let fault: VmFault = "NOPAGE";
  yield* spin_lock(k, ptl);
  const old = yield* READ_ONCE(ptep);
  if (old === null) {
    yield* folio_ref_inc(folio);
    yield* k.folio_add_file_rmap_pte(folio);
    yield* WRITE_ONCE<Pte | null>(ptep, {
      kind: "pte",
      pfn: page.pfn,
      special: false,
      devmap: false,
      write: mkwrite,
      dirty: mkwrite,
    });
  } else if (mkwrite && old.pfn === page.pfn) {
    yield* WRITE_ONCE<Pte | null>(ptep, { ...old, write: true, dirty: true });
  } else if (mkwrite) {
    fault = "SIGBUS";
  }
  yield* spin_unlock(ptl);
  return fault;
}

/** The pages whose references a zap still has to drop, one for each entry that it cleared. */
export type Gathered = readonly Page[];

/**
 * Clears one present entry.
 *
 * Models `mm/memory.c:zap_present_ptes()` @ v6.12.
 * Context: page-table lock held.
 *
 * @returns the page whose reference is to be dropped after the TLB flush, or null.
 */
export function* zap_present_pte(k: Kernel, vma: VmArea, address: number, pte: Pte): Code<Page | null> {
  const ptep = vma.vm_mm.page_table[address];
  if (ptep !== undefined) yield* xchg<Pte | null>(ptep, null);
  return k.vm_normal_page(pte);
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
 * Models `mm/memory.c:zap_page_range_single()` @ v6.12: entries first, then the TLB, then references.
 * Left out: mmu notifiers, batches.
 *
 * @param first First virtual page number; `end` is one past the last.
 */
export function* zap_page_range(k: Kernel, vma: VmArea, first: number, end: number): Code {
  const { ptl, page_table } = vma.vm_mm;
  const gathered: Page[] = [];
  let cleared = false;
  yield* spin_lock(k, ptl);
  for (let address = first; address < end; address++) {
    const ptep = page_table[address];
    const pte = ptep === undefined ? null : yield* READ_ONCE(ptep);
    if (pte === null) continue;
    const page = yield* k.zap_present_pte(vma, address, pte);
    if (page !== null) gathered.push(page);
    cleared = true;
  }
  yield* spin_unlock(ptl);
  if (!cleared) return;
  yield* k.flush_tlb_mm(vma.vm_mm);
  yield* k.zap_drop_references(gathered);
}

/**
 * Takes pages of a file out of every page table.
 *
 * Models `mm/memory.c:unmap_mapping_pages()` @ v6.12.
 *
 * @param start First page of the file; `nr` is the number of pages.
 */
export function* unmap_mapping_pages(k: Kernel, mapping: AddressSpace, start: number, nr: number): Code {
  yield* down_read(k, mapping.i_mmap_rwsem);
  const vmas = yield* READ_ONCE(mapping.i_mmap);
  for (const vma of vmas) {
    const first = Math.max(start, vma.vm_pgoff);
    const end = Math.min(start + nr, vma.vm_pgoff + vma.vm_pages);
    const shift = vma.vm_start - vma.vm_pgoff;
    if (first < end) yield* k.zap_page_range(vma, first + shift, end + shift);
  }
  yield* up_read(k, mapping.i_mmap_rwsem);
}

/**
 * Brings a page into a page table.
 *
 * Models `mm/memory.c:handle_mm_fault()` @ v6.12, for a mapping of a DAX file.
 * Left out: per-VMA locks, VM_FAULT_RETRY.
 * Context: mmap_lock held for reading.
 */
export function* handle_mm_fault(k: Kernel, vma: VmArea, address: number, write: boolean): Code<VmFault> {
  const pgoff = vma.vm_pgoff + address - vma.vm_start;
  const { huge_fault } = vma.vm_file.i_sb.s_type;
  return yield* k[huge_fault]({ vma, address, pgoff, write });
}

/**
 * The program touches an address: if the page table does not let it, a fault brings the page.
 *
 * Ours: what the hardware does, and `arch/x86/mm/fault.c:do_user_addr_fault()` @ v6.12.
 */
export function* touch(k: Kernel, mm: MmStruct, address: number, write: boolean): Code<VmFault> {
  const ptep = mm.page_table[address];
  if (ptep === undefined) return "SIGBUS";
  const pte = yield* READ_ONCE(ptep);
  if (pte !== null && (pte.write || !write)) return "NOPAGE";
  yield* down_read(k, mm.mmap_lock);
  const vma = k.vma_lookup(mm, address);
  const fault = vma === null ? "SIGBUS" : yield* k.handle_mm_fault(vma, address, write);
  yield* up_read(k, mm.mmap_lock);
  return fault;
}

/**
 * Makes a mapping known to its file.
 *
 * Models `mm/vma.c:vma_link()` @ v6.12. The vm_area_struct exists from setup on.
 */
export function* mmap(k: Kernel, vma: VmArea): Code {
  const { i_mmap, i_mmap_rwsem } = vma.vm_file.i_mapping;
  yield* down_write(k, vma.vm_mm.mmap_lock);
  yield* down_write(k, i_mmap_rwsem);
  const vmas = yield* READ_ONCE(i_mmap);
  yield* WRITE_ONCE(i_mmap, [...vmas, vma]);
  yield* up_write(i_mmap_rwsem);
  yield* up_write(vma.vm_mm.mmap_lock);
}

/**
 * Takes a mapping away.
 *
 * Models `mm/vma.c:vms_complete_munmap_vmas()` @ v6.12: entries first, then the file forgets the mapping.
 * Left out: splitting; the whole mapping goes.
 */
export function* munmap(k: Kernel, vma: VmArea): Code {
  const { i_mmap, i_mmap_rwsem } = vma.vm_file.i_mapping;
  yield* down_write(k, vma.vm_mm.mmap_lock);
  yield* k.zap_page_range(vma, vma.vm_start, vma.vm_start + vma.vm_pages);
  yield* down_write(k, i_mmap_rwsem);
  const vmas = yield* READ_ONCE(i_mmap);
  yield* WRITE_ONCE(
    i_mmap,
    vmas.filter((v) => v !== vma),
  );
  yield* up_write(i_mmap_rwsem);
  yield* up_write(vma.vm_mm.mmap_lock);
}
