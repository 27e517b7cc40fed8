// ext4: blocks of a file, waiting for its pages, and giving blocks back. Source: fs/ext4/inode.c,
// fs/ext4/extents.c. Left out everywhere: the journal (a block is free at once), partial blocks, preallocation.
import { hex } from "../../../base/brand.ts";
import type { Code, See, Wait } from "../../../explore/access.ts";
import { EINVAL } from "../../include/asm-generic/errno-base.ts";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  type FallocMode,
  type FileSystemType,
  type Inode,
  type Iomap,
} from "../../include/linux/fs.ts";
import type { Page } from "../../include/linux/mm_types.ts";
import { page_ref_count } from "../../include/linux/page_ref.ts";
import { down_write, up_write } from "../../kernel/locking/rwsem.ts";
import { schedule } from "../../kernel/sched/wait.ts";
import type { Kernel } from "../../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../../lib/atomic.ts";
import { dropBlock, endOfBlocks, extentOf, extentsOf, lookUp, type Taken, takeBlocks } from "../blocks.ts";
import { noExternalReference, whoHolds } from "../dax-layout.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    ext4_iomap_begin: typeof ext4_iomap_begin;
    ext4_map_create_blocks: typeof ext4_map_create_blocks;
    ext4_free_block: typeof ext4_free_block;
    ext4_wait_dax_page: typeof ext4_wait_dax_page;
    ext4_break_layouts: typeof ext4_break_layouts;
    ext4_fallocate: typeof ext4_fallocate;
    ext4_punch_hole: typeof ext4_punch_hole;
    ext4_hole_is_beyond_end: typeof ext4_hole_is_beyond_end;
    ext4_collapse_range: typeof ext4_collapse_range;
    ext4_write_back_what_moves: typeof ext4_write_back_what_moves;
    ext4_setattr: typeof ext4_setattr;
    ext4_truncate: typeof ext4_truncate;
    ext4_evict_inode: typeof ext4_evict_inode;
  }
}

/** The operations of ext4. */
export const ext4: FileSystemType = {
  name: "ext4",
  huge_fault: "ext4_dax_fault",
  writenotify: true,
  mmap: null,
  iomap_begin: "ext4_iomap_begin",
  iomap_end: null,
  setattr: "ext4_setattr",
  fallocate: "ext4_fallocate",
  remap_file_range: null,
  holder: false,
  drops_inode: false,
  evict_inode: "ext4_evict_inode",
};

/**
 * The blocks with which a range of the file begins; a write into a hole allocates some.
 *
 * Models `fs/ext4/inode.c:ext4_iomap_begin()` and `ext4_map_blocks()` @ v6.12.
 * Simplified: i_data_sem. To look without it, or holding it for reading, is one step; to look again and to allocate,
 * holding it for writing, is another.
 *
 * @returns null if there is no block left.
 */
export function* ext4_iomap_begin(
  k: Kernel,
  inode: Inode,
  index: number,
  pages: number,
  write: boolean,
): Code<Iomap | null> {
  let run = yield* lookUp(extentsOf(inode, index, pages));
  let fresh = false;
  if (run.pfn === null && write) {
    const taken = yield* k.ext4_map_create_blocks(inode, index, pages);
    if (taken === null) return null;
    run = { pfn: taken.block, pages: taken.pages };
    fresh = taken.fresh;
  }
  // Only a write asks whether the metadata is on disk.
  const dirty = write && (fresh || (yield* READ_ONCE(inode.i_dirty)));
  return { pfn: run.pfn, pages: run.pages, shared: false, fresh, dirty };
}

/**
 * Gives the hole with which a range of the file begins blocks in one piece: aligned ones if it fills the range, or the
 * lowest that are free; or tells which ones the file has by now.
 *
 * Models `fs/ext4/inode.c:ext4_map_create_blocks()` and `fs/ext4/mballoc.c:ext4_mb_new_blocks()` @ v6.12.
 * Context: i_data_sem would be held for writing.
 *
 * @returns null if there is none.
 */
