// DAX: the entries of the page cache and their locks, faults, and waiting until nobody uses a page.
// Source: fs/dax.c. Entries of one page; PMD entries are not here yet.
import { assert } from "../../base/assert.ts";
import { pfn as toPfn } from "../../base/brand.ts";
import type { Cell, Code, See, Wait } from "../../explore/access.ts";
import { WARN } from "../include/asm-generic/bug.ts";
import { pfn_to_page } from "../include/linux/mm.ts";
import type { AddressSpace, DaxEntry, Page } from "../include/linux/mm_types.ts";
import { page_ref_count } from "../include/linux/page_ref.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import { finish_wait, type QueueEntry, schedule, wake_up } from "../kernel/sched/wait.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../lib/atomic.ts";
import { xa_locked } from "../lib/xarray.ts";
import type { VmFault, VmFaultInfo } from "../mm/memory.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    grab_mapping_entry: typeof grab_mapping_entry;
    dax_unlock_entry: typeof dax_unlock_entry;
    dax_wake_entry: typeof dax_wake_entry;
    dax_insert_entry: typeof dax_insert_entry;
    dax_associate_entry: typeof dax_associate_entry;
    dax_disassociate_entry: typeof dax_disassociate_entry;
    dax_iomap_pte_fault: typeof dax_iomap_pte_fault;
    dax_fault_insert: typeof dax_fault_insert;
    dax_busy_page: typeof dax_busy_page;
    dax_mapping_may_be_busy: typeof dax_mapping_may_be_busy;
    dax_layout_busy_page: typeof dax_layout_busy_page;
    dax_scan_busy_page: typeof dax_scan_busy_page;
    dax_delete_mapping_entry: typeof dax_delete_mapping_entry;
  }
}

const EMPTY_LOCKED: DaxEntry = { kind: "empty", pfn: 0, locked: true };
const ZERO_LOCKED: DaxEntry = { kind: "zero", pfn: 0, locked: true };

const entryCell = (mapping: AddressSpace, index: number): Cell<DaxEntry | null> => {
  const found = mapping.i_pages[index];
  assert(found, `${mapping.host.name} has no page ${index}`);
  return found;
};

/**
 * Finds the entry of a page of the file, or makes one, and locks it. Waiters for the lock are
 * exclusive: an unlock wakes one.
 *
 * Models `fs/dax.c:grab_mapping_entry()` @ v6.12, for entries of one page.
 *
 * @returns the entry as it is now, locked.
 */
export function* grab_mapping_entry(k: Kernel, mapping: AddressSpace, index: number): Code<DaxEntry> {
  const cell = entryCell(mapping, index);
  const table = k.world.dax_wait_table;
  const { name: task, woken } = k.current;
  const wait: Wait = {
    text: `${cell.name} unlocked`,
    condition: (see: See) => see(cell)?.locked !== true,
  };
  for (;;) {
    const got = yield* xa_locked(
      mapping,
      [cell, table, woken],
      (entry: DaxEntry | null, queue: readonly QueueEntry[], wasWoken: boolean) => {
        if (entry?.locked) {
          const waiting = [...queue, { key: cell, task, exclusive: true }];
          return { next: [entry, waiting, false], result: null };
        }
        const locked = entry === null ? EMPTY_LOCKED : { ...entry, locked: true };
        return { next: [locked, queue, wasWoken], result: locked };
      },
    );
    if (got !== null) return got as DaxEntry;
    yield* schedule(k, wait);
    yield* finish_wait(k, table);
  }
}

/**
 * Unlocks an entry, and wakes the next who waits for it.
 *
 * Models `fs/dax.c:dax_unlock_entry()` @ v6.12.
 */
export function* dax_unlock_entry(k: Kernel, mapping: AddressSpace, index: number, entry: DaxEntry): Code {
  const cell = entryCell(mapping, index);
  yield* xa_locked(mapping, [cell], () => ({ next: [{ ...entry, locked: false }], result: null }));
  yield* k.dax_wake_entry(mapping, index, "WAKE_NEXT");
}

