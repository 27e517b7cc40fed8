// Taking pages of a file out of page tables and page cache. Source: mm/truncate.c.
import { type Code, rmw } from "../../explore/access.ts";
import { nextEntry } from "../fs/dax-entry.ts";
import type { DaxEntry } from "../include/linux/dax.ts";
import type { AddressSpace, Inode } from "../include/linux/fs.ts";
import { pmdStart } from "../include/linux/pgtable.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE } from "../lib/atomic.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    truncate_folio_batch_exceptionals: typeof truncate_folio_batch_exceptionals;
    truncate_inode_pages_range: typeof truncate_inode_pages_range;
    truncate_pagecache: typeof truncate_pagecache;
    truncate_pagecache_range: typeof truncate_pagecache_range;
    invalidate_inode_pages2_range: typeof invalidate_inode_pages2_range;
  }
}

/**
 * Removes a DAX entry that truncation has found.
 *
 * Models `mm/truncate.c:truncate_folio_batch_exceptionals()` @ v6.12, for one DAX entry.
 */
export function* truncate_folio_batch_exceptionals(k: Kernel, mapping: AddressSpace, index: number): Code {
  yield* k.dax_delete_mapping_entry(mapping, index);
}

/** What the walk of a range finds at a page of the file: a PMD entry also where the range begins within it. */
function* entryOf(k: Kernel, mapping: AddressSpace, index: number, first: number): Code<DaxEntry | null> {
  const cell = mapping.i_pages[index];
  if (cell === undefined) return null;
  if (pmdStart(k, index) === index) return yield* READ_ONCE(cell);
  return yield* nextEntry(k, mapping, index, first);
}

/**
 * Removes the entries of a range of a file.
 *
 * Models `mm/truncate.c:truncate_inode_pages_range()` @ v6.12, on a DAX file: entries are looked up
 * without the lock, and each is removed under it.
 *
 * @param first First page; `end` is one past the last.
 */
export function* truncate_inode_pages_range(
  k: Kernel,
  mapping: AddressSpace,
  first: number,
  end: number,
): Code {
  for (let index = first; index < end; index++) {
    const entry = yield* entryOf(k, mapping, index, first);
    if (entry !== null) yield* k.truncate_folio_batch_exceptionals(mapping, index);
  }
}

/**
 * Takes the pages beyond a new end of a file out of page tables and page cache.
 *
 * Models `mm/truncate.c:truncate_pagecache()` @ v6.12.
 * Left out: the second unmapping, for private copies that a fault made meanwhile.
 */
export function* truncate_pagecache(k: Kernel, inode: Inode, newsize: number): Code {
  const mapping = inode.i_mapping;
  const end = mapping.i_pages.length;
  if (newsize >= end) return;
  yield* k.unmap_mapping_pages(mapping, newsize, end - newsize, true);
  yield* k.truncate_inode_pages_range(mapping, newsize, end);
}

/**
 * Takes pages of a file out of page tables and page cache.
 *
 * Models `mm/truncate.c:truncate_pagecache_range()` @ v6.12, on a DAX file.
 *
 * @param first First page of the file; `end` is one past the last.
 */
export function* truncate_pagecache_range(k: Kernel, inode: Inode, first: number, end: number): Code {
  const mapping = inode.i_mapping;
  yield* k.unmap_mapping_pages(mapping, first, end - first);
  yield* k.truncate_inode_pages_range(mapping, first, end);
}

/**
 * Has a file no entry at all? One look at the root of the tree, without its lock.
 *
 * Models `include/linux/pagemap.h:mapping_empty()` @ v6.12; v5.10 asks for two counts, which change with the entries.
 */
function* mapping_empty({ i_pages }: AddressSpace): Code<boolean> {
  return yield* rmw([...i_pages], (...entries: (DaxEntry | null)[]) => ({
    next: entries,
    result: entries.every((entry) => entry === null),
  }));
}

/**
 * Removes the clean entries of a range, and only afterwards the mappings; of a file without any entry not even those. A
 * writer calls it with i_rwsem held and without invalidate_lock, so faults may map the pages again meanwhile.
 *
 * Models `mm/truncate.c:invalidate_inode_pages2_range()` @ v6.12, on a DAX file.
 *
 * @param first First page; `end` is one past the last.
 * @returns whether every entry was removed; the kernel says -EBUSY if not.
 */
export function* invalidate_inode_pages2_range(
  k: Kernel,
  mapping: AddressSpace,
  first: number,
  end: number,
): Code<boolean> {
  if (yield* mapping_empty(mapping)) return true;
  let all = true;
  for (let index = first; index < end; index++) {
    const entry = yield* entryOf(k, mapping, index, first);
    if (entry === null) continue;
    const removed = yield* k.dax_invalidate_mapping_entry_sync(mapping, index);
    if (!removed) all = false;
  }
  yield* k.unmap_mapping_pages(mapping, first, end - first);
  return all;
}
