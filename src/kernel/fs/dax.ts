// DAX: the entries of the page cache and their locks, faults, and waiting until nobody uses a page.
// Source: fs/dax.c. Entries of one page; PMD entries are not here yet. What writes through the file
// system, and what writes back, is in dax-writeback.ts.
import { assert } from "../../base/assert.ts";
import { type Pfn, pfn as toPfn } from "../../base/brand.ts";
import { type Cell, type Code, fail, rmw, type See, type Wait } from "../../explore/access.ts";
import type { Modelled } from "../../explore/value.ts";
import { WARN } from "../include/asm-generic/bug.ts";
import type { Iomap } from "../include/linux/fs.ts";
import { pfn_to_page } from "../include/linux/mm.ts";
import {
  type AddressSpace,
  type DaxEntry,
  type DaxMarks,
  NO_MARKS,
  type Page,
  type PageMapping,
} from "../include/linux/mm_types.ts";
import { page_ref_count } from "../include/linux/page_ref.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import { finish_wait, prepare_to_wait, type QueueEntry, schedule, wake_up } from "../kernel/sched/wait.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../lib/atomic.ts";
import { xa_locked } from "../lib/xarray.ts";
import type { VmFault, VmFaultInfo } from "../mm/memory.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    get_unlocked_entry: typeof get_unlocked_entry;
    put_unlocked_entry: typeof put_unlocked_entry;
    grab_mapping_entry: typeof grab_mapping_entry;
    dax_unlock_entry: typeof dax_unlock_entry;
    dax_wake_entry: typeof dax_wake_entry;
    dax_fault_dirties: typeof dax_fault_dirties;
    dax_fault_is_shared: typeof dax_fault_is_shared;
    dax_insert_entry: typeof dax_insert_entry;
    dax_associate_entry: typeof dax_associate_entry;
    dax_disassociate_entry: typeof dax_disassociate_entry;
    dax_iomap_pte_fault: typeof dax_iomap_pte_fault;
    dax_fault_insert: typeof dax_fault_insert;
    dax_finish_sync_fault: typeof dax_finish_sync_fault;
    dax_insert_pfn_mkwrite: typeof dax_insert_pfn_mkwrite;
    dax_busy_page: typeof dax_busy_page;
    page_idle_key: typeof page_idle_key;
    dax_mapping_may_be_busy: typeof dax_mapping_may_be_busy;
    dax_layout_busy_page: typeof dax_layout_busy_page;
    dax_layout_busy_page_range: typeof dax_layout_busy_page_range;
    dax_scan_busy_page: typeof dax_scan_busy_page;
    dax_scan_locked_entry: typeof dax_scan_locked_entry;
    __dax_invalidate_entry: typeof __dax_invalidate_entry;
    dax_delete_mapping_entry: typeof dax_delete_mapping_entry;
    dax_invalidate_mapping_entry_sync: typeof dax_invalidate_mapping_entry_sync;
  }
}

const EMPTY_LOCKED: DaxEntry = { kind: "empty", pfn: 0, locked: true };
const ZERO_LOCKED: DaxEntry = { kind: "zero", pfn: 0, locked: true };

/** The entry of a page of a file. */
export const entryCell = (mapping: AddressSpace, index: number): Cell<DaxEntry | null> => {
  const found = mapping.i_pages[index];
  assert(found, `${mapping.host.name} has no page ${index}`);
  return found;
};

/** The marks of a page of a file. */
export const marksCell = (mapping: AddressSpace, index: number): Cell<DaxMarks> => {
  const found = mapping.i_marks[index];
  assert(found, `${mapping.host.name} has no page ${index}`);
  return found;
};

/** What a waiter for an entry lock waits for. */
export const untilUnlocked = (cell: Cell<DaxEntry | null>): Wait => ({
  text: `${cell.name} unlocked`,
  condition: (see: See) => see(cell)?.locked !== true,
});

/**
 * The entry of a page of the file, when nobody has it locked. Waiters are exclusive: an unlock wakes one,
 * and who is woken and does not lock the entry must wake the next with put_unlocked_entry().
 *
 * Models `fs/dax.c:get_unlocked_entry()` @ v6.12, on a fresh iterator; v7.2 has it as
 * get_next_unlocked_entry().
 * Context: xa_lock held; dropped to sleep.
 */
export function* get_unlocked_entry(k: Kernel, mapping: AddressSpace, index: number): Code<DaxEntry | null> {
  const { xa_lock } = mapping;
  const cell = entryCell(mapping, index);
  const table = k.world.dax_wait_table;
  for (;;) {
    const entry = yield* READ_ONCE(cell);
    if (entry === null || !entry.locked) return entry;
    yield* prepare_to_wait(k, table, cell, true);
    yield* spin_unlock(xa_lock);
    yield* schedule(k, untilUnlocked(cell));
    yield* finish_wait(k, table);
    yield* spin_lock(k, xa_lock);
  }
}

