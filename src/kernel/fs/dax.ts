// DAX: the entries of the page cache and their locks, faults, and waiting until nobody uses a page.
// Source: fs/dax.c. A PMD entry stands at the first of its pages; the slots of the others are empty then.
// What writes through the file system, and what writes back, is in dax-writeback.ts.
import { assert } from "../../base/assert.ts";
import { type Pfn, pfn as toPfn } from "../../base/brand.ts";
import { type Cell, type Code, fail, rmw, type See, type Wait } from "../../explore/access.ts";
import type { Modelled } from "../../explore/value.ts";
import { WARN } from "../include/asm-generic/bug.ts";
import type { Iomap } from "../include/linux/fs.ts";
import { isMapping, pfn_to_page } from "../include/linux/mm.ts";
import {
  type AddressSpace,
  type DaxEntry,
  type DaxMarks,
  type Inode,
  NO_MARKS,
  type Page,
  type PageMapping,
  VM_SHARED,
  VM_SYNC,
} from "../include/linux/mm_types.ts";
import { page_ref_count } from "../include/linux/page_ref.ts";
import { isLeaf, pmd_offset, pmdOrder, pmdPages, pmdStart } from "../include/linux/pgtable.ts";
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
    dax_associate_page: typeof dax_associate_page;
    dax_disassociate_page: typeof dax_disassociate_page;
    dax_iomap_fault: typeof dax_iomap_fault;
    dax_iomap_pte_fault: typeof dax_iomap_pte_fault;
    dax_iomap_pmd_fault: typeof dax_iomap_pmd_fault;
    iomap_fits_pmd: typeof iomap_fits_pmd;
    dax_fault_insert: typeof dax_fault_insert;
    dax_finish_sync_fault: typeof dax_finish_sync_fault;
    dax_insert_pfn_mkwrite: typeof dax_insert_pfn_mkwrite;
    dax_pfn_insert: typeof dax_pfn_insert;
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

const EMPTY_LOCKED: DaxEntry = { kind: "empty", pfn: 0, pmd: false, locked: true };
const ZERO_LOCKED: DaxEntry = { kind: "zero", pfn: 0, pmd: false, locked: true };

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
 * The entry of a page of the file, or of a PMD, when nobody has it locked. Waiters are exclusive: an unlock wakes one,
 * and who is woken and does not lock the entry must wake the next with put_unlocked_entry().
 *
 * Models `fs/dax.c:get_unlocked_entry()` @ v6.12, on a fresh iterator; v7.2 has it as
 * get_next_unlocked_entry().
 * Context: xa_lock held; dropped to sleep.
 *
 * @param order 0, or PMD_ORDER.
 * @returns null too, where the kernel has XA_RETRY_ENTRY: entries of one page are there, and one of a PMD is asked
 * for. Neither is anything to wake somebody for.
 */
export function* get_unlocked_entry(
  k: Kernel,
  mapping: AddressSpace,
  index: number,
  order = 0,
): Code<DaxEntry | null> {
  const { xa_lock } = mapping;
  const table = k.world.dax_wait_table;
  for (;;) {
    const entry = yield* loadEntry(k, mapping, index);
    if (entry === null || (order > 0 && !entry.pmd)) return null;
    if (!entry.locked) return entry;
    const cell = slotOf(k, mapping, index, entry);
    yield* prepare_to_wait(k, table, cell, true);
    yield* spin_unlock(xa_lock);
    yield* schedule(k, untilUnlocked(cell));
    yield* finish_wait(k, table);
    yield* spin_lock(k, xa_lock);
  }
}

/** The entry that stands for a page of the file: its own, or the PMD entry over it. Models xas_load(). */
export function* loadEntry(k: Kernel, mapping: AddressSpace, index: number): Code<DaxEntry | null> {
  const slots = slotsOf(k, mapping, index);
  return yield* rmw(slots, (...entries: (DaxEntry | null)[]) => ({
    next: entries,
    result: entries[standing(entries)] ?? null,
  }));
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
  if (entry !== null) yield* k.dax_wake_entry(mapping, entry.pmd ? pmdStart(k, index) : index, mode);
}

