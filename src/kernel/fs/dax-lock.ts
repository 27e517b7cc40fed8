// DAX: locking the entry of a page from the page's side, or of a file from outside of a fault.
// Source: fs/dax.c.
import { pfn as toPfn } from "../../base/brand.ts";
import { type Code, fail } from "../../explore/access.ts";
import type { DaxEntry } from "../include/linux/dax.ts";
import type { AddressSpace } from "../include/linux/fs.ts";
import { isMapping, pfn_to_page } from "../include/linux/mm.ts";
import {
  type Folio,
  PAGE_MAPPING_ANON,
  PAGE_MAPPING_DAX_SHARED,
  type Page,
  type PageMapping,
  TAIL_MAPPING,
} from "../include/linux/mm_types.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import { finish_wait, prepare_to_wait, schedule } from "../kernel/sched/wait.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE } from "../lib/atomic.ts";
import { loadEntry, placeOf, slotOf, untilUnlocked } from "./dax-entry.ts";
import { noteMisuse, storeEntries } from "./dax-store.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    wait_entry_unlocked: typeof wait_entry_unlocked;
    dax_lock_folio: typeof dax_lock_folio;
    dax_unlock_folio: typeof dax_unlock_folio;
    dax_lock_mapping_entry: typeof dax_lock_mapping_entry;
    dax_mapping_is_current: typeof dax_mapping_is_current;
  }
}

/**
 * Waits until an entry is unlocked, among those who are all woken: this waiter may never take the lock.
 *
 * Models `fs/dax.c:wait_entry_unlocked()` @ v6.12.
 * Context: xa_lock held; dropped, and not taken again.
 */
export function* wait_entry_unlocked(k: Kernel, mapping: AddressSpace, index: number, entry: DaxEntry): Code {
  const table = k.world.dax_wait_table;
  const cell = slotOf(k, mapping, index, entry);
  yield* prepare_to_wait(k, table, cell, false);
  yield* spin_unlock(mapping.xa_lock);
  yield* schedule(k, untilUnlocked(cell));
  yield* finish_wait(k, table);
}

/** What a word is that stands where a mapping is looked for, and is none. */
function markName(word2: Exclude<PageMapping, AddressSpace | null>): string {
  switch (word2) {
    case TAIL_MAPPING:
      return "TAIL_MAPPING, the poison of a tail,";
    case PAGE_MAPPING_ANON:
      return "the mark of an anonymous page";
    case PAGE_MAPPING_DAX_SHARED:
      return "the mark of a shared page";
    default:
      return "the counts of a large folio";
  }
}

/** A locked entry of a file, and the place where it is. */
export interface LockedEntry {
  readonly mapping: AddressSpace;
  readonly index: number;
  /** Null for memory of a DAX device, which has no entries and of which nothing is locked. */
  readonly entry: DaxEntry | null;
}

/**
 * Locks the entry of the file that a page belongs to. Memory of a DAX device has none: its pages say whose they are as
 * long as the device is there.
 *
 * Models `fs/dax.c:dax_lock_folio()` @ v6.12, with its test of S_ISCHR; v5.18 has it as dax_lock_page().
 * Left out: RCU, which keeps the inode; inodes live as long as the scenario.
 *
 * @returns null if the page says of no file.
 */
export function* dax_lock_folio(k: Kernel, folio: Folio): Code<LockedEntry | null> {
  for (;;) {
    const mapping = yield* READ_ONCE(folio.mapping);
    if (mapping === null) return null;
    if (!isMapping(mapping)) {
      const pfn = `pfn 0x${folio.page.pfn.toString(16)}`;
      fail(
        "no-dereference-of-a-mark",
        `dax_lock_folio() takes ${markName(mapping)} for the mapping of ${pfn}`,
      );
    }
    if (!mapping.host.is_fsdax) return { mapping, index: 0, entry: null };
    yield* spin_lock(k, mapping.xa_lock);
    if (!(yield* k.dax_mapping_is_current(folio, mapping))) {
      yield* spin_unlock(mapping.xa_lock);
      continue;
    }
    const index = yield* READ_ONCE(folio.index);
    const there = index < mapping.i_pages.length;
    const entry = there ? yield* loadEntry(k, mapping, index) : null;
    if (entry === null)
      fail("no-lock-of-missing-entry", `page ${index} of ${mapping.host.name} has no entry`);
    if (entry.locked) {
      yield* k.wait_entry_unlocked(mapping, index, entry);
      continue;
    }
    const locked: DaxEntry = { ...entry, locked: true };
    const place = placeOf(k, index, entry);
    yield* storeEntries(k, mapping, [place], [], () => ({ next: [locked], result: null }));
    yield* spin_unlock(mapping.xa_lock);
    return { mapping, index, entry: locked };
  }
}

/**
 * Is the page still of the file that it was of before the lock of that file's entries was taken?
 *
 * Models the second look at `folio->mapping` in `fs/dax.c:dax_lock_folio()` @ v6.12.
 */
export function* dax_mapping_is_current(_k: Kernel, folio: Folio, mapping: AddressSpace): Code<boolean> {
  return (yield* READ_ONCE(folio.mapping)) === mapping;
}

/**
 * Unlocks the entry of the file that a page belongs to, which the page is asked for again.
 *
 * Models `fs/dax.c:dax_unlock_folio()` @ v6.12.
 * Left out: the store beyond the end of the file, where the page says so by now, and the BUG_ON after it.
 */
export function* dax_unlock_folio(k: Kernel, folio: Folio, { entry }: LockedEntry): Code {
  const mapping = yield* READ_ONCE(folio.mapping);
  if (!isMapping(mapping)) {
    fail(
      "no-dereference-of-a-mark",
      "dax_unlock_folio() finds the page of the entry that it has locked without mapping",
    );
  }
  if (entry === null) return;
  const index = yield* READ_ONCE(folio.index);
  if (index >= mapping.i_pages.length) {
    const beyond = `page ${index} of ${mapping.host.name}, which has no such page`;
    yield* noteMisuse(mapping, `${k.current.name} unlocks the entry of ${beyond}`);
    return;
  }
  yield* k.dax_unlock_entry(mapping, index, entry);
}

/**
 * Locks the entry of a page of a file, if there is one with a block.
 *
 * Models `fs/dax.c:dax_lock_mapping_entry()` @ v6.12.
 *
 * @returns the entry and its page; null if there is none.
 */
export function* dax_lock_mapping_entry(
  k: Kernel,
  mapping: AddressSpace,
  index: number,
): Code<{ readonly entry: DaxEntry; readonly page: Page } | null> {
  for (;;) {
    yield* spin_lock(k, mapping.xa_lock);
    const entry = yield* loadEntry(k, mapping, index);
    if (entry?.locked) {
      yield* k.wait_entry_unlocked(mapping, index, entry);
      continue;
    }
    if (entry === null || entry.kind !== "normal") {
      yield* spin_unlock(mapping.xa_lock);
      return null;
    }
    const locked: DaxEntry = { ...entry, locked: true };
    const place = placeOf(k, index, entry);
    yield* storeEntries(k, mapping, [place], [], () => ({ next: [locked], result: null }));
    yield* spin_unlock(mapping.xa_lock);
    return { entry: locked, page: pfn_to_page(k, toPfn(entry.pfn)) };
  }
}