/**
 * Passes on the wake-up of a waiter that leaves the entry as it is.
 *
 * Models `fs/dax.c:put_unlocked_entry()` @ v6.12.
 */
export function* put_unlocked_entry(
  k: Kernel,
  mapping: AddressSpace,
  index: number,
  entry: DaxEntry | null,
  mode: "WAKE_NEXT" | "WAKE_ALL",
): Code {
  if (entry !== null) yield* k.dax_wake_entry(mapping, index, mode);
}

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
  const wait = untilUnlocked(cell);
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
 * Models `fs/dax.c:dax_unlock_entry()` @ v6.12, with its BUG_ON: I17, an entry is changed only by who holds
 * its lock.
 */
export function* dax_unlock_entry(k: Kernel, mapping: AddressSpace, index: number, entry: DaxEntry): Code {
  const cell = entryCell(mapping, index);
  const wasLocked = yield* xa_locked(mapping, [cell], (old: DaxEntry | null) => ({
    next: [{ ...entry, locked: false }],
    result: old?.locked === true,
  }));
  if (!wasLocked) fail("entry-lock-is-held", `${k.current.name} unlocks ${cell.name}, which is not locked`);
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
 * Models `fs/dax.c:dax_associate_entry()` @ v5.18: a block of a DAX file is never shared.
 * Context: entry locked, xa_lock held.
 */
export function* dax_associate_entry(
  k: Kernel,
  entry: DaxEntry,
  mapping: AddressSpace,
  index: number,
  _shared: boolean,
): Code {
  if (entry.kind !== "normal") return;
  const page = pfn_to_page(k, toPfn(entry.pfn));
  if ((yield* READ_ONCE(page.mapping)) !== null) yield* warnOfDoubleAssociation(k, page);
  yield* WRITE_ONCE<PageMapping>(page.mapping, mapping);
  yield* WRITE_ONCE(page.index, index);
}

/** WARN_ON_ONCE(page->mapping) of dax_associate_entry(). */
export function* warnOfDoubleAssociation(k: Kernel, page: Page): Code {
  yield* WARN(
    k,
    "no-double-association",
    `pfn 0x${page.pfn.toString(16)} is given to a file, but has a mapping`,
  );
}

/**
 * Takes the page of an entry away from its file.
 *
 * Models `fs/dax.c:dax_disassociate_entry()` @ v5.18.
 * Left out: its warning that a truncated page is still referenced. A GUP without locks that is about to
 * notice that its entry is gone raises the count for a moment, and the warning would say no more.
 * Context: entry locked, or unlocked and xa_lock held.
 */
export function* dax_disassociate_entry(
  k: Kernel,
  entry: DaxEntry,
  mapping: AddressSpace,
  _trunc: boolean,
): Code {
  if (entry.kind !== "normal") return;
  const page = pfn_to_page(k, toPfn(entry.pfn));
  yield* warnOfForeignMapping(k, page, mapping);
  yield* WRITE_ONCE<PageMapping>(page.mapping, null);
  yield* WRITE_ONCE(page.index, 0);
}

/** WARN_ON_ONCE(page->mapping && page->mapping != mapping) of dax_disassociate_entry(). */
export function* warnOfForeignMapping(k: Kernel, page: Page, mapping: AddressSpace): Code<PageMapping> {
  const of = yield* READ_ONCE(page.mapping);
  if (of !== null && of !== mapping) {
    const whose = typeof of === "string" ? "several files" : of.host.name;
    yield* WARN(
      k,
      "no-disassociation-by-another-file",
      `${mapping.host.name} gives up pfn 0x${page.pfn.toString(16)}, which is associated with ${whose}`,
    );
  }
  return of;
}

/** MAP_SYNC: must the file's metadata be on disk before the page may be written to? */
const dax_fault_is_synchronous = (vmf: VmFaultInfo, iomap: Iomap): boolean =>
  vmf.write && vmf.vma.vm_sync && iomap.dirty;

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
  const { pgoff } = vmf;
  const { xa_lock } = mapping;
  const wanted: DaxEntry =
    iomap.pfn === null ? ZERO_LOCKED : { kind: "normal", pfn: iomap.pfn, locked: true };
  const dirty = k.dax_fault_dirties(vmf, iomap);
  const shared = k.dax_fault_is_shared(vmf, iomap);
  const towrite = shared && vmf.write;
  const marks = marksCell(mapping, pgoff);

  if (shared || (entry.kind === "zero" && wanted.kind !== "zero")) {
    yield* k.unmap_mapping_pages(mapping, pgoff, 1);
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
  yield* rmw([entryCell(mapping, pgoff), marks], (_old: DaxEntry | null, old: DaxMarks) => ({
    next: [wanted, { dirty: old.dirty || dirty, towrite: old.towrite || towrite }],
    result: null,
  }));
  yield* spin_unlock(xa_lock);
  return wanted;
}

/**
 * Brings a page of a DAX file into a page table.
 *
 * Models `fs/dax.c:dax_iomap_pte_fault()` and `dax_fault_iter()` @ v6.12.
 * Left out: private mappings, the test that a huge entry came first, the liveness of the device, the
 * copying of what a shared block holds.
 * Context: invalidate_lock held for reading.
 *
 * @returns how the fault ended; or the page frame that dax_finish_sync_fault() is to map.
 */
export function* dax_iomap_pte_fault(k: Kernel, vmf: VmFaultInfo): Code<VmFault | Pfn> {
  const inode = vmf.vma.vm_file;
  const mapping = inode.i_mapping;
  const { iomap_begin, iomap_end } = inode.i_sb.s_type;
  const { pgoff, write } = vmf;
  if (pgoff >= (yield* READ_ONCE(inode.i_size))) return "SIGBUS";

  const locked = yield* k.grab_mapping_entry(mapping, pgoff);
  const iomap = yield* k[iomap_begin](inode, pgoff, write);
  if (iomap === null) {
    yield* k.dax_unlock_entry(mapping, pgoff, locked);
    return "SIGBUS";
  }
  const entry = yield* k.dax_insert_entry(vmf, locked, iomap);
  let fault: VmFault | Pfn;
  if (entry.kind === "zero") fault = yield* k.vmf_insert_mixed(vmf, k.world.zero_page.pfn, false);
  else if (dax_fault_is_synchronous(vmf, iomap)) fault = toPfn(entry.pfn);
  else fault = yield* k.dax_fault_insert(vmf, pfn_to_page(k, toPfn(entry.pfn)));
  if (iomap_end !== null && write) yield* k[iomap_end](inode, pgoff, iomap);
  yield* k.dax_unlock_entry(mapping, pgoff, entry);
  return fault;
}

/**
 * Maps a page for writing after the file's metadata has gone to disk.
 *
 * Models `fs/dax.c:dax_finish_sync_fault()` @ v6.12.
 * Context: invalidate_lock held for reading, still.
 */
export function* dax_finish_sync_fault(k: Kernel, vmf: VmFaultInfo, pfn: Pfn): Code<VmFault> {
  yield* k.vfs_fsync_range(vmf.vma.vm_file, vmf.pgoff, vmf.pgoff + 1);
  return yield* k.dax_insert_pfn_mkwrite(vmf, pfn);
}

/**
 * Maps a page frame that was found before the entry was unlocked, if there is still an entry. It does not
 * look whether the entry is still of that page frame.
 *
 * Models `fs/dax.c:dax_insert_pfn_mkwrite()` @ v6.12.
 */
export function* dax_insert_pfn_mkwrite(k: Kernel, vmf: VmFaultInfo, pfn: Pfn): Code<VmFault> {
  const mapping = vmf.vma.vm_file.i_mapping;
  const { pgoff } = vmf;
  const { xa_lock } = mapping;
  yield* spin_lock(k, xa_lock);
  const entry = yield* k.get_unlocked_entry(mapping, pgoff);
  if (entry === null) {
    yield* spin_unlock(xa_lock);
    return "NOPAGE";
  }
  const locked: DaxEntry = { ...entry, locked: true };
  yield* rmw([entryCell(mapping, pgoff), marksCell(mapping, pgoff)], (_old: DaxEntry, marks: DaxMarks) => ({
    next: [locked, { ...marks, dirty: true }],
    result: null,
  }));
  yield* spin_unlock(xa_lock);
  const fault = yield* k.dax_fault_insert(vmf, pfn_to_page(k, pfn));
  yield* k.dax_unlock_entry(mapping, pgoff, locked);
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

/** The address on which break-layouts waits for a page. Ours: `&page->_refcount` where v6.12 spells it. */
export const page_idle_key = (_k: Kernel, page: Page): Modelled => page._refcount;

/**
 * A file that nobody maps is taken for idle without a look at its pages.
 *
 * Models the test of mapping_mapped() in `fs/dax.c:dax_layout_busy_page_range()` @ v6.12.
 */
export function* dax_mapping_may_be_busy(_k: Kernel, mapping: AddressSpace): Code<boolean> {
  return (yield* READ_ONCE(mapping.i_mmap)).length > 0;
}

/**
 * Unmaps a part of a file, and finds the first of its pages that somebody still uses.
 *
 * Models `fs/dax.c:dax_layout_busy_page_range()` @ v6.12.
 * Context: invalidate_lock held for writing, so that no fault maps a page meanwhile.
 *
 * @param start First page of the file; `end` is the last one.
 */
export function* dax_layout_busy_page_range(
  k: Kernel,
  mapping: AddressSpace,
  start: number,
  end: number,
): Code<Page | null> {
  if (!(yield* k.dax_mapping_may_be_busy(mapping))) return null;
  yield* k.unmap_mapping_pages(mapping, start, end - start + 1);
  return yield* k.dax_scan_busy_page(mapping, start, end);
}

/** Models `fs/dax.c:dax_layout_busy_page()` @ v6.12: the whole file. */
export function* dax_layout_busy_page(k: Kernel, mapping: AddressSpace): Code<Page | null> {
  return yield* k.dax_layout_busy_page_range(mapping, 0, mapping.i_pages.length - 1);
}

/**
 * Looks at the counts of the pages of a file.
 *
 * Models the loop of `fs/dax.c:dax_layout_busy_page_range()` @ v6.12.
 */
export function* dax_scan_busy_page(
  k: Kernel,
  mapping: AddressSpace,
  start: number,
  end: number,
): Code<Page | null> {
  const { xa_lock } = mapping;
  yield* spin_lock(k, xa_lock);
  let busy: Page | null = null;
  for (let index = start; index <= end && busy === null; index++) {
    let entry = yield* READ_ONCE(entryCell(mapping, index));
    if (entry?.locked) entry = yield* k.dax_scan_locked_entry(mapping, index);
    if (entry === null) continue;
    busy = yield* k.dax_busy_page(entry);
    yield* k.put_unlocked_entry(mapping, index, entry, "WAKE_NEXT");
  }
  yield* spin_unlock(xa_lock);
  return busy;
}

/**
 * What an iterator that stands on a locked entry makes of it: nothing. The entry is passed over, whatever
 * the count of its page.
 *
 * Models `fs/dax.c:get_unlocked_entry()` @ v6.12, where it is called with an iterator that stands on an
 * entry already: xas_find_conflict() goes on from there, and finds no further entry in a range of one.
 */
export function* dax_scan_locked_entry(
  _k: Kernel,
  _mapping: AddressSpace,
  _index: number,
): Code<DaxEntry | null> {
  return null;
}

/**
 * Removes the entry of a page of the file, if there is one; a dirty one only when truncating.
 *
 * Models `fs/dax.c:__dax_invalidate_entry()` @ v6.12.
 *
 * @returns whether an entry was removed.
 */
export function* __dax_invalidate_entry(
  k: Kernel,
  mapping: AddressSpace,
  index: number,
  trunc: boolean,
): Code<boolean> {
  const { xa_lock } = mapping;
  const cell = entryCell(mapping, index);
  const marks = marksCell(mapping, index);
  let removed = false;
  yield* spin_lock(k, xa_lock);
  const entry = yield* k.get_unlocked_entry(mapping, index);
  if (entry !== null) {
    const { dirty, towrite } = trunc ? NO_MARKS : yield* READ_ONCE(marks);
    if (!dirty && !towrite) {
      yield* k.dax_disassociate_entry(entry, mapping, trunc);
      yield* rmw([cell, marks], () => ({ next: [null, NO_MARKS], result: null }));
      removed = true;
    }
  }
  yield* k.put_unlocked_entry(mapping, index, entry, "WAKE_ALL");
  yield* spin_unlock(xa_lock);
  return removed;
}

/**
 * Removes the entry of a page of the file.
 *
 * Models `fs/dax.c:dax_delete_mapping_entry()` @ v6.12.
 * Context: invalidate_lock held for writing.
 */
export function* dax_delete_mapping_entry(k: Kernel, mapping: AddressSpace, index: number): Code {
  const removed = yield* k.__dax_invalidate_entry(mapping, index, true);
  if (!removed) {
    yield* WARN(k, "no-lost-entry", `page ${index} of ${mapping.host.name} had an entry, and has none now`);
  }
}

/**
 * Removes the entry of a page of the file if it is clean.
 *
 * Models `fs/dax.c:dax_invalidate_mapping_entry_sync()` @ v6.12.
 */
export function* dax_invalidate_mapping_entry_sync(
  k: Kernel,
  mapping: AddressSpace,
  index: number,
): Code<boolean> {
  return yield* k.__dax_invalidate_entry(mapping, index, false);
}

/** Ghost state: nobody outside of the file uses the page; what a waiter in break-layouts waits for. */
export const noExternalReference =
  (page: Page) =>
  (see: See): boolean =>
    see(page.heldPins).length === 0 && see(page.heldGets).length === 0;
