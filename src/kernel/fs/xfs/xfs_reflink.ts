// XFS: blocks that several files share, and copies of them on write.
// Source: fs/xfs/xfs_reflink.c.

import { type Pfn, pfn as toPfn } from "../../../base/brand.ts";
import { type Cell, type Code, rmw } from "../../../explore/access.ts";
import { EINVAL } from "../../include/asm-generic/errno-base.ts";
import type { Inode, Iomap } from "../../include/linux/fs.ts";
import { pfn_to_page } from "../../include/linux/mm.ts";
import { down_write, downgrade_write, up_read, up_write } from "../../kernel/locking/rwsem.ts";
import type { Kernel } from "../../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../../lib/atomic.ts";
import {
  dropBlock,
  extentOf,
  extentsOf,
  freeRun,
  replaceBlocks,
  runOf,
  shareBlock,
  withOwner,
} from "../blocks.ts";
import { agf_locked } from "./xfs_alloc.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    xfs_reflink_fill_cow_hole: typeof xfs_reflink_fill_cow_hole;
    xfs_cow_hole_looks_again: typeof xfs_cow_hole_looks_again;
    xfs_reflink_cancel_cow_range: typeof xfs_reflink_cancel_cow_range;
    xfs_reflink_end_cow: typeof xfs_reflink_end_cow;
    xfs_file_remap_range: typeof xfs_file_remap_range;
    xfs_reflink_unshare: typeof xfs_reflink_unshare;
  }
}

/** The places of a range in the CoW fork. */
export const copiesOf = (inode: Inode, index: number, pages: number): readonly Cell<Pfn | null>[] =>
  inode.i_cow.slice(index, index + pages);

/** What a range of a file begins with, in both forks. */
export interface Extent {
  /** The first block: that of the copy, if there is one. */
  readonly pfn: Pfn | null;
  readonly pages: number;
  /** Others have the block, too; or it is a copy. */
  readonly shared: boolean;
  /** The block is in the CoW fork. */
  readonly found: boolean;
  readonly [field: string]: number | boolean | null;
}

/** Models `fs/xfs/xfs_reflink.c:xfs_reflink_trim_around_shared()` @ v6.12: blocks all of which others have, or none. */
export function trimAroundShared(data: readonly (Pfn | null)[], shared: readonly Pfn[]): Extent {
  const [pfn = null] = data;
  const isShared = (b: Pfn | null) => b !== null && shared.includes(b);
  const end = data.findIndex((b) => isShared(b) !== isShared(pfn));
  const pages = runOf(end < 0 ? data : data.slice(0, end));
  return { pfn, pages, shared: isShared(pfn), found: false };
}

/** Models `fs/xfs/xfs_reflink.c:xfs_find_trim_cow_extent()` @ v6.12: a copy in the CoW fork comes first. */
export function findTrimCowExtent(
  data: readonly (Pfn | null)[],
  copies: readonly (Pfn | null)[],
  shared: readonly Pfn[],
): Extent {
  const imap = runOf(data);
  const [copy = null] = copies;
  if (copy !== null) return { pfn: copy, pages: runOf(copies.slice(0, imap)), shared: true, found: true };
  return trimAroundShared(data.slice(0, runOf(copies.slice(0, imap))), shared);
}

/**
 * Gives the CoW fork blocks for the copy of those that other files have, too. ILOCK was dropped, and is taken again:
 * somebody else may have put some there by now, or may have copied already.
 *
 * Models `fs/xfs/xfs_reflink.c:xfs_reflink_fill_cow_hole()` @ v6.12.0.
 *
 * @param imap What the range of the file began with before ILOCK was dropped.
 * @returns the copy; the blocks of the file if no other file has them any more; null if there is no block left.
 */
