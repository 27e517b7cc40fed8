// How entries of one page come: without a count of references, or with one. Source: mm/memory.c.
import type { Pfn } from "../../base/brand.ts";
import type { Code } from "../../explore/access.ts";
import { WARN } from "../include/asm-generic/bug.ts";
import { is_zero_pfn, page_folio } from "../include/linux/mm.ts";
import { type LowerEntry, type Page, type Pte, VM_WRITE, type VmArea } from "../include/linux/mm_types.ts";
import { folio_ref_count, folio_ref_inc } from "../include/linux/page_ref.ts";
import { pte_offset, pud_offset } from "../include/linux/pgtable.ts";
import { spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../lib/atomic.ts";
import { pmd_alloc } from "./huge_memory-pud.ts";
import { set_pte_at, type VmFault, type VmFaultInfo } from "./memory.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    insert_pfn: typeof insert_pfn;
    vmf_insert_mixed: typeof vmf_insert_mixed;
    insert_page: typeof insert_page;
    vm_insert_page: typeof vm_insert_page;
  }
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
    yield* WRITE_ONCE<LowerEntry>(ptep, {
      kind: "pte",
      pfn,
      special: true,
      devmap,
      write: mkwrite,
      dirty: mkwrite,
    });
  } else if (mkwrite && old.pfn === pfn) {
    yield* WRITE_ONCE<LowerEntry>(ptep, { ...old, write: true, dirty: true });
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
 *
 * @param writable May the entry be written through from the start, by the protection of the mapping?
 */
export function* insert_page(
  k: Kernel,
  vma: VmArea,
  address: number,
  page: Page,
  mkwrite: boolean,
  writable: boolean = mkwrite,
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
    const entry: Pte = { kind: "pte", pfn, special: false, devmap: false, write: writable, dirty: mkwrite };
    yield* set_pte_at(ptep, entry, vma.vm_mm.rss_file, 1);
  } else if (mkwrite && old.pfn === page.pfn) {
    // Dirty it becomes with the store itself.
    yield* WRITE_ONCE<LowerEntry>(ptep, { ...old, write: true });
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

/**
 * Maps a page while its file is being mapped, as the protection of the mapping has it.
 *
 * Models `mm/memory.c:vm_insert_page()` @ v6.12.
 * Context: mmap_lock held for writing.
 */
export function* vm_insert_page(k: Kernel, vma: VmArea, address: number, page: Page): Code<VmFault> {
  const pudp = pud_offset(k, vma.vm_mm, address);
  if (pudp !== null) yield* pmd_alloc(k, vma.vm_mm, pudp);
  return yield* k.insert_page(vma, address, page, false, (vma.vm_flags & VM_WRITE) !== 0);
}
