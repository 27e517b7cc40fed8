// DAX: faults on as many pages as a PMD entry maps. Source: fs/dax.c.
import { type Pfn, pfn as toPfn } from "../../base/brand.ts";
import { type Code, rmw } from "../../explore/access.ts";
import type { Inode, Iomap } from "../include/linux/fs.ts";
import { pfn_to_page } from "../include/linux/mm.ts";
import { VM_SHARED } from "../include/linux/mm_types.ts";
import { isLeaf, pmd_offset, pmdPages, pmdStart } from "../include/linux/pgtable.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE } from "../lib/atomic.ts";
import type { VmFault, VmFaultInfo } from "../mm/memory.ts";
import { fillHole } from "./blocks.ts";
import { dax_fault_is_synchronous } from "./dax-insert.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    dax_iomap_pmd_fault: typeof dax_iomap_pmd_fault;
    iomap_fits_pmd: typeof iomap_fits_pmd;
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
  const { iomap_begin } = inode.i_sb.s_type;
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
  const fits = yield* k.iomap_fits_pmd(inode, pgoff, write);
  const iomap = fits ? yield* k[iomap_begin](inode, pgoff, write) : null;
  if (iomap === null) {
    yield* k.dax_unlock_entry(mapping, pgoff, locked);
    return "FALLBACK";
  }
  if (iomap.pfn !== null && !(yield* k.dax_alive(inode.i_sb))) {
    if (write) yield* endOfPmd(k, inode, pgoff, iomap, false);
    yield* k.dax_unlock_entry(mapping, pgoff, locked);
    return "FALLBACK";
  }
  const entry = yield* k.dax_insert_entry(vmf, locked, iomap);
  let fault: VmFault | Pfn;
  if (iomap.pfn === null) fault = yield* k.vmf_insert_pfn_pmd(vmf, k.world.huge_zero_page.pfn, false);
  else if (dax_fault_is_synchronous(vmf, iomap)) fault = toPfn(entry.pfn);
  else fault = yield* k.dax_fault_insert(vmf, entry, pfn_to_page(k, iomap.pfn));
  if (write) yield* endOfPmd(k, inode, pgoff, iomap, fault !== "FALLBACK");
  yield* k.dax_unlock_entry(mapping, pgoff, entry);
  return fault;
}

/**
 * Are there as many pages in one piece as a PMD entry maps: blocks in order from an aligned one on, or, for a
 * read, a hole? A write gives blocks to the hole with which the range begins, in one piece if there is one free;
 * they stay where the answer is no.
 *
 * Models what `fs/dax.c:dax_iomap_pmd_fault()` @ v6.12 asks of iomap_length() and dax_iomap_direct_access(): an
 * iomap here is of one page.
 * If others share all of the blocks, a write gives the CoW fork as many in one piece, if there are; if they share some,
 * smaller entries must do.
 */
export function* iomap_fits_pmd(k: Kernel, inode: Inode, index: number, write: boolean): Code<boolean> {
  const n = pmdPages(k);
  const extents = inode.i_data.slice(index, index + n);
  const { refcountbt } = inode.i_sb;
  if (write) yield* fillHole(k, inode, extents, true);
  const found = yield* rmw([refcountbt, ...extents], (shared: readonly Pfn[], ...blocks: (Pfn | null)[]) => {
    const hole = !write && blocks.every((b) => b === null);
    const others = blocks.filter((b) => b !== null && shared.includes(b)).length;
    const alike = others === 0 || others === n;
    const fits = hole || (alike && inOnePiece(blocks));
    return { next: [shared, ...blocks], result: fits && write && others === n ? "copy" : fits };
  });
  if (found !== "copy") return found;
  const copies = inode.i_cow.slice(index, index + n);
  yield* fillHole(k, inode, copies, true);
  return yield* rmw(copies, (...blocks: (Pfn | null)[]) => ({ next: blocks, result: inOnePiece(blocks) }));
}

/** Tells the file system, page by page, how its answer was used. */
function* endOfPmd(k: Kernel, inode: Inode, first: number, iomap: Iomap, written: boolean): Code {
  const { iomap_end } = inode.i_sb.s_type;
  if (iomap_end === null) return;
  for (let i = 0; i < pmdPages(k); i++) yield* k[iomap_end](inode, first + i, iomap, written);
}

/** Blocks in order, from one on that a PMD entry can map. */
const inOnePiece = ([first = null, ...rest]: readonly (Pfn | null)[]): boolean =>
  first !== null && first % (rest.length + 1) === 0 && rest.every((b, i) => b === first + i + 1);
