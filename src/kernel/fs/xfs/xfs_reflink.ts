// XFS: blocks that several files share, and copies of them on write.
// Source: fs/xfs/xfs_reflink.c, fs/xfs/xfs_iomap.c.
import type { Pfn } from "../../../base/brand.ts";
import { type Code, rmw } from "../../../explore/access.ts";
import type { Inode, Iomap } from "../../include/linux/fs.ts";
import { pfn_to_page } from "../../include/linux/mm.ts";
import { down_write, downgrade_write, up_read, up_write } from "../../kernel/locking/rwsem.ts";
import type { Kernel } from "../../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../../lib/atomic.ts";
import { dropBlock, extentOf, replaceBlock, shareBlock, takeBlock, withOwner } from "../blocks.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    xfs_iomap_begin: typeof xfs_iomap_begin;
    xfs_reflink_fill_cow_hole: typeof xfs_reflink_fill_cow_hole;
    xfs_cow_hole_looks_again: typeof xfs_cow_hole_looks_again;
    xfs_dax_write_iomap_end: typeof xfs_dax_write_iomap_end;
    xfs_reflink_cancel_cow_range: typeof xfs_reflink_cancel_cow_range;
    xfs_reflink_end_cow: typeof xfs_reflink_end_cow;
    xfs_file_remap_range: typeof xfs_file_remap_range;
    xfs_reflink_unshare: typeof xfs_reflink_unshare;
  }
}

/** The place of a page in the CoW fork. */
const cowOf = (inode: Inode, index: number) => inode.i_cow[index] ?? extentOf(inode, index);

/**
 * The block of a page of the file. A write into a hole allocates one; a write to a block that other files
 * have, too, allocates a copy in the CoW fork.
 *
 * Models `fs/xfs/xfs_iomap.c:xfs_read_iomap_begin()`, `xfs_direct_write_iomap_begin()` and
 * `xfs_iomap_write_direct()` @ v6.12.
 * Simplified: ILOCK. What is done under it is one step: to look at both forks; and, where the lock is dropped in
 * between, to look again and to allocate. A copy always counts as not yet on disk.
 *
 * @returns null if there is no block left, or the file system is shut down.
 */
export function* xfs_iomap_begin(k: Kernel, inode: Inode, index: number, write: boolean): Code<Iomap | null> {
  const extent = extentOf(inode, index);
  const { refcountbt, s_shutdown } = inode.i_sb;
  const [found, reserved] = yield* rmw(
    [extent, cowOf(inode, index), refcountbt, inode.i_dirty, s_shutdown],
    (block: Pfn | null, copy: Pfn | null, blocks: readonly Pfn[], dirty: boolean, shutdown: boolean) => {
      const shared = block !== null && blocks.includes(block);
      const iomap: Iomap = { pfn: block, shared, fresh: false, dirty };
      return {
        next: [block, copy, blocks, dirty, shutdown],
        result: [shutdown ? null : iomap, copy] as const,
      };
    },
    { note: { quiet: true } },
  );
  if (found === null || !write || (found.pfn !== null && !found.shared)) return found;
  if (found.pfn !== null) {
    if (reserved !== null) return { pfn: reserved, shared: true, fresh: false, dirty: true };
    return yield* k.xfs_reflink_fill_cow_hole(inode, index, found.pfn);
  }
  const taken = yield* takeBlock(k, inode, extent);
  // IOMAP_F_NEW, whoever allocated it.
  return taken === null ? null : { pfn: taken.block, shared: false, fresh: true, dirty: true };
}

/**
 * Gives the CoW fork a block for the copy of one that other files have, too. ILOCK was dropped, and is taken again:
 * somebody else may have a block there by now, or may have copied already.
 *
 * Models `fs/xfs/xfs_reflink.c:xfs_reflink_fill_cow_hole()` and `xfs_find_trim_cow_extent()` @ v6.12.0.
 *
 * @param imap The block of the file before ILOCK was dropped.
 * @returns the copy; the block of the file if no other file has that any more; null if there is no block left.
 */
export function* xfs_reflink_fill_cow_hole(
  k: Kernel,
  inode: Inode,
  index: number,
  imap: Pfn,
): Code<Iomap | null> {
  const { free_blocks, refcountbt } = inode.i_sb;
  const { i_dirty, name } = inode;
  const again = k.xfs_cow_hole_looks_again();
  for (;;) {
    const block = (yield* READ_ONCE(free_blocks))[0] ?? null;
    const owner = block === null ? [] : [pfn_to_page(k, block).block_owner];
    const { ended, iomap } = yield* rmw(
      [free_blocks, refcountbt, extentOf(inode, index), cowOf(inode, index), i_dirty, ...owner],
      (
        pool: readonly Pfn[],
        blocks: readonly Pfn[],
        extent: Pfn | null,
        copy: Pfn | null,
        dirty: boolean,
        ...owners: string[]
      ) => {
        const now = again && extent !== null ? extent : imap;
        const shared = copy !== null || blocks.includes(now);
        const takes = shared && copy === null && block !== null && pool.includes(block);
        const pfn = takes ? block : shared ? copy : now;
        const ended = pfn !== null || block === null;
        return {
          next: takes
            ? [
                pool.filter((b) => b !== block),
                blocks,
                extent,
                block,
                true,
                ...owners.map((o) => withOwner(o, name)),
              ]
            : [pool, blocks, extent, copy, dirty, ...owners],
          result: {
            ended,
            iomap: pfn === null ? null : { pfn, shared, fresh: false, dirty: shared || dirty },
          },
        };
      },
      { note: { quiet: true } },
    );
    if (ended) return iomap;
  }
}

