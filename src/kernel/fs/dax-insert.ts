// DAX: what the file system answered, put into the entry. Source: fs/dax.c.
import type { Code } from "../../explore/access.ts";
import type { DaxEntry, DaxMarks } from "../include/linux/dax.ts";
import type { Iomap } from "../include/linux/fs.ts";
import { VM_SYNC } from "../include/linux/mm_types.ts";
import { pmdPages, pmdStart } from "../include/linux/pgtable.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { xa_locked } from "../lib/xarray.ts";
import type { VmFaultInfo } from "../mm/memory.ts";
import { marksCell } from "./dax-entry.ts";
import { storeEntries } from "./dax-store.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    dax_fault_dirties: typeof dax_fault_dirties;
    dax_fault_is_shared: typeof dax_fault_is_shared;
    dax_insert_entry: typeof dax_insert_entry;
  }
}

const ZERO_LOCKED: DaxEntry = { kind: "zero", pfn: 0, pmd: false, locked: true };

/** MAP_SYNC: must the file's metadata be on disk before the page may be written to? */
export const dax_fault_is_synchronous = (vmf: VmFaultInfo, iomap: Iomap): boolean =>
  vmf.write && (vmf.vma.vm_flags & VM_SYNC) !== 0 && iomap.dirty;

/**
 * Does the fault mark the entry dirty?
 *
 * Models `dirty` of `fs/dax.c:dax_insert_entry()` @ v5.18: a write does, unless it waits for fsync.
 */
export const dax_fault_dirties = (_k: Kernel, vmf: VmFaultInfo, iomap: Iomap): boolean =>
  vmf.write && !dax_fault_is_synchronous(vmf, iomap);

/** Is the page associated as one that several files have? In v5.18 no DAX page is. */
export const dax_fault_is_shared = (_k: Kernel, _vmf: VmFaultInfo, _iomap: Iomap): boolean => false;

/**
 * Puts what the file system answered into the entry, unless a block is there already that no other file
 * shares.
 *
 * Models `fs/dax.c:dax_insert_entry()` @ v6.12.
 * Context: entry locked.
 *
 * @returns the entry as it is now, locked.
 */
export function* dax_insert_entry(
  k: Kernel,
  vmf: VmFaultInfo,
  entry: DaxEntry,
  iomap: Iomap,
): Code<DaxEntry> {
  const mapping = vmf.vma.vm_file.i_mapping;
  const { xa_lock } = mapping;
  const pmd = vmf.order > 0;
  const pgoff = pmd ? pmdStart(k, vmf.pgoff) : vmf.pgoff;
  const wanted: DaxEntry =
    iomap.pfn === null ? { ...ZERO_LOCKED, pmd } : { kind: "normal", pfn: iomap.pfn, pmd, locked: true };
  const dirty = k.dax_fault_dirties(vmf, iomap);
  const shared = k.dax_fault_is_shared(vmf, iomap);
  const towrite = shared && vmf.write;
  const marks = marksCell(mapping, entry.pmd ? pmdStart(k, pgoff) : pgoff);

  if (shared || (entry.kind === "zero" && wanted.kind !== "zero")) {
    if (entry.pmd) yield* k.unmap_mapping_pages(mapping, pmdStart(k, pgoff), pmdPages(k));
    else yield* k.unmap_mapping_pages(mapping, pgoff, 1);
  }
  if (!shared && entry.kind === "normal") {
    if (dirty) {
      yield* xa_locked(mapping, [marks], (old: DaxMarks) => ({ next: [{ ...old, dirty }], result: null }));
    }
    return entry;
  }
  yield* spin_lock(k, xa_lock);
  yield* k.dax_disassociate_entry(entry, mapping, false);
  yield* k.dax_associate_entry(wanted, mapping, pgoff, shared);
  yield* storeEntries(k, mapping, [pgoff], [marks], (_old: DaxEntry | null, old: DaxMarks) => ({
    next: [wanted, { dirty: old.dirty || dirty, towrite: old.towrite || towrite }],
    result: null,
  }));
  yield* spin_unlock(xa_lock);
  return wanted;
}
