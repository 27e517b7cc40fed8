// XFS: what it does when it is told that memory went bad, or goes. Source: fs/xfs/xfs_notify_failure.c.
import type { Pfn } from "../../../base/brand.ts";
import type { Code } from "../../../explore/access.ts";
import type { SuperBlock } from "../../include/linux/fs.ts";
import type { Kernel } from "../../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../../lib/atomic.ts";
import { EOPNOTSUPP, type FailureFlags } from "../../mm/memory-failure.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    xfs_dax_notify_failure: typeof xfs_dax_notify_failure;
  }
}

/**
 * Takes pages away from all files that have them, and shuts the file system down if the device goes.
 *
 * Models `fs/xfs/xfs_notify_failure.c:xfs_dax_notify_failure()` and `xfs_dax_failure_fn()` @ v6.12. Before the device
 * goes, the file system is frozen, which holds off stores, and not loads.
 * Left out: bad metadata; the AGF, the buffer of an allocation group, which is locked meanwhile: a fault on a reflinked
 * file locks it, too, after it has locked its entry, for which this waits.
 *
 * @returns 0, or -EOPNOTSUPP if it does not know which files have a block.
 */
export function* xfs_dax_notify_failure(
  k: Kernel,
  sb: SuperBlock,
  pfns: readonly Pfn[],
  flags: FailureFlags,
): Code<number> {
  if (!sb.s_rmapbt) return -EOPNOTSUPP;
  const { s_inodes, s_shutdown } = sb;
  const goes = flags === "MF_MEM_PRE_REMOVE";
  if (goes) yield* k.freeze_super(sb);
  for (const inode of s_inodes) {
    for (let index = 0; index < inode.i_data.length; index++) {
      const extent = inode.i_data[index];
      const block = extent === undefined ? null : yield* READ_ONCE(extent);
      if (block === null || !pfns.includes(block)) continue;
      yield* k.mf_dax_kill_procs(inode.i_mapping, index, flags);
      if (goes) {
        yield* k.invalidate_inode_pages2_range(inode.i_mapping, index, index + 1);
      }
    }
  }
  if (goes) {
    yield* WRITE_ONCE(s_shutdown, true);
    yield* k.thaw_super(sb);
  }
  return 0;
}
