// DAX: the entries of the page cache and their locks. A PMD entry stands at the first of its pages; the slots of the
// others are empty then. Source: fs/dax.c.

import { pfn as toPfn } from "../../base/brand.ts";
import { requireUse } from "../../base/errors.ts";
import { type Cell, type Code, rmw, type See, type Wait } from "../../explore/access.ts";
import type { Value } from "../../explore/value.ts";
import type { DaxEntry, DaxMarks } from "../include/linux/dax.ts";
import type { AddressSpace } from "../include/linux/fs.ts";
import { pfn_to_page } from "../include/linux/mm.ts";
import type { Page } from "../include/linux/mm_types.ts";
import { pmdPages, pmdStart } from "../include/linux/pgtable.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import {
  finish_wait,
  prepare_to_wait,
  type QueueEntry,
  schedule,
  usedWakeup,
  wake_up,
} from "../kernel/sched/wait.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE } from "../lib/atomic.ts";
import { entryCell, lockAndStoreEntries } from "./dax-store.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    get_unlocked_entry: typeof get_unlocked_entry;
    put_unlocked_entry: typeof put_unlocked_entry;
    grab_mapping_entry: typeof grab_mapping_entry;
    dax_unlock_entry: typeof dax_unlock_entry;
    dax_wake_entry: typeof dax_wake_entry;
  }
}

const EMPTY_LOCKED: DaxEntry = { kind: "empty", pfn: 0, pmd: false, locked: true };

/** The marks of a page of a file. */
export const marksCell = (mapping: AddressSpace, index: number): Cell<DaxMarks> => {
  const found = mapping.i_marks[index];
  requireUse(found, `file ${mapping.host.name} has no page ${index}`);
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
    yield* schedule(k, untilUnlocked(cell), table);
    yield* finish_wait(k, table);
    yield* spin_lock(k, xa_lock);
  }
}

/** The entry that stands for a page of the file: its own, or the PMD entry over it. Models xas_load(). */
export function* loadEntry(k: Kernel, mapping: AddressSpace, index: number): Code<DaxEntry | null> {
  const slots = slotIndices(k, mapping, index).map((i) => entryCell(mapping, i));
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
  if (entry !== null) yield* k.dax_wake_entry(mapping, placeOf(k, index, entry), mode);
}

/** Can a PMD entry stand over this page of the file? */
const hasPmdRoom = (k: Kernel, mapping: AddressSpace, index: number): boolean =>
  pmdStart(k, index) + pmdPages(k) <= mapping.i_pages.length;

/** Where the entry of a page may be: at the first page that a PMD entry over it has, if there is room, and its own. */
function slotIndices(k: Kernel, mapping: AddressSpace, index: number): readonly number[] {
  const first = pmdStart(k, index);
  return first === index || !hasPmdRoom(k, mapping, index) ? [index] : [first, index];
}

/** The pages of the file that a PMD entry stands for, as far as the file has them. */
const pmdRange = (k: Kernel, mapping: AddressSpace, first: number): readonly number[] =>
  mapping.i_pages.slice(first, first + pmdPages(k)).map((_, i) => first + i);

/** Which of the slots of a page holds the entry that stands for it. */
const standing = (entries: readonly (DaxEntry | null)[]): number =>
  entries[0]?.pmd ? 0 : entries.length - 1;

/** Where an entry of a page is: at the first page that it stands for. */
export const placeOf = (k: Kernel, index: number, entry: DaxEntry): number =>
  entry.pmd ? pmdStart(k, index) : index;

/** The slot of an entry of a page. */
export const slotOf = (
  k: Kernel,
  mapping: AddressSpace,
  index: number,
  entry: DaxEntry,
): Cell<DaxEntry | null> => entryCell(mapping, placeOf(k, index, entry));

/**
 * Finds the entry of a page of the file, or makes one, and locks it. Waiters for the lock are
 * exclusive: an unlock wakes one.
 *
 * Models `fs/dax.c:grab_mapping_entry()` @ v6.12. A PMD entry of a block also serves one page; one of a hole, or
 * a placeholder, is replaced by entries of one page.
 * Left out: VM_FAULT_OOM, where there is no memory for a node of the xarray.
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
  const indices = order === 0 ? slotIndices(k, mapping, index) : pmdRange(k, mapping, index);
  const slots = indices.map((i) => entryCell(mapping, i));
  const table = k.world.dax_wait_table;
  const { name: task, woken } = k.current;
  const wait: Wait = {
    text: `${entryCell(mapping, index).name} unlocked`,
    condition: (see: See) => {
      const entries = slots.map(see);
      return entries[order === 0 ? standing(entries) : 0]?.locked !== true;
    },
  };
  for (;;) {
    const got = yield* lockAndStoreEntries<DaxEntry | "FALLBACK" | null>(
      k,
      mapping,
      indices,
      [table, woken],
      (...values: Value[]) => {
        const entries = values.slice(0, slots.length) as (DaxEntry | null)[];
        const [queue, wasWoken] = values.slice(slots.length) as [readonly QueueEntry[], boolean];
        const at = order === 0 ? standing(entries) : 0;
        const entry = entries[at] ?? null;
        if (order > 0 && !entry?.pmd && entries.some((e) => e !== null)) {
          return { next: values, result: "FALLBACK" };
        }
        if (entry?.locked) {
          const waiting = [...queue, { key: slots[at] ?? null, task, exclusive: true }];
          return { next: [...entries, waiting, false], result: null };
        }
        const locked = entry === null ? { ...EMPTY_LOCKED, pmd: order > 0 } : { ...entry, locked: true };
        const waiting = usedWakeup(queue, slots[at] ?? null);
        return {
          next: [...entries.map((e, i) => (i === at ? locked : e)), waiting, wasWoken],
          result: locked,
        };
      },
    );
    if (got === null) {
      yield* schedule(k, wait, table);
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
  const indices = slotIndices(k, mapping, index);
  yield* lockAndStoreEntries(k, mapping, indices, [], () => ({
    next: indices.map((_, i) => (i === indices.length - 1 ? EMPTY_LOCKED : null)),
    result: null,
  }));
  yield* k.dax_wake_entry(mapping, first, "WAKE_ALL");
  return EMPTY_LOCKED;
}

/**
 * Unlocks an entry, and wakes the next who waits for it.
 *
 * Models `fs/dax.c:dax_unlock_entry()` @ v6.12.
 * Left out: BUG_ON, which stops the kernel where the entry was not locked, after the store. The rule `entry-lock-is-held`
 * says so.
 */
export function* dax_unlock_entry(k: Kernel, mapping: AddressSpace, index: number, entry: DaxEntry): Code {
  const place = placeOf(k, index, entry);
  yield* lockAndStoreEntries(k, mapping, [place], [], () => ({
    next: [{ ...entry, locked: false }],
    result: null,
  }));
  yield* k.dax_wake_entry(mapping, place, "WAKE_NEXT");
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