/** Can a PMD entry stand over this page of the file? */
const hasPmdRoom = (k: Kernel, mapping: AddressSpace, index: number): boolean =>
  pmdStart(k, index) + pmdPages(k) <= mapping.i_pages.length;

/** The slots in which the entry of a page may be: that of a PMD entry, if there is one, and its own. */
function slotsOf(k: Kernel, mapping: AddressSpace, index: number): readonly Cell<DaxEntry | null>[] {
  const own = entryCell(mapping, index);
  const first = pmdStart(k, index);
  return first === index || !hasPmdRoom(k, mapping, index) ? [own] : [entryCell(mapping, first), own];
}

/** Which of the slots of a page holds the entry that stands for it. */
const standing = (entries: readonly (DaxEntry | null)[]): number =>
  entries[0]?.pmd ? 0 : entries.length - 1;

/** The slot of an entry of a page. */
export const slotOf = (
  k: Kernel,
  mapping: AddressSpace,
  index: number,
  entry: DaxEntry,
): Cell<DaxEntry | null> => entryCell(mapping, entry.pmd ? pmdStart(k, index) : index);

/**
 * Finds the entry of a page of the file, or makes one, and locks it. Waiters for the lock are
 * exclusive: an unlock wakes one.
 *
 * Models `fs/dax.c:grab_mapping_entry()` @ v6.12. A PMD entry of a block also serves one page; one of a hole, or
 * a placeholder, is replaced by entries of one page.
 *
 * @param order 0, or PMD_ORDER.
 * @returns the entry as it is now, locked; FALLBACK if a PMD entry is wanted where entries of one page are.
 */
export function* grab_mapping_entry(
  k: Kernel,
  mapping: AddressSpace,
  index: number,
  order: number,
): Code<DaxEntry | "FALLBACK"> {
  const slots = order === 0 ? slotsOf(k, mapping, index) : mapping.i_pages.slice(index, index + pmdPages(k));
  const table = k.world.dax_wait_table;
  const { name: task, woken } = k.current;
  const wait: Wait = {
    text: `${entryCell(mapping, index).name} unlocked`,
    condition: (see: See) => slots.every((slot) => see(slot)?.locked !== true),
  };
  for (;;) {
    const got = yield* xa_locked<DaxEntry | "FALLBACK" | null>(
      mapping,
      [table, woken, ...slots],
      (queue: readonly QueueEntry[], wasWoken: boolean, ...entries: (DaxEntry | null)[]) => {
        const at = order === 0 ? standing(entries) : 0;
        const entry = entries[at] ?? null;
        if (order > 0 && !entry?.pmd && entries.some((e) => e !== null)) {
          return { next: [queue, wasWoken, ...entries], result: "FALLBACK" };
        }
        if (entry?.locked) {
          const waiting = [...queue, { key: slots[at] ?? null, task, exclusive: true }];
          return { next: [waiting, false, ...entries], result: null };
        }
        const locked = entry === null ? { ...EMPTY_LOCKED, pmd: order > 0 } : { ...entry, locked: true };
        return { next: [queue, wasWoken, ...entries.map((e, i) => (i === at ? locked : e))], result: locked };
      },
    );
    if (got === null) {
      yield* schedule(k, wait);
      yield* finish_wait(k, table);
      continue;
    }
    if (got === "FALLBACK" || !got.pmd || order > 0 || got.kind === "normal") return got;
    return yield* downgradePmd(k, mapping, index, got);
  }
}

/** Puts an entry of one page in the place of a PMD entry that has no blocks, and locks it. */
function* downgradePmd(k: Kernel, mapping: AddressSpace, index: number, entry: DaxEntry): Code<DaxEntry> {
  const first = pmdStart(k, index);
  if (entry.kind === "zero") yield* k.unmap_mapping_pages(mapping, first, pmdPages(k));
  const slots = slotsOf(k, mapping, index);
  yield* xa_locked(mapping, slots, () => ({
    next: slots.map((_, i) => (i === slots.length - 1 ? EMPTY_LOCKED : null)),
    result: null,
  }));
  yield* k.dax_wake_entry(mapping, first, "WAKE_ALL");
  return EMPTY_LOCKED;
}

