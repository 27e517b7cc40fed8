// ext4: fallocate(), which takes blocks of a file away or moves them. Source: fs/ext4/extents.c.

import type { Code } from "../../../explore/access.ts";
import { EFBIG, EINVAL } from "../../include/asm-generic/errno-base.ts";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  type FallocMode,
  type Inode,
} from "../../include/linux/fs.ts";
import { down_write, up_write } from "../../kernel/locking/rwsem.ts";
import type { Kernel } from "../../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../../lib/atomic.ts";
import { dropBlock, extentOf, shiftBlocks } from "../blocks.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    ext4_fallocate: typeof ext4_fallocate;
    ext4_with_layouts_broken: typeof ext4_with_layouts_broken;
    ext4_collapse_range: typeof ext4_collapse_range;
    ext4_insert_range: typeof ext4_insert_range;
    ext4_write_back_what_moves: typeof ext4_write_back_what_moves;
    ext4_free_block: typeof ext4_free_block;
  }
}

/**
 * Takes blocks of a file away, or moves them.
 *
 * Models `fs/ext4/extents.c:ext4_fallocate()` @ v6.12. From v6.14 on it takes the locks and breaks the layouts for all
 * modes; here each does so for itself, with ext4_with_layouts_broken().
 * Left out: allocation and zero range.
 *
 * @param first First page of the range; `end` is one past the last.
 * @returns 0, or a negative error.
 */
export function* ext4_fallocate(
  k: Kernel,
  inode: Inode,
  mode: FallocMode,
  first: number,
  end: number,
): Code<number> {
  if (mode === FALLOC_FL_COLLAPSE_RANGE) return yield* k.ext4_collapse_range(inode, first, end);
  if (mode === FALLOC_FL_INSERT_RANGE) return yield* k.ext4_insert_range(inode, first, end);
  yield* k.ext4_punch_hole(inode, first, end);
  return 0;
}

/** What fallocate() does with a file of a size; and what it answers at once, if it does nothing with it. */
export type RefusedSize = (size: number) => number | null;
export type OnSize = (size: number) => Code;

/**
 * Locks a file, looks at its size, breaks its layouts, and does something with it. What is refused is refused before the
 * layouts are broken: nothing is unmapped, and nobody is waited for.
 *
 * Models beginning and end of `fs/ext4/inode.c:ext4_punch_hole()` and `fs/ext4/extents.c:ext4_collapse_range()` @ v6.1,
 * and of ext4_insert_range().
 * Left out: waiting for direct I/O on the file itself.
 *
 * @returns what `refuses` says; 0 if that is null.
 */
export function* ext4_with_layouts_broken(
  k: Kernel,
  inode: Inode,
  refuses: RefusedSize,
  work: OnSize,
): Code<number> {
  const { i_rwsem, i_mapping } = inode;
  yield* down_write(k, i_rwsem);
  const size = yield* READ_ONCE(inode.i_size);
  const refused = refuses(size);
  if (refused === null) {
    yield* down_write(k, i_mapping.invalidate_lock);
    yield* k.ext4_break_layouts(inode);
    yield* work(size);
    yield* up_write(i_mapping.invalidate_lock);
  }
  yield* up_write(i_rwsem);
  return refused ?? 0;
}

/**
 * Takes a range out of a file, after nobody uses its pages any more: what follows moves down.
 *
 * Models `fs/ext4/extents.c:ext4_collapse_range()` @ v6.12.
 *
 * @param first First page of the range; `end` is one past the last.
 * @returns 0, or -EINVAL for a range that reaches the end of the file: that is a truncation.
 */
export function* ext4_collapse_range(k: Kernel, inode: Inode, first: number, end: number): Code<number> {
  return yield* k.ext4_with_layouts_broken(
    inode,
    (size) => (end >= size ? -EINVAL : null),
    function* collapse(size): Code {
      // Up to the first byte of the range, which is one too many: the page that it is in goes to the device as well.
      yield* k.dax_writeback_mapping_range(inode.i_mapping, first, first + 1);
      yield* k.ext4_write_back_what_moves(inode, end);
      yield* k.truncate_pagecache(inode, first);
      for (let index = first; index < end; index++) yield* k.ext4_free_block(inode, index);
      yield* shiftBlocks(inode, first, first - end);
      yield* WRITE_ONCE(inode.i_size, size - (end - first));
    },
  );
}

/**
 * Makes a hole in a file, after nobody uses its pages any more: what is there moves up.
 *
 * Models `fs/ext4/extents.c:ext4_insert_range()` @ v6.12. Where both errors are due, vfs_fallocate() has said -EFBIG in
 * every version: a range that begins beyond the end and makes the file too long ends beyond the longest file itself.
 *
 * @param first First page of the range; `end` is one past the last.
 * @returns 0; -EFBIG if the file would be longer than it was made, which stands for the longest that there can be;
 * -EINVAL beyond the end of the file.
 */
export function* ext4_insert_range(k: Kernel, inode: Inode, first: number, end: number): Code<number> {
  const pages = end - first;
  const most = inode.i_data.length;
  return yield* k.ext4_with_layouts_broken(
    inode,
    (size) => (size + pages > most ? -EFBIG : first >= size ? -EINVAL : null),
    function* insert(size): Code {
      yield* k.ext4_write_back_what_moves(inode, first);
      yield* k.truncate_pagecache(inode, first);
      yield* WRITE_ONCE(inode.i_size, size + pages);
      yield* shiftBlocks(inode, first, pages);
    },
  );
}

/** Models the last filemap_write_and_wait_range() of `fs/ext4/extents.c:ext4_collapse_range()` @ v6.12. */
export function* ext4_write_back_what_moves(k: Kernel, inode: Inode, from: number): Code {
  yield* k.dax_writeback_mapping_range(inode.i_mapping, from, inode.i_mapping.i_pages.length);
}

/**
 * Takes the block of a page of the file away. From here on another file may get it.
 *
 * Models `fs/ext4/extents.c:ext4_ext_remove_space()` @ v6.12, for one block.
 */
export function* ext4_free_block(k: Kernel, inode: Inode, index: number): Code {
  yield* dropBlock(k, inode, extentOf(inode, index));
}
