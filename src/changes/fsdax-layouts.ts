// The file-system half of the series that normalised FS-DAX: who waits for what before blocks go.
import type { Code } from "../explore/access.ts";
import {
  dax_break_layout,
  dax_break_layout_final,
  dax_delete_mapping_range,
  dax_layout_is_broken,
  lastPage,
  wait_page_idle,
} from "../kernel/fs/dax-break-layout.ts";
import { loadEntry, nextEntry, slotOf, untilUnlocked } from "../kernel/fs/dax-entry.ts";
import { clearMarks } from "../kernel/fs/dax-writeback.ts";
import { WARN } from "../kernel/include/asm-generic/bug.ts";
import type { AddressSpace } from "../kernel/include/linux/fs.ts";
import { spin_lock, spin_unlock } from "../kernel/kernel/locking/spinlock.ts";
import { finish_wait, prepare_to_wait, schedule } from "../kernel/kernel/sched/wait.ts";
import { change, type Kernel } from "../kernel/kernel.ts";

const series = (part: string): string => `${part}, of the series that normalised FS-DAX counts (2025, v6.15)`;

export const fuseWholeFile = change({
  name: "fuse-whole-file",
  subject: "fuse: fix dax truncate/punch_hole fault path",
  source: series("first patch"),
  about:
    "Before, truncation and fallocate() of a fuse file passed 0 as the end of the range to unmap and to " +
    "look at, which is the first page. Stable kernels have the fix, too (6.1.192 and 6.12.117 of Debian).",
  functions: {
    /** Models the argument of fuse_dax_break_layouts() in `fs/fuse/dir.c:fuse_do_setattr()` @ v6.15: -1. */
    fuse_whole_file_end: (_k, inode) => inode.i_mapping.i_pages.length - 1,
  },
});

export const unmappedBusyPages = change({
  name: "unmapped-busy-pages",
  subject: "fs/dax: return unmapped busy pages from dax_layout_busy_page_range()",
  source: series("second patch"),
  about: "Before, a file that nobody maps was taken for idle without a look at its pages.",
  functions: {
    /** Models `fs/dax.c:dax_layout_busy_page_range()` @ v6.15: a file that nobody maps is looked at, too. */
    *dax_mapping_may_be_busy() {
      return true;
    },
  },
});

/** Sleeps, as an exclusive waiter, until an entry is unlocked. */
export function* waitForUnlock(k: Kernel, mapping: AddressSpace, index: number): Code {
  const { xa_lock } = mapping;
  const table = k.world.dax_wait_table;
  const entry = yield* loadEntry(k, mapping, index);
  if (entry === null || !entry.locked) return;
  const cell = slotOf(k, mapping, index, entry);
  yield* prepare_to_wait(k, table, cell, true);
  yield* spin_unlock(xa_lock);
  yield* schedule(k, untilUnlocked(cell), table);
  yield* finish_wait(k, table);
  yield* spin_lock(k, xa_lock);
}

export const lockedEntriesAreScanned = change({
  name: "scan-waits-for-locked-entries",
  subject: "fs/dax: don't skip locked entries when scanning entries",
  source: series("third patch"),
  about:
    "Before, the scan for busy pages passed over an entry that somebody had locked, since xas_find_conflict() " +
    "finds nothing from where the iterator already stands. This patch waits for the entry; but it pauses the " +
    "iterator, which moves it on, and so looks at the next entry instead.",
  functions: {
    /**
     * Waits until the entry is unlocked, and then passes over it all the same.
     *
     * Models `fs/dax.c:wait_entry_unlocked_exclusive()` @ v6.15.
     * Context: xa_lock held; dropped to sleep.
     */
    *dax_scan_locked_entry(k, mapping, index) {
      yield* waitForUnlock(k, mapping, index);
      return null;
    },

    /**
     * Models `fs/dax.c:__dax_clear_dirty_range()` @ v6.15: it waits for locked entries, too, and leaves the marks of
     * what it passes over.
     */
    *__dax_clear_dirty_range(k, mapping, first, end) {
      const { xa_lock } = mapping;
      yield* spin_lock(k, xa_lock);
      for (let index = first; index < end; index++) {
        let entry = yield* nextEntry(k, mapping, index, first);
        if (entry?.locked) entry = yield* k.dax_scan_locked_entry(mapping, index);
        if (entry === null) continue;
        yield* clearMarks(k, mapping, index, entry);
        yield* k.put_unlocked_entry(mapping, index, entry, "WAKE_NEXT");
      }
      yield* spin_unlock(xa_lock);
    },
  },
});