/**
 * Unlocks an entry, and wakes the next who waits for it.
 *
 * Models `fs/dax.c:dax_unlock_entry()` @ v6.12, with its BUG_ON: I17, an entry is changed only by who holds
 * its lock.
 */
export function* dax_unlock_entry(k: Kernel, mapping: AddressSpace, index: number, entry: DaxEntry): Code {
  const cell = slotOf(k, mapping, index, entry);
  const wasLocked = yield* xa_locked(mapping, [cell], (old: DaxEntry | null) => ({
    next: [{ ...entry, locked: false }],
    result: old?.locked === true,
  }));
  if (!wasLocked) fail("entry-lock-is-held", `${k.current.name} unlocks ${cell.name}, which is not locked`);
  yield* k.dax_wake_entry(mapping, entry.pmd ? pmdStart(k, index) : index, "WAKE_NEXT");
}

/** Models `fs/dax.c:dax_wake_entry()` @ v6.12. A PMD entry is named by the first of its pages. */
export function* dax_wake_entry(
  k: Kernel,
  mapping: AddressSpace,
  index: number,
  mode: "WAKE_NEXT" | "WAKE_ALL",
): Code {
  const exclusives = mode === "WAKE_ALL" ? Number.MAX_SAFE_INTEGER : 1;
  yield* wake_up(k, k.world.dax_wait_table, entryCell(mapping, index), exclusives);
}

/** The pages of an entry of blocks, in order; none of another entry. */
export function pagesOf(k: Kernel, entry: DaxEntry): Page[] {
  if (entry.kind !== "normal") return [];
  const n = entry.pmd ? pmdPages(k) : 1;
  return Array.from({ length: n }, (_, i) => pfn_to_page(k, toPfn(entry.pfn + i)));
}

/**
 * Says in each page which file and which page of it the entry stands for.
 *
 * Models `fs/dax.c:dax_associate_entry()` @ v5.18, with its loop over the pages.
 * Context: entry locked, xa_lock held.
 *
 * @param index First page of the file that the entry stands for.
 */
export function* dax_associate_entry(
  k: Kernel,
  entry: DaxEntry,
  mapping: AddressSpace,
  index: number,
  shared: boolean,
): Code {
  const pages = pagesOf(k, entry);
  for (let i = 0; i < pages.length; i++) {
    const page = pages[i];
    if (page !== undefined) yield* k.dax_associate_page(page, mapping, index + i, shared);
  }
}

/**
 * Says in a page which file and which page of it the entry stands for.
 *
 * Models one turn of the loop of `fs/dax.c:dax_associate_entry()` @ v5.18: a block of a DAX file is never shared.
 */
export function* dax_associate_page(
  k: Kernel,
  page: Page,
  mapping: AddressSpace,
  index: number,
  _shared: boolean,
): Code {
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
 * Takes the pages of an entry away from their file.
 *
 * Models `fs/dax.c:dax_disassociate_entry()` @ v5.18, with its loop over the pages.
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
  for (const page of pagesOf(k, entry)) yield* k.dax_disassociate_page(page, mapping);
}

/** Takes a page away from its file. Models one turn of the loop of `fs/dax.c:dax_disassociate_entry()` @ v5.18. */
export function* dax_disassociate_page(k: Kernel, page: Page, mapping: AddressSpace): Code {
  yield* warnOfForeignMapping(k, page, mapping);
  yield* WRITE_ONCE<PageMapping>(page.mapping, null);
  yield* WRITE_ONCE(page.index, 0);
}

