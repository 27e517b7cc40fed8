// DAX: faults on one page, and mapping for writing once the file's metadata is on disk. Source: fs/dax.c.

import type { Pfn } from "../../base/brand.ts";
import type { Code } from "../../explore/access.ts";
import type { DaxEntry, DaxMarks } from "../include/linux/dax.ts";
import { fileSystemType } from "../include/linux/fs.ts";
import { pfn_to_page } from "../include/linux/mm.ts";
import type { Page } from "../include/linux/mm_types.ts";
import { isLeaf, pmd_offset, pmdOrder } from "../include/linux/pgtable.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE } from "../lib/atomic.ts";
import type { VmFault, VmFaultInfo } from "../mm/memory.ts";
import { marksCell, placeOf } from "./dax-entry.ts";
import { dax_fault_is_synchronous } from "./dax-insert.ts";
import { storeEntries } from "./dax-store.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    dax_iomap_fault: typeof dax_iomap_fault;
    dax_iomap_pte_fault: typeof dax_iomap_pte_fault;
    dax_fault_insert: typeof dax_fault_insert;
    dax_finish_sync_fault: typeof dax_finish_sync_fault;
    dax_insert_pfn_mkwrite: typeof dax_insert_pfn_mkwrite;
    dax_pfn_insert: typeof dax_pfn_insert;
  }
}

/**
 * Brings pages of a DAX file into a page table.
 *
 * Models `fs/dax.c:dax_iomap_fault()` @ v6.12.
 *
 * @returns how the fault ended; or the page frame that dax_finish_sync_fault() is to map.
 */
export function* dax_iomap_fault(k: Kernel, vmf: VmFaultInfo): Code<VmFault | Pfn> {
  if (vmf.order === 0) return yield* k.dax_iomap_pte_fault(vmf);
  if (vmf.order === pmdOrder(k)) return yield* k.dax_iomap_pmd_fault(vmf);
  return "FALLBACK";
}

/**
 * Brings a page of a DAX file into a page table.
 *
 * Models `fs/dax.c:dax_iomap_pte_fault()` and `dax_fault_iter()` @ v6.12.
 * Left out: the copying of what a shared block holds; that dax_load_hole() of v7.2 maps the page of zeroes with
 * vmf_insert_page_mkwrite(), which counts no reference to it either.
 * Context: invalidate_lock held for reading.
 *
 * @returns how the fault ended; or the page frame that dax_finish_sync_fault() is to map.
 */
export function* dax_iomap_pte_fault(k: Kernel, vmf: VmFaultInfo): Code<VmFault | Pfn> {
  const inode = vmf.vma.vm_file;
  const mapping = inode.i_mapping;
  const { iomap_begin, iomap_end } = fileSystemType(inode.i_sb, `an access to ${inode.name}`);
  const { pgoff, write } = vmf;
  if (pgoff >= (yield* READ_ONCE(inode.i_size))) return "SIGBUS";

  const locked = yield* k.grab_mapping_entry(mapping, pgoff, 0);
  if (locked === "FALLBACK") return "FALLBACK";
  const pmdp = pmd_offset(k, vmf.vma.vm_mm, vmf.address);
  const pmd = pmdp === null ? null : yield* READ_ONCE(pmdp);
  // A huge entry came first: the access is tried again.
  if (isLeaf(pmd)) {
    yield* k.dax_unlock_entry(mapping, pgoff, locked);
    return "NOPAGE";
  }
  const { cow_page } = vmf;
  const iomap = yield* k[iomap_begin](inode, pgoff, 1, write && cow_page === undefined);
  if (iomap === null || cow_page !== undefined) {
    const ended =
      iomap === null || cow_page === undefined ? "SIGBUS" : yield* k.finish_cow_fault(vmf, cow_page);
    yield* k.dax_unlock_entry(mapping, pgoff, locked);
    return ended;
  }
  if (iomap.pfn !== null && !(yield* k.dax_alive(inode.i_sb))) {
    if (iomap_end !== null && write) yield* k[iomap_end](inode, pgoff, iomap, false);
    yield* k.dax_unlock_entry(mapping, pgoff, locked);
    return "SIGBUS";
  }
  const entry = yield* k.dax_insert_entry(vmf, locked, iomap);
  let fault: VmFault | Pfn;
  if (iomap.pfn === null) fault = yield* k.vmf_insert_mixed(vmf, k.world.zero_page.pfn, false);
  else if (dax_fault_is_synchronous(vmf, iomap)) fault = iomap.pfn;
  else fault = yield* k.dax_fault_insert(vmf, entry, pfn_to_page(k, iomap.pfn));
  if (iomap_end !== null && write) yield* k[iomap_end](inode, pgoff, iomap, fault !== "SIGBUS");
  yield* k.dax_unlock_entry(mapping, pgoff, entry);
  return fault;
}

