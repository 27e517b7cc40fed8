// DAX: write(2), and writing back what programs stored through mappings. Source: fs/dax.c.

import { pfn as toPfn } from "../../base/brand.ts";
import { type Code, rmw } from "../../explore/access.ts";
import { pfn_to_page } from "../include/linux/mm.ts";
import type { AddressSpace, DaxEntry, DaxMarks, Inode } from "../include/linux/mm_types.ts";
import { down_read, up_read } from "../kernel/locking/rwsem.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE } from "../lib/atomic.ts";
import { xa_locked } from "../lib/xarray.ts";
import { entryCell, marksCell } from "./dax.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    dax_iomap_rw: typeof dax_iomap_rw;
    dax_write_invalidates: typeof dax_write_invalidates;
    __dax_clear_dirty_range: typeof __dax_clear_dirty_range;
    dax_writeback_one: typeof dax_writeback_one;
    dax_writeback_mapping_range: typeof dax_writeback_mapping_range;
  }
}

/**
 * Writes to a page of a file, past the CPU's caches.
 *
 * Models `fs/dax.c:dax_iomap_rw()` and `dax_iomap_iter()` @ v6.12, a write of one page.
 * Left out: reads, the liveness of the device, the copying.
 * Context: i_rwsem held for writing; invalidate_lock not held.
 *
 * @returns false if there is no block for it.
 */
export function* dax_iomap_rw(k: Kernel, inode: Inode, index: number): Code<boolean> {
  const { iomap_begin, iomap_end } = inode.i_sb.s_type;
  const iomap = yield* k[iomap_begin](inode, index, true);
  if (iomap === null) return false;
  yield* k.dax_write_invalidates(inode.i_mapping, index, iomap.fresh, iomap.shared);
  if (iomap_end !== null) yield* k[iomap_end](inode, index, iomap);
  return true;
}

/**
 * Takes away what programs have mapped in place of the block that is written to: a page of zeroes.
 *
 * Models the test of IOMAP_F_NEW in `fs/dax.c:dax_iomap_iter()` @ v5.18.
 */
export function* dax_write_invalidates(
  k: Kernel,
  mapping: AddressSpace,
  index: number,
  fresh: boolean,
  _shared: boolean,
): Code {
  if (fresh) yield* k.invalidate_inode_pages2_range(mapping, index, index + 1);
}

/**
 * Makes the entries of a range look clean, so that they can be invalidated.
 *
 * Models `fs/dax.c:__dax_clear_dirty_range()` @ v6.12.
 *
 * @param first First page; `end` is one past the last.
 */
export function* __dax_clear_dirty_range(k: Kernel, mapping: AddressSpace, first: number, end: number): Code {
  const { xa_lock } = mapping;
  yield* spin_lock(k, xa_lock);
  for (let index = first; index < end; index++) {
    let entry = yield* READ_ONCE(entryCell(mapping, index));
    if (entry === null) continue;
    if (entry.locked) entry = yield* k.dax_scan_locked_entry(mapping, index);
    yield* rmw([marksCell(mapping, index)], () => ({
      next: [{ dirty: false, towrite: false }],
      result: null,
    }));
    yield* k.put_unlocked_entry(mapping, index, entry, "WAKE_NEXT");
  }
  yield* spin_unlock(xa_lock);
}

/**
 * Writes one page back: takes away the right to write to it, and flushes it out of the CPU's caches. An
 * entry that somebody else has locked is passed over.
 *
 * Models `fs/dax.c:dax_writeback_one()` @ v6.12. It too calls get_unlocked_entry() with an iterator that
 * stands on the entry, which gives nothing; what follows there for an entry found never happens.
 * Context: xa_lock held; dropped meanwhile.
 */
export function* dax_writeback_one(k: Kernel, mapping: AddressSpace, index: number, entry: DaxEntry): Code {
  if (entry.locked) return;
  const { xa_lock, i_mmap, i_mmap_rwsem } = mapping;
  const cell = entryCell(mapping, index);
  const marks = marksCell(mapping, index);
  const { unflushed } = pfn_to_page(k, toPfn(entry.pfn));
  yield* rmw([cell, marks], (_old: DaxEntry, old: DaxMarks) => ({
    next: [
      { ...entry, locked: true },
      { ...old, towrite: false },
    ],
    result: null,
  }));
  yield* spin_unlock(xa_lock);

  yield* down_read(k, i_mmap_rwsem);
  const vmas = yield* READ_ONCE(i_mmap);
  for (const vma of vmas) {
    if (index < vma.vm_pgoff || index >= vma.vm_pgoff + vma.vm_pages) continue;
    yield* k.pfn_mkclean_range(vma, vma.vm_start + index - vma.vm_pgoff, entry.pfn);
  }
  yield* up_read(k, i_mmap_rwsem);
  yield* rmw([unflushed], () => ({ next: [false], result: null }), { note: { text: () => "dax_flush()" } });

  yield* spin_lock(k, xa_lock);
  yield* rmw([cell, marks], (_old: DaxEntry, old: DaxMarks) => ({
    next: [
      { ...entry, locked: false },
      { ...old, dirty: false },
    ],
    result: null,
  }));
  yield* k.dax_wake_entry(mapping, index, "WAKE_NEXT");
}

/**
 * Writes the dirty pages of a range back.
 *
 * Models `fs/dax.c:dax_writeback_mapping_range()` @ v6.12.
 *
 * @param first First page; `end` is one past the last.
 */
export function* dax_writeback_mapping_range(
  k: Kernel,
  mapping: AddressSpace,
  first: number,
  end: number,
): Code {
  const { xa_lock } = mapping;
  // tag_pages_for_writeback()
  yield* xa_locked(mapping, mapping.i_marks.slice(first, end), (...all: DaxMarks[]) => ({
    next: all.map((m) => ({ ...m, towrite: m.towrite || m.dirty })),
    result: null,
  }));
  yield* spin_lock(k, xa_lock);
  for (let index = first; index < end; index++) {
    const { towrite } = yield* READ_ONCE(marksCell(mapping, index));
    const entry = yield* READ_ONCE(entryCell(mapping, index));
    if (towrite && entry !== null && entry.kind === "normal") {
      yield* k.dax_writeback_one(mapping, index, entry);
    }
  }
  yield* spin_unlock(xa_lock);
}
