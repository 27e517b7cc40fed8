// A remedy for the AGF that is locked while XFS waits for entries. None has been posted; it is a candidate of ours.
import { extentOf } from "../kernel/fs/blocks.ts";
import { xfs_alloc_read_agf, xfs_trans_brelse } from "../kernel/fs/xfs/xfs_alloc.ts";
import type { Inode } from "../kernel/include/linux/fs.ts";
import { change } from "../kernel/kernel.ts";
import { READ_ONCE } from "../kernel/lib/atomic.ts";

export const xfsNotifyWithoutAgf = change({
  name: "xfs-notify-without-agf",
  subject: "xfs: note which files have a failed range, and take it from them when the AGF is unlocked",
  source: "a candidate of ours",
  about:
    "Is the AGF all that stands between memory failure and a fault? It leaves open what becomes of a file that has " +
    "another block by then: a page that is good is taken for the bad one.",
  after: ["fsdax-reflink"],
  functions: {
    *xfs_rmap_query_range(k, sb, pfns, flags) {
      const found: { readonly inode: Inode; readonly index: number }[] = [];
      yield* xfs_alloc_read_agf(k, sb);
      for (const inode of sb.s_inodes) {
        for (let index = 0; index < inode.i_data.length; index++) {
          const block = yield* READ_ONCE(extentOf(inode, index));
          if (block !== null && pfns.includes(block)) found.push({ inode, index });
        }
      }
      yield* xfs_trans_brelse(sb);
      let wantShutdown = false;
      for (const { inode, index } of found) {
        const told = yield* k.xfs_dax_failure_fn(inode, index, flags);
        if (!told) wantShutdown = true;
      }
      return wantShutdown;
    },
  },
});