/** Models `fs/dax.c:dax_wake_entry()` @ v6.12. */
export function* dax_wake_entry(
  k: Kernel,
  mapping: AddressSpace,
  index: number,
  mode: "WAKE_NEXT" | "WAKE_ALL",
): Code {
  const exclusives = mode === "WAKE_ALL" ? Number.MAX_SAFE_INTEGER : 1;
  yield* wake_up(k, k.world.dax_wait_table, entryCell(mapping, index), exclusives);
}

/**
 * Says in the page which file and which page of it the entry stands for.
 *
 * Models `fs/dax.c:dax_associate_entry()` @ v6.12, without sharing.
 * Context: entry locked.
 */
export function* dax_associate_entry(k: Kernel, entry: DaxEntry, mapping: AddressSpace, index: number): Code {
  if (entry.kind !== "normal") return;
  const page = pfn_to_page(k, toPfn(entry.pfn));
  if ((yield* READ_ONCE(page.mapping)) !== null) {
    yield* WARN(
      k,
      "no-double-association",
      `pfn 0x${entry.pfn.toString(16)} is given to a file, but has a mapping`,
    );
  }
  yield* WRITE_ONCE<AddressSpace | null>(page.mapping, mapping);
  yield* WRITE_ONCE(page.index, index);
}

/**
 * Takes the page of an entry away from its file.
 *
 * Models `fs/dax.c:dax_disassociate_entry()` @ v6.12, without sharing. Its warning that a truncated page
 * is still referenced has no effect there, and none here.
 * Context: entry locked.
 */
export function* dax_disassociate_entry(k: Kernel, entry: DaxEntry): Code {
  if (entry.kind !== "normal") return;
  const page = pfn_to_page(k, toPfn(entry.pfn));
  yield* WRITE_ONCE<AddressSpace | null>(page.mapping, null);
  yield* WRITE_ONCE(page.index, 0);
}

/**
 * Puts what the file system answered into the entry, unless a block is there already.
 *
 * Models `fs/dax.c:dax_insert_entry()` @ v6.12.
 * Left out: dirty marks, shared extents.
 * Context: entry locked.
 *
 * @returns the entry as it is now, locked.
 */
export function* dax_insert_entry(
  k: Kernel,
  mapping: AddressSpace,
  index: number,
  entry: DaxEntry,
  wanted: DaxEntry,
): Code<DaxEntry> {
  const replacesZero = entry.kind === "zero" && wanted.kind !== "zero";
  if (replacesZero) yield* k.unmap_mapping_pages(mapping, index, 1);
  if (entry.kind === "normal") return entry;
  yield* k.dax_disassociate_entry(entry);
  yield* k.dax_associate_entry(wanted, mapping, index);
  yield* xa_locked(mapping, [entryCell(mapping, index)], () => ({ next: [wanted], result: null }));
  return wanted;
}

/**
 * Brings a page of a DAX file into a page table.
 *
 * Models `fs/dax.c:dax_iomap_pte_fault()` @ v6.12.
 * Left out: MAP_SYNC, copy-on-write, the test that a huge entry came first, the liveness of the device.
 * Context: invalidate_lock held for reading.
 */
export function* dax_iomap_pte_fault(k: Kernel, vmf: VmFaultInfo): Code<VmFault> {
  const inode = vmf.vma.vm_file;
  const mapping = inode.i_mapping;
  const { pgoff, write } = vmf;
  if (pgoff >= (yield* READ_ONCE(inode.i_size))) return "SIGBUS";

  const locked = yield* k.grab_mapping_entry(mapping, pgoff);
  const pfn = yield* k.ext4_iomap_begin(inode, pgoff, write);
  const wanted: DaxEntry = pfn === null ? ZERO_LOCKED : { kind: "normal", pfn, locked: true };
  const entry = yield* k.dax_insert_entry(mapping, pgoff, locked, wanted);
  let fault: VmFault;
  if (entry.kind === "zero") fault = yield* k.vmf_insert_mixed(vmf, k.world.zero_page.pfn, false);
  else fault = yield* k.dax_fault_insert(vmf, pfn_to_page(k, toPfn(entry.pfn)));
  yield* k.dax_unlock_entry(mapping, pgoff, entry);
  return fault;
}

