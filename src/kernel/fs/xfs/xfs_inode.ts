// XFS: waiting until nobody uses the pages of a file, or of two; a new size; the end of an inode.
// Source: fs/xfs/xfs_inode.c, fs/xfs/xfs_iops.c, fs/xfs/xfs_super.c, fs/xfs/xfs_bmap_util.c.
// Left out everywhere: the log (a block is free at once). Simplified everywhere: ILOCK; what is done under it is one step.
import type { Code, Wait } from "../../../explore/access.ts";
import type { FileSystemType, Inode } from "../../include/linux/fs.ts";
import type { Page } from "../../include/linux/mm_types.ts";
import { page_ref_count } from "../../include/linux/page_ref.ts";
import { down_write, up_write } from "../../kernel/locking/rwsem.ts";
import { schedule } from "../../kernel/sched/wait.ts";
import type { Kernel } from "../../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../../lib/atomic.ts";
import { dropBlock, endOfBlocks, extentOf, shiftBlocks } from "../blocks.ts";
import { untilIdle } from "../ext4/inode.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    xfs_wait_dax_page: typeof xfs_wait_dax_page;
    xfs_break_dax_layouts: typeof xfs_break_dax_layouts;
    xfs_break_layouts: typeof xfs_break_layouts;
    xfs_second_inode_is_busy: typeof xfs_second_inode_is_busy;
    xfs_mmaplock_two_inodes_and_break_dax_layout: typeof xfs_mmaplock_two_inodes_and_break_dax_layout;
    xfs_vn_setattr: typeof xfs_vn_setattr;
    xfs_free_file_space: typeof xfs_free_file_space;
    xfs_collapse_file_space: typeof xfs_collapse_file_space;
    xfs_insert_file_space: typeof xfs_insert_file_space;
    xfs_fs_evict_inode: typeof xfs_fs_evict_inode;
  }
}

/** The operations of XFS. */
export const xfs: FileSystemType = {
  name: "xfs",
  huge_fault: "xfs_dax_fault",
  writenotify: true,
  mixedmap: false,
  mmap_sync: true,
  mmap: null,
  iomap_begin: "xfs_iomap_begin",
  iomap_end: "xfs_dax_write_iomap_end",
  write_iter: "dax_iomap_rw",
  setattr: "xfs_vn_setattr",
  fallocate: "xfs_file_fallocate",
  remap_file_range: "xfs_file_remap_range",
  holder: true,
  drops_inode: false,
  evict_inode: "xfs_fs_evict_inode",
};

/** Models `fs/xfs/xfs_inode.c:xfs_wait_dax_page()` @ v6.12: sleeps without the lock that keeps faults out. */
export function* xfs_wait_dax_page(k: Kernel, inode: Inode, wait: Wait): Code {
  const { invalidate_lock } = inode.i_mapping;
  yield* up_write(invalidate_lock);
  yield* schedule(k, wait);
  yield* down_write(k, invalidate_lock);
}

/**
 * Unmaps a file; if somebody uses one of its pages, waits for that page.
 *
 * Models `fs/xfs/xfs_inode.c:xfs_break_dax_layouts()` @ v6.12; v6.1 has it in xfs_file.c.
 * Left out: signals, which end the wait.
 * Context: MMAPLOCK held exclusively; dropped to sleep.
 *
 * @returns whether it has waited: then the caller must look again.
 */
export function* xfs_break_dax_layouts(k: Kernel, inode: Inode): Code<boolean> {
  const page = yield* k.dax_layout_busy_page(inode.i_mapping);
  if (page === null) return false;
  yield* k.___wait_var_event(
    page._refcount,
    function* idle(): Code<boolean> {
      return (yield* page_ref_count(page)) === 1;
    },
    function* cmd(wait: Wait): Code {
      yield* k.xfs_wait_dax_page(inode, wait);
    },
    untilIdle(k, page, 1),
  );
  return true;
}

/**
 * Unmaps a file and waits until nobody uses its pages.
 *
 * Models `fs/xfs/xfs_inode.c:xfs_break_layouts()` @ v6.12, BREAK_UNMAP.
 * Left out: leases of pNFS clients.
 */
export function* xfs_break_layouts(k: Kernel, inode: Inode): Code {
  for (;;) {
    const retry = yield* k.xfs_break_dax_layouts(inode);
    if (!retry) return;
  }
}

/**
 * Is a page of the second of two files in use? It may not be waited for with the lock of the first held.
 *
 * Models the second half of `fs/xfs/xfs_inode.c:xfs_mmaplock_two_inodes_and_break_dax_layout()` @ v6.12.
 */
export function* xfs_second_inode_is_busy(k: Kernel, inode: Inode): Code<boolean> {
  const page: Page | null = yield* k.dax_layout_busy_page(inode.i_mapping);
  return page !== null && (yield* page_ref_count(page)) !== 1;
}

/**
 * Locks two files against faults, and waits until nobody uses a page of either.
 *
 * Models `fs/xfs/xfs_inode.c:xfs_mmaplock_two_inodes_and_break_dax_layout()` @ v6.12: while a page of the
 * second file is busy, it starts again without sleeping.
 */
