// ext4: blocks of a file, waiting for its pages, and giving blocks back. Source: fs/ext4/inode.c. Left out everywhere: the journal (a block is free at once), partial blocks, preallocation.
import { hex } from "../../../base/brand.ts";
import { type Code, rmw, type See, type Wait } from "../../../explore/access.ts";
import type { DaxMarks } from "../../include/linux/dax.ts";
import type { AddressSpace, FileSystemType, Inode, Iomap } from "../../include/linux/fs.ts";
import type { Page } from "../../include/linux/mm_types.ts";
import { page_ref_count } from "../../include/linux/page_ref.ts";
import { down_write, up_write } from "../../kernel/locking/rwsem.ts";
import { schedule } from "../../kernel/sched/wait.ts";
import type { Kernel } from "../../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../../lib/atomic.ts";
import { extentsOf, lookUp, type Taken, takeBlocks } from "../blocks.ts";
import { noExternalReference, whoHolds } from "../dax-layout.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    ext4_iomap_begin: typeof ext4_iomap_begin;
    ext4_map_create_blocks: typeof ext4_map_create_blocks;
    ext4_wait_dax_page: typeof ext4_wait_dax_page;
    ext4_break_layouts: typeof ext4_break_layouts;
    ext4_punch_hole: typeof ext4_punch_hole;
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
  mixedmap: false,
  mmap_sync: true,
  mmap: null,
  iomap_begin: "ext4_iomap_begin",
  iomap_end: null,
  write_iter: "dax_iomap_rw",
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
 * Left out: signals, which end the wait.
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
 * Gives blocks of a file back, after nobody uses their pages any more. What lies beyond the end of the file stays. Dirty
 * pages of the range are written back first.
 *
 * Models `fs/ext4/inode.c:ext4_punch_hole()` @ v6.1.
 *
 * @param first First page of the hole; `end` is one past the last.
 */
export function* ext4_punch_hole(k: Kernel, inode: Inode, first: number, end: number): Code {
  const { i_mapping } = inode;
  if (yield* mapping_tagged_dirty(i_mapping)) {
    yield* k.dax_writeback_mapping_range(i_mapping, first, Math.min(end, i_mapping.i_pages.length));
  }
  yield* ext4_punch_hole_unwritten(k, inode, first, end);
}

/** Models `include/linux/fs.h:mapping_tagged()` @ v6.1, asked for PAGECACHE_TAG_DIRTY. */
const mapping_tagged_dirty = ({ i_marks }: AddressSpace): Code<boolean> =>
  rmw(i_marks, (...marks: DaxMarks[]) => ({ next: marks, result: marks.some(({ dirty }) => dirty) }), {
    note: { quiet: true },
  });

/** Models `fs/ext4/inode.c:ext4_punch_hole()` @ v6.15: nothing is written back. */
export function* ext4_punch_hole_unwritten(k: Kernel, inode: Inode, first: number, end: number): Code {
  yield* k.ext4_with_layouts_broken(
    inode,
    (size) => (first >= size ? 0 : null),
    function* punch(size): Code {
      yield* k.truncate_pagecache_range(inode, first, Math.min(end, size));
      for (let index = first; index < Math.min(end, size); index++) yield* k.ext4_free_block(inode, index);
    },
  );
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
  yield* k.sb_start_intwrite(inode.i_sb);
  yield* WRITE_ONCE(inode.i_size, 0);
  yield* k.ext4_truncate(inode, 0);
  yield* k.sb_end_intwrite(inode.i_sb);
}