/**
 * Does who has ILOCK again look which block the file has now? Up to v6.15, the block that was found before is asked
 * for its other owners, whether the file still has it or not.
 *
 * Models what is missing in `fs/xfs/xfs_reflink.c:xfs_reflink_fill_cow_hole()` @ v6.15.4.
 */
export const xfs_cow_hole_looks_again = (_k: Kernel): boolean => false;

/**
 * Ends an access that writes: the copy takes the place of the shared block, or is given back if the access failed.
 *
 * Models `fs/xfs/xfs_iomap.c:xfs_dax_write_iomap_end()` @ v6.12.
 *
 * @param written Did the write, or the fault, come to its end?
 */
export function* xfs_dax_write_iomap_end(
  k: Kernel,
  inode: Inode,
  index: number,
  iomap: Iomap,
  written: boolean,
): Code {
  if (!iomap.shared) return;
  if (written) yield* k.xfs_reflink_end_cow(inode, index);
  else yield* k.xfs_reflink_cancel_cow_range(inode, index);
}

/**
 * Gives a copy back that did not take the place of the shared block.
 *
 * Models `fs/xfs/xfs_reflink.c:xfs_reflink_cancel_cow_range()` @ v6.12, for one block.
 */
export function* xfs_reflink_cancel_cow_range(k: Kernel, inode: Inode, index: number): Code {
  yield* dropBlock(k, inode, cowOf(inode, index));
}

/**
 * Lets the copy take the place of the shared block. If no other file has that any more, it is free.
 *
 * Models `fs/xfs/xfs_reflink.c:xfs_reflink_end_cow()` @ v6.12, for one block.
 * Simplified: ILOCK; to look whether the copy is still there, and to change both forks, is one step.
 */
export function* xfs_reflink_end_cow(k: Kernel, inode: Inode, index: number): Code {
  yield* replaceBlock(k, inode, extentOf(inode, index), cowOf(inode, index));
}

/**
 * Lets a file share the blocks of another.
 *
 * Models `fs/xfs/xfs_file.c:xfs_file_remap_range()` @ v6.12, with xfs_reflink_remap_prep() and
 * xfs_reflink_remap_blocks(); from the start of both files.
 * xfs_ilock2_io_mmap() comes first, xfs_iunlock2_remapping() last. While blocks are remapped, the source can be read; faults on it
 * wait (XFS_IREMAPPING), from v6.12 on only those that write.
 * Left out: pNFS leases, the comparison for FIDEDUPERANGE.
 *
 * @param pages How many pages, from the first.
 */
export function* xfs_file_remap_range(k: Kernel, from: Inode, to: Inode, pages: number): Code {
  const one = from.name <= to.name ? from : to;
  const two = one === from ? to : from;
  yield* down_write(k, one.i_rwsem);
  if (one !== two) yield* down_write(k, two.i_rwsem);
  yield* k.xfs_mmaplock_two_inodes_and_break_dax_layout(from, to);
  // generic_remap_file_range_prep() and xfs_flush_unmap_range()
  yield* k.dax_writeback_mapping_range(from.i_mapping, 0, pages);
  yield* k.dax_writeback_mapping_range(to.i_mapping, 0, pages);
  yield* k.truncate_pagecache_range(to, 0, pages);
  yield* WRITE_ONCE(from.i_remapping, true);
  if (one !== two) {
    yield* downgrade_write(k, from.i_rwsem);
    yield* downgrade_write(k, from.i_mapping.invalidate_lock);
  }
  for (let index = 0; index < pages; index++) {
    const extent = extentOf(to, index);
    const block = yield* READ_ONCE(extentOf(from, index));
    yield* dropBlock(k, to, extent);
    if (block !== null) yield* shareBlock(k, to, extent, block);
  }
  yield* WRITE_ONCE(from.i_remapping, false);
  if (one !== two) yield* up_read(k, from.i_mapping.invalidate_lock);
  yield* up_write(to.i_mapping.invalidate_lock);
  if (one !== two) yield* up_read(k, from.i_rwsem);
  yield* up_write(to.i_rwsem);
}

/**
 * Gives a file blocks of its own for those that it shares.
 *
 * Models `fs/xfs/xfs_reflink.c:xfs_reflink_unshare()` @ v6.12, through dax_file_unshare(), which writes
 * each shared page as it is.
 * Context: IOLOCK and MMAPLOCK held exclusively, layouts broken.
 */
export function* xfs_reflink_unshare(k: Kernel, inode: Inode, first: number, end: number): Code {
  for (let index = first; index < end; index++) {
    const found = yield* k.xfs_iomap_begin(inode, index, false);
    if (found?.shared) yield* k.dax_iomap_rw(inode, index);
  }
}
