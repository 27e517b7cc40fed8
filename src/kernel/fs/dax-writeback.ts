// DAX: write(2), and writing back what programs stored through mappings. Source: fs/dax.c.
import { type Code, rmw } from "../../explore/access.ts";
import { type DaxEntry, type DaxMarks, NO_MARKS } from "../include/linux/dax.ts";
import { type AddressSpace, fileSystemType, type Inode } from "../include/linux/fs.ts";
import type { VmArea } from "../include/linux/mm_types.ts";
import { pmdPages, pmdStart } from "../include/linux/pgtable.ts";
import { down_read, up_read } from "../kernel/locking/rwsem.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../lib/atomic.ts";
import { xa_locked } from "../lib/xarray.ts";
import { marksCell, nextEntry, pagesOf, placeOf } from "./dax-entry.ts";
import { entryCell, storeEntries } from "./dax-store.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    dax_iomap_rw: typeof dax_iomap_rw;
    dax_write_invalidates: typeof dax_write_invalidates;
    __dax_clear_dirty_range: typeof __dax_clear_dirty_range;
    dax_writeback_one: typeof dax_writeback_one;
    dax_entry_mkclean: typeof dax_entry_mkclean;
    dax_writeback_mapping_range: typeof dax_writeback_mapping_range;
  }
}

/**
 * Writes to a page of a file, past the CPU's caches.
 *
 * Models `fs/dax.c:dax_iomap_rw()` and `dax_iomap_iter()` @ v6.12, a write of one page.
 * Left out: reads, the copying.
 * Context: i_rwsem held for writing; invalidate_lock not held.
 *
 * @returns false if there is no block for it, or the device has gone.
 */
export function* dax_iomap_rw(k: Kernel, inode: Inode, index: number): Code<boolean> {
  const { iomap_begin, iomap_end } = fileSystemType(inode.i_sb, `an access to ${inode.name}`);
  const iomap = yield* k[iomap_begin](inode, index, 1, true);
  if (iomap === null) return false;
  yield* k.dax_write_invalidates(inode.i_mapping, index, iomap.fresh, iomap.shared);
  const alive = yield* k.dax_alive(inode.i_sb);
  if (iomap_end !== null) yield* k[iomap_end](inode, index, iomap, alive);
  return alive;
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
 * Makes the entries of a range look clean, so that they can be invalidated; locked ones, too.
 *
 * Models `fs/dax.c:__dax_clear_dirty_range()` @ v6.12. Its get_unlocked_entry() starts from an iterator that stands
 * on the entry, which gives nothing: it waits for nobody, and nobody is woken.
 *
 * @param first First page; `end` is one past the last.
 */
export function* __dax_clear_dirty_range(k: Kernel, mapping: AddressSpace, first: number, end: number): Code {
  const { xa_lock } = mapping;
  yield* spin_lock(k, xa_lock);
  for (let index = first; index < end; index++) {
    const entry = yield* nextEntry(k, mapping, index, first);
    if (entry !== null) yield* clearMarks(k, mapping, index, entry);
  }
  yield* spin_unlock(xa_lock);
}

/** Takes both marks from an entry of a page. */
export function* clearMarks(k: Kernel, mapping: AddressSpace, index: number, entry: DaxEntry): Code {
  yield* WRITE_ONCE(marksCell(mapping, entry.pmd ? pmdStart(k, index) : index), NO_MARKS);
}

/**
 * Writes the pages of an entry back: takes away the right to write to them, and flushes them out of the CPU's
 * caches. An entry that somebody else has locked is passed over.
 *
 * Models `fs/dax.c:dax_writeback_one()` @ v6.12. It too calls get_unlocked_entry() with an iterator that
 * stands on the entry, which gives nothing; what follows there for an entry found never happens.
 * Context: xa_lock held; dropped meanwhile.
 *
 * @param index A page of the entry, not always the first.
 */
export function* dax_writeback_one(k: Kernel, mapping: AddressSpace, index: number, entry: DaxEntry): Code {
  if (entry.locked) return;
  const { xa_lock, i_mmap, i_mmap_rwsem } = mapping;
  const count = entry.pmd ? pmdPages(k) : 1;
  const first = placeOf(k, index, entry);
  const marks = marksCell(mapping, first);
  const unflushed = pagesOf(k, entry).map((page) => page.unflushed);
  yield* storeEntries(k, mapping, [first], [marks], (_old: DaxEntry, old: DaxMarks) => ({
    next: [
      { ...entry, locked: true },
      { ...old, towrite: false },
    ],
    result: null,
  }));
  yield* spin_unlock(xa_lock);

  yield* down_read(k, i_mmap_rwsem);
  const vmas = yield* READ_ONCE(i_mmap);
  for (const vma of vmas) yield* k.dax_entry_mkclean(vma, first, count, entry.pfn);
  yield* up_read(k, i_mmap_rwsem);
  yield* rmw(unflushed, (...all: boolean[]) => ({ next: all.map(() => false), result: null }), {
    note: { text: () => "dax_flush()" },
  });

  yield* spin_lock(k, xa_lock);
  yield* storeEntries(k, mapping, [first], [marks], (_old: DaxEntry, old: DaxMarks) => ({
    next: [
      { ...entry, locked: false },
      { ...old, dirty: false },
    ],
    result: null,
  }));
  yield* k.dax_wake_entry(mapping, first, "WAKE_NEXT");
}

/**
 * Takes the right to write to the pages of an entry away from one mapping of the file: through the entry that maps the
 * first of them, if that is in the mapping.
 *
 * Models one turn of the loop of `fs/dax.c:dax_entry_mkclean()` @ v5.10.
 *
 * @param first First page of the file; `pfn` is its page frame, and `count` the number of pages.
 */
export function* dax_entry_mkclean(k: Kernel, vma: VmArea, first: number, _count: number, pfn: number): Code {
  const offset = first - vma.vm_pgoff;
  if (offset < 0 || offset >= vma.vm_pages) return;
  yield* k.pfn_mkclean_range(vma, vma.vm_start + offset, 1, pfn);
}

const toWrite = (m: DaxMarks): DaxMarks => ({ ...m, towrite: m.towrite || m.dirty });

/**
 * Marks the dirty entries of a range for those who write back, that of a PMD which begins before the range, too.
 *
 * Models `mm/page-writeback.c:tag_pages_for_writeback()` @ v6.12.
 */
function* tagForWriteback(k: Kernel, mapping: AddressSpace, first: number, end: number): Code {
  const marks = mapping.i_marks.slice(first, end);
  const before = first < end ? pmdStart(k, first) : first;
  if (before === first) {
    yield* xa_locked(mapping, marks, (...all: DaxMarks[]) => ({ next: all.map(toWrite), result: null }));
    return;
  }
  yield* xa_locked(
    mapping,
    [entryCell(mapping, before), marksCell(mapping, before), ...marks],
    (entry: DaxEntry | null, own: DaxMarks, ...all: DaxMarks[]) => ({
      next: [entry, entry?.pmd ? toWrite(own) : own, ...all.map(toWrite)],
      result: null,
    }),
  );
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
  yield* tagForWriteback(k, mapping, first, end);
  yield* spin_lock(k, xa_lock);
  for (let index = first; index < end; index++) {
    const entry = yield* nextEntry(k, mapping, index, first);
    if (entry === null) continue;
    const { towrite } = yield* READ_ONCE(marksCell(mapping, entry.pmd ? pmdStart(k, index) : index));
    if (towrite) yield* k.dax_writeback_one(mapping, index, entry);
  }
  yield* spin_unlock(xa_lock);
}