/**
 * Maps pages for writing after the file's metadata has gone to disk.
 *
 * Models `fs/dax.c:dax_finish_sync_fault()` @ v6.12.
 * Context: invalidate_lock held for reading, still.
 */
export function* dax_finish_sync_fault(k: Kernel, vmf: VmFaultInfo, pfn: Pfn): Code<VmFault> {
  const { vm_file } = vmf.vma;
  const end = Math.min(vmf.pgoff + 2 ** vmf.order, vm_file.i_mapping.i_pages.length);
  yield* k.vfs_fsync_range(vm_file, vmf.pgoff, end);
  return yield* k.dax_insert_pfn_mkwrite(vmf, pfn);
}

/**
 * Maps a page frame that was found before the entry was unlocked, if there is still an entry of that size. It does
 * not look whether the entry is still of that page frame.
 *
 * Models `fs/dax.c:dax_insert_pfn_mkwrite()` @ v6.12.
 */
export function* dax_insert_pfn_mkwrite(k: Kernel, vmf: VmFaultInfo, pfn: Pfn): Code<VmFault> {
  const mapping = vmf.vma.vm_file.i_mapping;
  const { order, pgoff } = vmf;
  const { xa_lock } = mapping;
  yield* spin_lock(k, xa_lock);
  const entry = yield* k.get_unlocked_entry(mapping, pgoff, order);
  if (entry === null || (order === 0 && entry.pmd)) {
    yield* k.put_unlocked_entry(mapping, pgoff, entry, "WAKE_NEXT");
    yield* spin_unlock(xa_lock);
    return "NOPAGE";
  }
  const locked: DaxEntry = { ...entry, locked: true };
  const first = placeOf(k, pgoff, entry);
  yield* storeEntries(
    k,
    mapping,
    [first],
    [marksCell(mapping, first)],
    (_old: DaxEntry, marks: DaxMarks) => ({
      next: [locked, { ...marks, dirty: true }],
      result: null,
    }),
  );
  yield* spin_unlock(xa_lock);
  const fault = yield* k.dax_pfn_insert(vmf, pfn_to_page(k, pfn));
  yield* k.dax_unlock_entry(mapping, pgoff, locked);
  return fault;
}

/** Models the insertion in `fs/dax.c:dax_insert_pfn_mkwrite()` @ v6.12. */
export function* dax_pfn_insert(k: Kernel, vmf: VmFaultInfo, page: Page): Code<VmFault> {
  if (vmf.order > 0) return yield* k.vmf_insert_pfn_pmd(vmf, page.pfn, true);
  return yield* k.vmf_insert_mixed(vmf, page.pfn, true);
}

/**
 * Maps the pages of a block: an entry of the size that the fault asks for.
 *
 * Models the end of `fs/dax.c:dax_fault_iter()` @ v6.12.
 */
export function* dax_fault_insert(k: Kernel, vmf: VmFaultInfo, _entry: DaxEntry, page: Page): Code<VmFault> {
  if (vmf.order > 0) return yield* k.vmf_insert_pfn_pmd(vmf, page.pfn, vmf.write);
  return yield* k.vmf_insert_mixed(vmf, page.pfn, vmf.write);
}