export function* ext4_map_create_blocks(
  k: Kernel,
  inode: Inode,
  index: number,
  pages: number,
): Code<Taken | null> {
  return yield* takeBlocks(k, inode, extentsOf(inode, index, pages));
}

/**
 * Takes the block of a page of the file away. From here on another file may get it.
 *
 * Models `fs/ext4/extents.c:ext4_ext_remove_space()` @ v6.12, for one block.
 */
export function* ext4_free_block(k: Kernel, inode: Inode, index: number): Code {
  yield* dropBlock(k, inode, extentOf(inode, index));
}

/**
 * Sleeps without the lock that keeps faults out.
 *
 * Models `fs/ext4/inode.c:ext4_wait_dax_page()` @ v6.12.
 */
export function* ext4_wait_dax_page(k: Kernel, inode: Inode, wait: Wait): Code {
  const { invalidate_lock } = inode.i_mapping;
  yield* up_write(invalidate_lock);
  yield* schedule(k, wait);
  yield* down_write(k, invalidate_lock);
}

/**
 * Unmaps a file and waits until nobody uses its pages.
 *
 * Models `fs/ext4/inode.c:ext4_break_layouts()` @ v6.12.
 * Context: i_rwsem and invalidate_lock held for writing; the latter is dropped to sleep.
 */
export function* ext4_break_layouts(k: Kernel, inode: Inode): Code {
  for (;;) {
    const page = yield* k.dax_layout_busy_page(inode.i_mapping);
    if (page === null) return;
    yield* k.___wait_var_event(
      page._refcount,
      function* idle(): Code<boolean> {
        return (yield* page_ref_count(page)) === 1;
      },
      function* cmd(wait: Wait): Code {
        yield* k.ext4_wait_dax_page(inode, wait);
      },
      untilIdle(k, page, 1),
    );
  }
}

/** What a waiter in break-layouts waits for: a count; and why: that nobody outside uses the page. */
export const untilIdle = (k: Kernel, page: Page, count: number): Wait => ({
  text: `_refcount == ${count} of pfn ${hex(page.pfn)}`,
  condition: (see: See) => see(page._refcount) === count,
  goal: noExternalReference(page),
  obstacle: whoHolds(k, page),
});

/**
 * Takes blocks of a file away.
 *
 * Models `fs/ext4/extents.c:ext4_fallocate()` @ v6.12. In v7.2 it takes the locks and breaks the layouts
 * for all modes, in the order in which each does here.
 * Left out: allocation, zero and insert range.
 *
 * @param first First page of the range; `end` is one past the last.
 */
export function* ext4_fallocate(
  k: Kernel,
  inode: Inode,
  mode: FallocMode,
  first: number,
  end: number,
): Code<number> {
  if (mode === FALLOC_FL_COLLAPSE_RANGE) return yield* k.ext4_collapse_range(inode, first, end);
  yield* k.ext4_punch_hole(inode, first, end);
  return 0;
}

/**
 * Is there nothing to be done for a hole, since the file ends before it?
 *
 * Models the test at the beginning of `fs/ext4/inode.c:ext4_punch_hole()` @ v6.1.
 * Context: i_rwsem held for writing.
 */
export function* ext4_hole_is_beyond_end(_k: Kernel, inode: Inode, first: number): Code<boolean> {
  return first >= (yield* READ_ONCE(inode.i_size));
}

/**
 * Gives blocks of a file back, after nobody uses their pages any more.
 *
 * Models `fs/ext4/inode.c:ext4_punch_hole()` @ v6.12.
 * Left out: waiting for direct I/O on the file itself; writing the range back first.
 *
 * @param first First page of the hole; `end` is one past the last.
 */
