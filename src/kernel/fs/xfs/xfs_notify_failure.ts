// XFS: what it does when it is told that memory went bad, or goes. Source: fs/xfs/xfs_notify_failure.c.

import type { Pfn } from "../../../base/brand.ts";
import type { Code } from "../../../explore/access.ts";
import { EFSCORRUPTED, EOPNOTSUPP } from "../../include/asm-generic/errno-base.ts";
import type { Inode, SuperBlock } from "../../include/linux/fs.ts";
import type { Kernel } from "../../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../../lib/atomic.ts";
import type { FailureFlags } from "../../mm/memory-failure.ts";
import { extentOf } from "../blocks.ts";
import { igrab, iput } from "../inode.ts";
import { xfs_alloc_read_agf, xfs_trans_brelse } from "./xfs_alloc.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    xfs_dax_notify_failure: typeof xfs_dax_notify_failure;
    xfs_rmap_query_range: typeof xfs_rmap_query_range;
    xfs_dax_failure_fn: typeof xfs_dax_failure_fn;
  }
}

/**
 * Takes pages away from all files that have them, and shuts the file system down if the device goes.
 *
 * Models `fs/xfs/xfs_notify_failure.c:xfs_dax_notify_failure()` and `xfs_dax_notify_ddev_failure()` @ v6.12, which v7.2
 * has as xfs_dax_notify_dev_failure(). Before the device goes, the file system is frozen, which holds off stores, and
 * not loads. Afterwards it is thawed, for whoever else had frozen it, too.
 * Left out: bad metadata.
 *
 * @returns 0; -EOPNOTSUPP if it does not know which files have a block; -EFSCORRUPTED, with the file system shut down, if
 * one of them is going away.
 */
export function* xfs_dax_notify_failure(
  k: Kernel,
  sb: SuperBlock,
  pfns: readonly Pfn[],
  flags: FailureFlags,
): Code<number> {
  if (!sb.s_rmapbt) return -EOPNOTSUPP;
  const goes = flags === "MF_MEM_PRE_REMOVE";
  const frozen = goes && (yield* k.freeze_super(sb, "kernel")) === 0;
  const wantShutdown = yield* k.xfs_rmap_query_range(sb, pfns, flags);
  if (goes) {
    yield* WRITE_ONCE(sb.s_shutdown, true);
    if (frozen) yield* k.thaw_super(sb, "kernel");
    yield* k.thaw_super(sb, "userspace");
  } else if (wantShutdown) {
    yield* WRITE_ONCE(sb.s_shutdown, true);
    return -EFSCORRUPTED;
  }
  return 0;
}

/**
 * Takes pages away from the files that have them, one by one, with the AGF locked: whatever this waits for then, must
 * not wait for the AGF.
 *
 * Models the loop of `fs/xfs/xfs_notify_failure.c:xfs_dax_notify_ddev_failure()` @ v6.12, with xfs_rmap_query_range(),
 * whose cursor is on the buffer of the AGF, for one allocation group.
 *
 * @returns whether the file system is to be shut down, since a file could not be told.
 */
export function* xfs_rmap_query_range(
  k: Kernel,
  sb: SuperBlock,
  pfns: readonly Pfn[],
  flags: FailureFlags,
): Code<boolean> {
  let wantShutdown = false;
  yield* xfs_alloc_read_agf(k, sb);
  for (const inode of sb.s_inodes) {
    for (let index = 0; index < inode.i_data.length; index++) {
      const block = yield* READ_ONCE(extentOf(inode, index));
      if (block === null || !pfns.includes(block)) continue;
      const told = yield* k.xfs_dax_failure_fn(inode, index, flags);
      if (!told) wantShutdown = true;
    }
  }
  yield* xfs_trans_brelse(sb);
  return wantShutdown;
}

/**
 * Takes a page of a file away from those who map it; if the device goes, its entry as well.
 *
 * Models `fs/xfs/xfs_notify_failure.c:xfs_dax_failure_fn()` @ v6.12, for one page, with xfs_iget().
 * Left out: that an inode which has left memory, and not only begun to, is passed over.
 *
 * @returns false if the inode is going away.
 */
export function* xfs_dax_failure_fn(
  k: Kernel,
  inode: Inode,
  index: number,
  flags: FailureFlags,
): Code<boolean> {
  if (!(yield* igrab(inode))) return false;
  yield* k.mf_dax_kill_procs(inode.i_mapping, index, flags);
  if (flags === "MF_MEM_PRE_REMOVE") {
    yield* k.invalidate_inode_pages2_range(inode.i_mapping, index, index + 1);
  }
  yield* iput(inode);
  return true;
}