/**
 * Maps the page of a block.
 *
 * Models the end of `fs/dax.c:dax_fault_iter()` @ v6.12.
 */
export function* dax_fault_insert(k: Kernel, vmf: VmFaultInfo, page: Page): Code<VmFault> {
  return yield* k.vmf_insert_mixed(vmf, page.pfn, vmf.write);
}

/**
 * The page of an entry, if somebody beyond the file uses it.
 *
 * Models `fs/dax.c:dax_busy_page()` @ v6.12.
 */
export function* dax_busy_page(k: Kernel, entry: DaxEntry): Code<Page | null> {
  if (entry.kind !== "normal") return null;
  const page = pfn_to_page(k, toPfn(entry.pfn));
  return (yield* page_ref_count(page)) > 1 ? page : null;
}

/**
 * A file that nobody maps is taken for idle without a look at its pages.
 *
 * Models the test of mapping_mapped() in `fs/dax.c:dax_layout_busy_page_range()` @ v6.12.
 */
export function* dax_mapping_may_be_busy(_k: Kernel, mapping: AddressSpace): Code<boolean> {
  return (yield* READ_ONCE(mapping.i_mmap)).length > 0;
}

/**
 * Unmaps a file, and finds the first of its pages that somebody still uses.
 *
 * Models `fs/dax.c:dax_layout_busy_page()` @ v6.12.
 * Context: invalidate_lock held for writing, so that no fault maps a page meanwhile.
 */
export function* dax_layout_busy_page(k: Kernel, mapping: AddressSpace): Code<Page | null> {
  if (!(yield* k.dax_mapping_may_be_busy(mapping))) return null;
  yield* k.unmap_mapping_pages(mapping, 0, mapping.i_pages.length);
  return yield* k.dax_scan_busy_page(mapping);
}

/**
 * Looks at the counts of all pages of a file.
 *
 * Models the loop of `fs/dax.c:dax_layout_busy_page_range()` @ v6.12.
 * Left out: entries that are locked. Faults lock them, and none runs while invalidate_lock is held.
 */
export function* dax_scan_busy_page(k: Kernel, mapping: AddressSpace): Code<Page | null> {
  const { xa_lock, i_pages } = mapping;
  yield* spin_lock(k, xa_lock);
  let busy: Page | null = null;
  for (let index = 0; index < i_pages.length && busy === null; index++) {
    const entry = yield* READ_ONCE(entryCell(mapping, index));
    if (entry === null) continue;
    busy = yield* k.dax_busy_page(entry);
    yield* k.dax_wake_entry(mapping, index, "WAKE_NEXT");
  }
  yield* spin_unlock(xa_lock);
  return busy;
}

/**
 * Removes the entry of a page of the file, if there is one.
 *
 * Models `fs/dax.c:dax_delete_mapping_entry()` @ v6.12.
 * Context: invalidate_lock held for writing.
 */
export function* dax_delete_mapping_entry(k: Kernel, mapping: AddressSpace, index: number): Code {
  const { xa_lock } = mapping;
  const cell = entryCell(mapping, index);
  yield* spin_lock(k, xa_lock);
  const entry = yield* READ_ONCE(cell);
  if (entry !== null) {
    yield* k.dax_disassociate_entry(entry);
    yield* WRITE_ONCE<DaxEntry | null>(cell, null);
    yield* k.dax_wake_entry(mapping, index, "WAKE_ALL");
  }
  yield* spin_unlock(xa_lock);
}

/** Ghost state: nobody outside of the file uses the page; what a waiter in break-layouts waits for. */
export const noExternalReference =
  (page: Page) =>
  (see: See): boolean =>
    see(page.heldPins).length === 0 && see(page.heldGets).length === 0;