export const commonBreakLayout = change({
  name: "common-break-layout",
  subject: "fs/dax: create a common implementation to break DAX layouts",
  source: series("with the refactoring before it"),
  about: "Before, each file system had a loop of its own.",
  adds: {
    wait_page_idle,
    dax_break_layout,
    dax_layout_is_broken,
  },
  functions: {
    /** Models `fs/ext4/inode.c:ext4_break_layouts()` @ v6.15. */
    *ext4_break_layouts(k, inode) {
      yield* k.dax_break_layout(inode, 0, lastPage(inode), "ext4_wait_dax_page");
    },
    /** Models `fs/xfs/xfs_inode.c:xfs_break_dax_layouts()` @ v6.15. */
    *xfs_break_dax_layouts(k, inode) {
      yield* k.dax_break_layout(inode, 0, lastPage(inode), "xfs_wait_dax_page");
      return false;
    },
    /** Models the second half of `fs/xfs/xfs_inode.c:xfs_mmaplock_two_inodes_and_break_dax_layout()` @ v6.15. */
    *xfs_second_inode_is_busy(k, inode) {
      return !(yield* k.dax_break_layout(inode, 0, lastPage(inode), null));
    },
    /** Models `fs/fuse/dax.c:fuse_dax_break_layouts()` @ v6.15. */
    *fuse_dax_break_layouts(k, inode, start, end) {
      yield* k.dax_break_layout(inode, start, end, "fuse_wait_dax_page");
    },
  },
});

export const breakLayoutDeletesEntries = change({
  name: "break-layout-deletes-entries",
  subject: "fs/dax: always remove DAX page-cache entries when breaking layouts",
  source: series("next patch"),
  about: "Before, truncation removed the entries, after the layouts were broken, and only of its own range.",
  adds: { dax_delete_mapping_range },
  functions: {
    /** Models the end of `fs/dax.c:dax_break_layout()` @ v6.15. */
    *dax_layout_is_broken(k, mapping, start, end) {
      yield* k.dax_delete_mapping_range(mapping, start, end);
    },
    /** Models `mm/truncate.c:truncate_folio_batch_exceptionals()` @ v6.15, for one DAX entry: there should be none. */
    *truncate_folio_batch_exceptionals(k, mapping, index) {
      yield* WARN(
        k,
        "no-entry-after-break-layout",
        `page ${index} of ${mapping.host.name} still has an entry when it is truncated`,
      );
      yield* k.dax_delete_mapping_entry(mapping, index);
    },
  },
});

export const evictWaitsForPins = change({
  name: "evict-waits-for-pins",
  subject: "fs/dax: ensure all pages are idle prior to filesystem unmount",
  source: series("next patch"),
  about:
    "Before, an inode was forgotten with its pages in use; when its file was truncated later, nothing told " +
    "of them, and their blocks were freed. ext4 and XFS wait since then; fuse, which the patch left out, does not.",
  adds: { dax_break_layout_final },
  functions: {
    /** Models `fs/ext4/inode.c:ext4_evict_inode()` @ v6.15. */
    *ext4_evict_inode(k, inode) {
      yield* k.dax_break_layout_final(inode);
      yield* k.below.ext4_evict_inode(inode);
    },
    /** Models `fs/xfs/xfs_super.c:xfs_fs_evict_inode()` @ v6.15. */
    *xfs_fs_evict_inode(k, inode) {
      yield* k.dax_break_layout_final(inode);
      yield* k.below.xfs_fs_evict_inode(inode);
    },
  },
});

/** In the order of the series. */
export const fsdaxLayouts = [
  fuseWholeFile,
  unmappedBusyPages,
  lockedEntriesAreScanned,
  commonBreakLayout,
  breakLayoutDeletesEntries,
  evictWaitsForPins,
];
