// XFS: which blocks a range of a file has, and what becomes of them when the access is done. Source: fs/xfs/xfs_iomap.c.
import type { Pfn } from "../../../base/brand.ts";
import { acquire, type Code } from "../../../explore/access.ts";
import type { Inode, Iomap } from "../../include/linux/fs.ts";
import type { Holders } from "../../kernel/locking/rwsem.ts";
import type { Kernel } from "../../kernel.ts";
import { READ_ONCE } from "../../lib/atomic.ts";
import { extentsOf, takeBlocks } from "../blocks.ts";
import { untilAgfIsFree } from "./xfs_alloc.ts";
import { copiesOf, findTrimCowExtent, iomapOf, trimAroundShared } from "./xfs_reflink.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    xfs_iomap_begin: typeof xfs_iomap_begin;
    xfs_read_trims_shared: typeof xfs_read_trims_shared;
    xfs_dax_write_iomap_end: typeof xfs_dax_write_iomap_end;
  }
}

/**
 * Is a read told whether others have the blocks, too? Up to v6.1 only who writes asks.
 *
 * Models the test of IOMAP_REPORT in `fs/xfs/xfs_iomap.c:xfs_read_iomap_begin()` @ v6.1.
 */
export const xfs_read_trims_shared = (_k: Kernel): boolean => false;

/**
 * The blocks with which a range of the file begins. A write into a hole allocates some; a write to blocks that other
 * files have, too, allocates copies in the CoW fork. Who asks whether others have a block of a reflinked file needs the
 * AGF of its allocation group, and sleeps until nobody has that locked.
 *
 * Models `fs/xfs/xfs_iomap.c:xfs_read_iomap_begin()`, `xfs_direct_write_iomap_begin()` and
 * `xfs_iomap_write_direct()` @ v6.12, with xfs_reflink_allocate_cow() and xfs_reflink_find_shared().
 * Simplified: ILOCK. What is done under it is one step: to look at both forks; and, where the lock is dropped in
 * between, to look again and to allocate.
 *
 * @returns null if there is no block left, or the file system is shut down.
 */
export function* xfs_iomap_begin(
  k: Kernel,
  inode: Inode,
  index: number,
  pages: number,
  write: boolean,
): Code<Iomap | null> {
  const { refcountbt, s_agf, s_shutdown } = inode.i_sb;
  const data = extentsOf(inode, index, pages);
  const copies = copiesOf(inode, index, pages);
  const asks = write || k.xfs_read_trims_shared();
  const found = yield* acquire(
    [s_agf.holders, inode.i_reflink, refcountbt, inode.i_dirty, s_shutdown, ...data, ...copies],
    (
      agf: Holders,
      reflink: boolean,
      blocks: readonly Pfn[],
      dirty: boolean,
      shutdown: boolean,
      ...forks: (Pfn | null)[]
    ) => {
      const shared = asks && reflink ? blocks : [];
      const imap = forks.slice(0, pages);
      const extent = write
        ? findTrimCowExtent(imap, forks.slice(pages), shared)
        : trimAroundShared(imap, shared);
      const looks = asks && reflink && !extent.found && extent.pfn !== null && !shutdown;
      if (looks && agf.writer !== null) return null;
      return {
        next: [agf, reflink, blocks, dirty, shutdown, ...forks],
        result: shutdown ? null : { extent, dirty },
      };
    },
    { note: { quiet: true }, wait: untilAgfIsFree(inode.i_sb) },
  );
  if (found === null) return null;
  let iomap: Iomap | null = iomapOf(found.extent, found.dirty);
  if (write && found.extent.shared && !found.extent.found) {
    iomap = yield* k.xfs_reflink_fill_cow_hole(inode, index, found.extent);
  }
  if (iomap === null || iomap.pfn !== null || !write) return iomap;
  const taken = yield* takeBlocks(k, inode, data.slice(0, iomap.pages));
  // IOMAP_F_NEW, whoever allocated it.
  return taken === null
    ? null
    : { pfn: taken.block, pages: taken.pages, shared: false, fresh: true, dirty: true };
}

/**
 * Ends an access that writes: copies take the place of the shared blocks, or are given back if the access failed. What
 * was shared is not asked again: any copy that a reflinked file has in the range.
 *
 * Models `fs/xfs/xfs_iomap.c:xfs_dax_write_iomap_end()` @ v6.12.
 * Left out: that copies stay where they are once the file system is shut down.
 *
 * @param written Did the write, or the fault, come to its end?
 */
export function* xfs_dax_write_iomap_end(
  k: Kernel,
  inode: Inode,
  index: number,
  { pages }: Iomap,
  written: boolean,
): Code {
  if (!(yield* READ_ONCE(inode.i_reflink))) return;
  if (written) yield* k.xfs_reflink_end_cow(inode, index, pages);
  else yield* k.xfs_reflink_cancel_cow_range(inode, index, pages);
}