export function* xfs_reflink_fill_cow_hole(
  k: Kernel,
  inode: Inode,
  index: number,
  imap: Extent,
): Code<Iomap | null> {
  const { free_blocks, refcountbt } = inode.i_sb;
  const { i_dirty, name } = inode;
  const { pages } = imap;
  const data = extentsOf(inode, index, pages);
  const copies = copiesOf(inode, index, pages);
  const again = k.xfs_cow_hole_looks_again();
  const before = Array.from({ length: pages }, (_, i) => (imap.pfn === null ? null : toPfn(imap.pfn + i)));
  for (;;) {
    const pool = yield* READ_ONCE(free_blocks);
    const free = freeRun(pool, pages, true);
    const owners = free.map((b) => pfn_to_page(k, b).block_owner);
    const got = yield* agf_locked<Iomap | "again" | null>(
      inode.i_sb,
      [free_blocks, refcountbt, i_dirty, ...data, ...copies, ...owners],
      (now: readonly Pfn[], shared: readonly Pfn[], dirty: boolean, ...rest: (Pfn | string | null)[]) => {
        const blocks = rest.slice(0, pages) as (Pfn | null)[];
        const forks = rest.slice(pages, 2 * pages) as (Pfn | null)[];
        const extent = findTrimCowExtent(again ? blocks : before, forks, shared);
        const same = [now, shared, dirty, ...rest];
        if (extent.found || !extent.shared) return { next: same, result: iomapOf(extent, dirty) };
        const taken = free.slice(0, extent.pages);
        const [pfn = null] = taken;
        if (pfn === null) return { next: same, result: null };
        if (!taken.every((b) => now.includes(b))) return { next: same, result: "again" };
        const left = now.filter((b) => !taken.includes(b));
        const forked = forks.map((b, i) => taken[i] ?? b);
        const owned = rest
          .slice(2 * pages)
          .map((o, i) => (i < taken.length ? withOwner(String(o), name) : o));
        const copy = { pfn, pages: taken.length, shared: true, found: true };
        return { next: [left, shared, true, ...blocks, ...forked, ...owned], result: iomapOf(copy, true) };
      },
      { note: { quiet: true } },
    );
    if (got !== "again") return got;
  }
}

/** What DAX is told of an extent. A copy always counts as not yet on disk. */
export const iomapOf = ({ pfn, pages, shared, found }: Extent, dirty: boolean): Iomap => ({
  pfn,
  pages,
  shared,
  fresh: false,
  dirty: found || dirty,
});

/**
 * Does who has ILOCK again look which block the file has now? Up to v6.15, the block that was found before is asked
 * for its other owners, whether the file still has it or not.
 *
 * Models what is missing in `fs/xfs/xfs_reflink.c:xfs_reflink_fill_cow_hole()` @ v6.15.4.
 */
export const xfs_cow_hole_looks_again = (_k: Kernel): boolean => false;

/**
 * Gives copies back that did not take the place of the shared blocks.
 *
 * Models `fs/xfs/xfs_reflink.c:xfs_reflink_cancel_cow_range()` @ v6.12.
 * Simplified: ILOCK; each copy is given back in a step of its own, from the first to the last. The kernel goes backwards
 * over extents.
 */
export function* xfs_reflink_cancel_cow_range(k: Kernel, inode: Inode, index: number, pages: number): Code {
  for (const copy of copiesOf(inode, index, pages)) yield* dropBlock(k, inode, copy);
}

/**
 * Lets copies take the place of the shared blocks. Those that no other file has any more are free.
 *
 * Models `fs/xfs/xfs_reflink.c:xfs_reflink_end_cow()` @ v6.12, for one extent.
 * Simplified: ILOCK; to look whether the copies are still there, and to change both forks, is one step.
 */
export function* xfs_reflink_end_cow(k: Kernel, inode: Inode, index: number, pages: number): Code {
  yield* replaceBlocks(k, inode, extentsOf(inode, index, pages), copiesOf(inode, index, pages));
}

/**
 * Lets a file share the blocks of another.
 *
 * Models `fs/xfs/xfs_file.c:xfs_file_remap_range()` @ v6.12, with xfs_reflink_remap_prep(),
 * xfs_reflink_remap_blocks() and xfs_reflink_update_dest(); from the start of both files.
 * xfs_ilock2_io_mmap() comes first, xfs_iunlock2_remapping() last. While blocks are remapped, the source can be read; faults on it
 * wait (XFS_IREMAPPING), from v6.12 on only those that write.
 * Left out: pNFS leases, the comparison for FIDEDUPERANGE.
 *
 * @param pages How many pages, from the first.
 * @returns 0, or the -EINVAL of generic_remap_checks(), after the locks were taken and the layouts broken: for one file,
 *   of which the ranges overlap, and for more pages than `from` has.
 */