/** WARN_ON_ONCE(page->mapping && page->mapping != mapping) of dax_disassociate_entry(). */
export function* warnOfForeignMapping(k: Kernel, page: Page, mapping: AddressSpace): Code<PageMapping> {
  const of = yield* READ_ONCE(page.mapping);
  if (of !== null && of !== mapping) {
    const whose = isMapping(of) ? of.host.name : "several files";
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
  yield* rmw([entryCell(mapping, pgoff), marks], (_old: DaxEntry | null, old: DaxMarks) => ({
    next: [wanted, { dirty: old.dirty || dirty, towrite: old.towrite || towrite }],
    result: null,
  }));
  yield* spin_unlock(xa_lock);
  return wanted;
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
  const { iomap_begin, iomap_end } = inode.i_sb.s_type;
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
  const iomap = yield* k[iomap_begin](inode, pgoff, write && cow_page === undefined);
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
  const { iomap_begin, iomap_end } = inode.i_sb.s_type;
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
 * Are there as many pages in one piece as a PMD entry maps: blocks in order from an aligned one on, or, for a
 * read, a hole? A write into a hole of that size is given such blocks first, if there are any.
 *
 * Models what `fs/dax.c:dax_iomap_pmd_fault()` @ v6.12 asks of iomap_length() and dax_iomap_direct_access(): an
 * iomap here is of one page.
 */
export function* iomap_fits_pmd(k: Kernel, inode: Inode, index: number, write: boolean): Code<boolean> {
  const n = pmdPages(k);
  const extents = inode.i_data.slice(index, index + n);
  const { name } = inode;
  const { free_blocks } = inode.i_sb;
  if (write) {
    const free = yield* READ_ONCE(free_blocks);
    const runs = free.filter((b) => b % n === 0 && extents.every((_, i) => free.includes(toPfn(b + i))));
    const [run] = runs;
    if (run !== undefined) {
      const owners = extents.map((_, i) => pfn_to_page(k, toPfn(run + i)).block_owner);
      yield* rmw(
        [free_blocks, ...extents, ...owners],
        (blocks: readonly Pfn[], ...old: (Pfn | string | null)[]) =>
          old.slice(0, n).every((b) => b === null)
            ? {
                next: [
                  blocks.filter((b) => b < run || b >= run + n),
                  ...extents.map((_, i) => toPfn(run + i)),
                  ...owners.map(() => name),
                ],
                result: null,
              }
            : { next: [blocks, ...old], result: null },
      );
    }
  }
  return yield* rmw(extents, (...blocks: (Pfn | null)[]) => {
    const [first = null] = blocks;
    const hole = !write && blocks.every((b) => b === null);
    const fits = first !== null && first % n === 0 && blocks.every((b, i) => b === first + i);
    return { next: blocks, result: hole || fits };
  });
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
  const first = entry.pmd ? pmdStart(k, pgoff) : pgoff;
  yield* rmw([entryCell(mapping, first), marksCell(mapping, first)], (_old: DaxEntry, marks: DaxMarks) => ({
    next: [locked, { ...marks, dirty: true }],
    result: null,
  }));
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

/**
 * A page of an entry that somebody beyond the file uses.
 *
 * Models `fs/dax.c:dax_busy_page()` @ v6.12.
 */
export function* dax_busy_page(k: Kernel, entry: DaxEntry): Code<Page | null> {
  for (const page of pagesOf(k, entry)) {
    if ((yield* page_ref_count(page)) > 1) return page;
  }
  return null;
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
    let entry = yield* nextEntry(k, mapping, index, start);
    if (entry?.locked) entry = yield* k.dax_scan_locked_entry(mapping, index);
    if (entry === null) continue;
    busy = yield* k.dax_busy_page(entry);
    yield* k.put_unlocked_entry(mapping, index, entry, "WAKE_NEXT");
  }
  yield* spin_unlock(xa_lock);
  return busy;
}

/** An iteration meets a PMD entry at the first of its pages, or where it starts within it. */
export function* nextEntry(
  k: Kernel,
  mapping: AddressSpace,
  index: number,
  start: number,
): Code<DaxEntry | null> {
  if (index === start) return yield* loadEntry(k, mapping, index);
  return yield* READ_ONCE(entryCell(mapping, index));
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
  let removed = false;
  yield* spin_lock(k, xa_lock);
  const entry = yield* k.get_unlocked_entry(mapping, index);
  if (entry !== null) {
    const cell = slotOf(k, mapping, index, entry);
    const marks = marksCell(mapping, entry.pmd ? pmdStart(k, index) : index);
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
