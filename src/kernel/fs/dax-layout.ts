// DAX: finding the pages of a file that somebody still uses. Source: fs/dax.c.
import type { Code, See } from "../../explore/access.ts";
import type { Modelled } from "../../explore/value.ts";
import { countedPage, entryName, headOf, mappings, maps } from "../counts.ts";
import type { DaxEntry } from "../include/linux/dax.ts";
import type { AddressSpace } from "../include/linux/fs.ts";
import type { Page } from "../include/linux/mm_types.ts";
import { page_ref_count } from "../include/linux/page_ref.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE } from "../lib/atomic.ts";
import { nextEntry, pagesOf } from "./dax-entry.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    dax_busy_page: typeof dax_busy_page;
    page_idle_key: typeof page_idle_key;
    dax_mapping_may_be_busy: typeof dax_mapping_may_be_busy;
    dax_layout_busy_page: typeof dax_layout_busy_page;
    dax_layout_busy_page_range: typeof dax_layout_busy_page_range;
    dax_scan_busy_page: typeof dax_scan_busy_page;
    dax_scan_locked_entry: typeof dax_scan_locked_entry;
  }
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
 * Left out: that the lock is dropped for a moment after each 4096 entries.
 *
 * @param start First page of the file; `end` is the last one.
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

/** Ghost state: nobody outside of the file uses the page; what a waiter in break-layouts waits for. */
export const noExternalReference =
  (page: Page) =>
  (see: See): boolean =>
    see(page.heldPins).length === 0 && see(page.heldGets).length === 0;

/** Who holds the folio of a page, in words: who pinned it, who got it, and the entries that hold a reference. */
export const whoHolds =
  (k: Kernel, page: Page) =>
  (see: See): string | null => {
    const head = headOf(k, see, page);
    const pages = [...k.world.mem_map.values()].filter((p) => headOf(k, see, p) === head);
    const users = (names: readonly string[], what: string): string[] =>
      names.length === 0 ? [] : [`${[...new Set(names)].join(" and ")} ${what}`];
    const counted = mappings(k, see).filter((m) => countedPage(k, m.entry) !== null);
    const mappers = counted.filter((m) => pages.some((p) => maps(m, p))).map(entryName);
    const said = [
      ...users(
        pages.flatMap((p) => see(p.heldPins)),
        "pinned it",
      ),
      ...users(
        pages.flatMap((p) => see(p.heldGets)),
        "got it",
      ),
      ...users(mappers, mappers.length === 1 ? "maps it" : "map it"),
    ];
    return said.length === 0 ? null : said.join(", ");
  };