export function* xfs_mmaplock_two_inodes_and_break_dax_layout(k: Kernel, one: Inode, two: Inode): Code {
  // In order of inode number, which is that of names here.
  const first = one.name <= two.name ? one : two;
  const second = first === one ? two : one;
  for (;;) {
    yield* down_write(k, first.i_mapping.invalidate_lock);
    const retry = yield* k.xfs_break_dax_layouts(first);
    if (!retry) {
      if (first === second) return;
      yield* down_write(k, second.i_mapping.invalidate_lock);
      const busy = yield* k.xfs_second_inode_is_busy(second);
      if (!busy) return;
      yield* up_write(second.i_mapping.invalidate_lock);
    }
    yield* up_write(first.i_mapping.invalidate_lock);
  }
}

/**
 * Gives a file a new size.
 *
 * Models `fs/xfs/xfs_iops.c:xfs_vn_setattr()` and `xfs_setattr_size()` @ v6.12.
 * Context: IOLOCK held exclusively.
 *
 * @param size In pages.
 */
export function* xfs_vn_setattr(k: Kernel, inode: Inode, size: number): Code {
  const { invalidate_lock } = inode.i_mapping;
  yield* down_write(k, invalidate_lock);
  yield* k.xfs_break_layouts(inode);
  yield* WRITE_ONCE(inode.i_size, size);
  yield* k.truncate_pagecache(inode, size);
  for (let index = size; index < inode.i_data.length; index++) {
    yield* dropBlock(k, inode, extentOf(inode, index));
  }
  yield* up_write(invalidate_lock);
}

/**
 * Gives the blocks of a range back.
 *
 * Models `fs/xfs/xfs_bmap_util.c:xfs_free_file_space()` @ v6.12, with xfs_flush_unmap_range().
 * Context: IOLOCK and MMAPLOCK held exclusively, layouts broken.
 *
 * @param first First page of the range; `end` is one past the last.
 */
export function* xfs_free_file_space(k: Kernel, inode: Inode, first: number, end: number): Code {
  yield* k.dax_writeback_mapping_range(inode.i_mapping, first, endOfBlocks(inode, end));
  yield* k.truncate_pagecache_range(inode, first, end);
  for (let index = first; index < endOfBlocks(inode, end); index++)
    yield* dropBlock(k, inode, extentOf(inode, index));
}

/**
 * Takes a range out of a file: what follows moves down.
 *
 * Models `fs/xfs/xfs_bmap_util.c:xfs_collapse_file_space()` @ v6.12.
 * Context: IOLOCK and MMAPLOCK held exclusively, layouts broken.
 *
 * @param first First page of the range; `end` is one past the last.
 */
export function* xfs_collapse_file_space(k: Kernel, inode: Inode, first: number, end: number): Code {
  yield* k.xfs_free_file_space(inode, first, end);
  yield* xfs_prepare_shift(k, inode, end);
  yield* shiftBlocks(inode, first, first - end);
  const size = yield* READ_ONCE(inode.i_size);
  yield* WRITE_ONCE(inode.i_size, size - (end - first));
}

/**
 * Makes a hole in a file: what is there moves up.
 *
 * Models `fs/xfs/xfs_bmap_util.c:xfs_insert_file_space()` @ v6.12, after the file was made longer.
 * Context: IOLOCK and MMAPLOCK held exclusively, layouts broken.
 *
 * @param first First page of the range; `end` is one past the last.
 */
export function* xfs_insert_file_space(k: Kernel, inode: Inode, first: number, end: number): Code {
  const size = yield* READ_ONCE(inode.i_size);
  yield* WRITE_ONCE(inode.i_size, size + end - first);
  yield* xfs_prepare_shift(k, inode, first);
  yield* shiftBlocks(inode, first, end - first);
}

/**
 * What is to move leaves the page cache, and so does the page before it.
 *
 * Models `fs/xfs/xfs_bmap_util.c:xfs_prepare_shift()` @ v6.12.
 * Left out: copies that were left over in the CoW fork, of which there are none here.
 */
function* xfs_prepare_shift(k: Kernel, inode: Inode, from: number): Code {
  const first = Math.max(from - 1, 0);
  const end = inode.i_data.length;
  yield* k.dax_writeback_mapping_range(inode.i_mapping, first, end);
  yield* k.truncate_pagecache_range(inode, first, end);
}

/**
 * Forgets an inode that nobody uses any more; if the file has no name, its blocks go too.
 *
 * Models the eviction of an inode of XFS @ v6.12: `fs/inode.c:evict()`, for XFS has no evict_inode of its
 * own, and `fs/xfs/xfs_inode.c:xfs_inactive()`.
 * Simplified: from v5.15 on a worker gives the blocks back, later, and only he waits if the file system is frozen.
 */
export function* xfs_fs_evict_inode(k: Kernel, inode: Inode): Code {
  yield* k.truncate_inode_pages_range(inode.i_mapping, 0, inode.i_mapping.i_pages.length);
  if ((yield* READ_ONCE(inode.i_nlink)) > 0) return;
  yield* k.sb_start_intwrite(inode.i_sb);
  for (let index = 0; index < inode.i_data.length; index++) {
    yield* dropBlock(k, inode, extentOf(inode, index));
  }
  yield* k.sb_end_intwrite(inode.i_sb);
}
