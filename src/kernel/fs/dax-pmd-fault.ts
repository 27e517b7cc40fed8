// DAX: faults on as many pages as a PMD entry maps. Source: fs/dax.c.
import { type Pfn, pfn as toPfn } from "../../base/brand.ts";
import type { Code } from "../../explore/access.ts";
import { fileSystemType, type Inode, type Iomap } from "../include/linux/fs.ts";
import { pfn_to_page } from "../include/linux/mm.ts";
import { VM_SHARED } from "../include/linux/mm_types.ts";
import { isLeaf, pmd_offset, pmdPages, pmdStart } from "../include/linux/pgtable.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE } from "../lib/atomic.ts";
import type { VmFault, VmFaultInfo } from "../mm/memory.ts";
import { dax_fault_is_synchronous } from "./dax-insert.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    dax_iomap_pmd_fault: typeof dax_iomap_pmd_fault;
  }
}

/**
 * Must a PMD fault be answered with smaller entries, whatever the file has there?
 *
 * Models `fs/dax.c:dax_fault_check_fallback()` @ v6.12.
 */
function mustFallBack(k: Kernel, vmf: VmFaultInfo, pages: number): boolean {
  const { vma, address, pgoff, write } = vmf;
  const first = pmdStart(k, address);
  if (pgoff % pmdPages(k) !== address % pmdPages(k)) return true;
  if (write && !(vma.vm_flags & VM_SHARED)) return true;
  if (first < vma.vm_start || first + pmdPages(k) > vma.vm_start + vma.vm_pages) return true;
  return pmdStart(k, pgoff) + pmdPages(k) > pages;
}

/**
 * Brings as many pages of a DAX file into a page table as a PMD entry maps.
 *
 * Models `fs/dax.c:dax_iomap_pmd_fault()` @ v6.12.
 * Context: invalidate_lock held for reading.
 *
 * @returns FALLBACK where entries of one page must do.
 */
export function* dax_iomap_pmd_fault(k: Kernel, vmf: VmFaultInfo): Code<VmFault | Pfn> {
  const fault = yield* tryPmdFault(k, vmf);
  if (fault === "FALLBACK") yield* splitLeaf(k, vmf);
  return fault;
}

/** Models `include/linux/huge_mm.h:split_huge_pmd()` @ v6.12: does nothing where the entry is not huge. */
function* splitLeaf(k: Kernel, vmf: VmFaultInfo): Code {
  const pmdp = pmd_offset(k, vmf.vma.vm_mm, vmf.address);
  const pmd = pmdp === null ? null : yield* READ_ONCE(pmdp);
  if (isLeaf(pmd)) yield* k.__split_huge_pmd(vmf.vma, vmf.address);
}

function* tryPmdFault(k: Kernel, vmf: VmFaultInfo): Code<VmFault | Pfn> {
  const inode = vmf.vma.vm_file;
  const mapping = inode.i_mapping;
  const { iomap_begin, iomap_end } = fileSystemType(inode.i_sb, `an access to ${inode.name}`);
  const pages = pmdPages(k);
  const { write } = vmf;
  const size = yield* READ_ONCE(inode.i_size);
  if (vmf.pgoff >= size) return "SIGBUS";
  const pmdp = pmd_offset(k, vmf.vma.vm_mm, vmf.address);
  if (pmdp === null || mustFallBack(k, vmf, size)) return "FALLBACK";

  const pgoff = pmdStart(k, vmf.pgoff);
  const locked = yield* k.grab_mapping_entry(mapping, pgoff, vmf.order);
  if (locked === "FALLBACK") return "FALLBACK";
  const pmd = yield* READ_ONCE(pmdp);
  // Smaller entries came first: the access is tried again.
  if (pmd !== null && !isLeaf(pmd)) {
    yield* k.dax_unlock_entry(mapping, pgoff, locked);
    return "NOPAGE";
  }
  const iomap = yield* k[iomap_begin](inode, pgoff, pages, write);
  if (iomap === null) {
    yield* k.dax_unlock_entry(mapping, pgoff, locked);
    return "FALLBACK";
  }
  if (!(yield* fitsPmd(k, inode, iomap, pages))) {
    if (iomap_end !== null && write) yield* k[iomap_end](inode, pgoff, iomap, false);
    yield* k.dax_unlock_entry(mapping, pgoff, locked);
    return "FALLBACK";
  }
  const entry = yield* k.dax_insert_entry(vmf, locked, iomap);
  let fault: VmFault | Pfn;
  if (iomap.pfn === null) fault = yield* k.vmf_insert_pfn_pmd(vmf, k.world.huge_zero_page.pfn, false);
  else if (dax_fault_is_synchronous(vmf, iomap)) fault = toPfn(entry.pfn);
  else fault = yield* k.dax_fault_insert(vmf, entry, pfn_to_page(k, iomap.pfn));
  if (iomap_end !== null && write) yield* k[iomap_end](inode, pgoff, iomap, fault !== "FALLBACK");
  yield* k.dax_unlock_entry(mapping, pgoff, entry);
  return fault;
}

/**
 * Can a PMD entry map what the file system answered: a hole, or blocks of a device that is there, in one piece, from an
 * aligned one on?
 *
 * Models the test of iomap_length() in `fs/dax.c:dax_iomap_pmd_fault()` @ v6.12, and dax_iomap_direct_access() as
 * dax_fault_iter() calls it. What a write was given stays where the answer is no.
 */
function* fitsPmd(k: Kernel, inode: Inode, iomap: Iomap, pages: number): Code<boolean> {
  if (iomap.pages < pages) return false;
  if (iomap.pfn === null) return true;
  return iomap.pfn % pages === 0 && (yield* k.dax_alive(inode.i_sb));
}