export function* xfs_file_remap_range(k: Kernel, from: Inode, to: Inode, pages: number): Code<number> {
  const one = from.name <= to.name ? from : to;
  const two = one === from ? to : from;
  yield* down_write(k, one.i_rwsem);
  if (one !== two) yield* down_write(k, two.i_rwsem);
  yield* k.xfs_mmaplock_two_inodes_and_break_dax_layout(from, to);
  const size = yield* READ_ONCE(from.i_size);
  if (one === two || pages > size) {
    yield* up_write(to.i_mapping.invalidate_lock);
    if (one !== two) yield* up_write(from.i_mapping.invalidate_lock);
    yield* up_write(to.i_rwsem);
    if (one !== two) yield* up_write(from.i_rwsem);
    return -EINVAL;
  }
  // generic_remap_file_range_prep() and xfs_flush_unmap_range()
  yield* k.dax_writeback_mapping_range(from.i_mapping, 0, pages);
  yield* k.dax_writeback_mapping_range(to.i_mapping, 0, pages);
  yield* xfs_reflink_set_inode_flag(from, to);
  yield* k.truncate_pagecache_range(to, 0, pages);
  yield* WRITE_ONCE(from.i_remapping, true);
  yield* downgrade_write(k, from.i_rwsem);
  yield* downgrade_write(k, from.i_mapping.invalidate_lock);
  for (let index = 0; index < pages; index++) {
    const extent = extentOf(to, index);
    const block = yield* READ_ONCE(extentOf(from, index));
    yield* dropBlock(k, to, extent);
    if (block !== null) yield* shareBlock(k, to, extent, block);
  }
  const grows = pages > (yield* READ_ONCE(to.i_size));
  if (grows) yield* WRITE_ONCE(to.i_size, pages);
  yield* WRITE_ONCE(from.i_remapping, false);
  yield* up_read(k, from.i_mapping.invalidate_lock);
  yield* up_write(to.i_mapping.invalidate_lock);
  yield* up_read(k, from.i_rwsem);
  yield* up_write(to.i_rwsem);
  return 0;
}

/** Models `fs/xfs/xfs_reflink.c:xfs_reflink_set_inode_flag()` @ v6.12: ILOCK of both is held. */
function* xfs_reflink_set_inode_flag(from: Inode, to: Inode): Code {
  yield* rmw([from.i_reflink, to.i_reflink], () => ({ next: [true, true], result: null }), {
    note: { quiet: true },
  });
}

/**
 * Gives a file blocks of its own for those that it shares.
 *
 * Models `fs/xfs/xfs_reflink.c:xfs_reflink_unshare()` @ v6.12.
 * Context: IOLOCK and MMAPLOCK held exclusively, layouts broken.
 *
 * @param first First page of the range; `end` is one past the last.
 * @returns as dax_file_unshare().
 */
export function* xfs_reflink_unshare(k: Kernel, inode: Inode, first: number, end: number): Code<number> {
  if (!(yield* READ_ONCE(inode.i_reflink))) return 0;
  const error = yield* k.dax_file_unshare(inode, first, end);
  if (error !== 0) return error;
  yield* k.dax_writeback_mapping_range(inode.i_mapping, first, end);
  yield* xfs_reflink_try_clear_inode_flag(inode);
  return 0;
}

/**
 * Notes that no other file has blocks of the file any more, if so.
 *
 * Models `fs/xfs/xfs_reflink.c:xfs_reflink_try_clear_inode_flag()` @ v6.12.
 * Left out: copies that were left over, of which there are none here; that the note stays while the inode counts as dirty.
 */
function* xfs_reflink_try_clear_inode_flag({ i_sb, i_reflink, i_data }: Inode): Code {
  yield* agf_locked(
    i_sb,
    [i_reflink, i_sb.refcountbt, ...i_data],
    (_old: boolean, shared: readonly Pfn[], ...blocks: (Pfn | null)[]) => ({
      next: [blocks.some((b) => b !== null && shared.includes(b)), shared, ...blocks],
      result: null,
    }),
    { note: { quiet: true } },
  );
}