export function* ext4_punch_hole(k: Kernel, inode: Inode, first: number, end: number): Code {
  const { i_rwsem, i_mapping } = inode;
  yield* down_write(k, i_rwsem);
  if (yield* k.ext4_hole_is_beyond_end(inode, first)) {
    yield* up_write(i_rwsem);
    return;
  }
  yield* down_write(k, i_mapping.invalidate_lock);
  yield* k.ext4_break_layouts(inode);
  yield* k.truncate_pagecache_range(inode, first, end);
  for (let index = first; index < endOfBlocks(inode, end); index++) yield* k.ext4_free_block(inode, index);
  yield* up_write(i_mapping.invalidate_lock);
  yield* up_write(i_rwsem);
}

/**
 * Takes a range out of a file, after nobody uses its pages any more: what follows moves down.
 *
 * Models `fs/ext4/extents.c:ext4_collapse_range()` @ v6.1.
 * Left out: waiting for direct I/O on the file itself; that v6.14 and 6.12.117 break the layouts before they look at the
 * size.
 *
 * @returns 0, or -EINVAL for a range that reaches the end of the file: that is a truncation.
 */
export function* ext4_collapse_range(k: Kernel, inode: Inode, first: number, end: number): Code<number> {
  const { i_data, i_mapping, i_rwsem, i_size } = inode;
  yield* down_write(k, i_rwsem);
  const size = yield* READ_ONCE(i_size);
  if (end >= size) {
    yield* up_write(i_rwsem);
    return -EINVAL;
  }
  yield* down_write(k, i_mapping.invalidate_lock);
  yield* k.ext4_break_layouts(inode);
  yield* k.ext4_write_back_what_moves(inode, end);
  yield* k.truncate_pagecache(inode, first);
  for (let index = first; index < end; index++) yield* k.ext4_free_block(inode, index);
  for (let index = first; index < i_data.length; index++) {
    const from = i_data[index + end - first];
    const block = from === undefined ? null : yield* READ_ONCE(from);
    yield* WRITE_ONCE(extentOf(inode, index), block);
  }
  yield* WRITE_ONCE(i_size, size - (end - first));
  yield* up_write(i_mapping.invalidate_lock);
  yield* up_write(i_rwsem);
  return 0;
}

/** Models the second filemap_write_and_wait_range() of `fs/ext4/extents.c:ext4_collapse_range()` @ v6.12. */
export function* ext4_write_back_what_moves(k: Kernel, inode: Inode, end: number): Code {
  yield* k.dax_writeback_mapping_range(inode.i_mapping, end, inode.i_mapping.i_pages.length);
}

/**
 * Gives a file a new size.
 *
 * Models `fs/ext4/inode.c:ext4_setattr()` @ v6.12, a change of size.
 * Context: i_rwsem held for writing.
 *
 * @param size In pages.
 */
export function* ext4_setattr(k: Kernel, inode: Inode, size: number): Code {
  const { invalidate_lock } = inode.i_mapping;
  yield* down_write(k, invalidate_lock);
  yield* k.ext4_break_layouts(inode);
  yield* WRITE_ONCE(inode.i_size, size);
  yield* k.truncate_pagecache(inode, size);
  yield* k.ext4_truncate(inode, size);
  yield* up_write(invalidate_lock);
}

/** Models `fs/ext4/inode.c:ext4_truncate()` @ v6.12: frees the blocks from a page on. */
export function* ext4_truncate(k: Kernel, inode: Inode, size: number): Code {
  for (let index = size; index < inode.i_data.length; index++) yield* k.ext4_free_block(inode, index);
}

/**
 * Forgets an inode that nobody uses any more; if the file has no name, its blocks go too. A pin does not
 * hold the inode.
 *
 * Models `fs/ext4/inode.c:ext4_evict_inode()` @ v6.12.
 */
export function* ext4_evict_inode(k: Kernel, inode: Inode): Code {
  yield* k.truncate_inode_pages_range(inode.i_mapping, 0, inode.i_mapping.i_pages.length);
  if ((yield* READ_ONCE(inode.i_nlink)) > 0) return;
  yield* WRITE_ONCE(inode.i_size, 0);
  yield* k.ext4_truncate(inode, 0);
}
