// DAX: copies of blocks that others have, too, without a write. Source: fs/dax.c.

import type { Code } from "../../explore/access.ts";
import { ENOSPC, ENXIO } from "../include/asm-generic/errno-base.ts";
import { fileSystemType, type Inode } from "../include/linux/fs.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE } from "../lib/atomic.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    dax_file_unshare: typeof dax_file_unshare;
  }
}

/**
 * Gives a file copies of the blocks that others have, too. Clean entries of the old blocks go; a dirty one stays, for
 * nobody asks whether it went.
 *
 * Models `fs/dax.c:dax_file_unshare()` and `dax_unshare_iter()` @ v6.12, a page at a time.
 * Left out: the copying.
 * Context: i_rwsem and invalidate_lock held for writing.
 *
 * @param first First page of the range; `end` is one past the last.
 * @returns 0; -ENOSPC if there is no block for a copy, or -ENXIO if the device has gone. What was copied before stays.
 */
export function* dax_file_unshare(k: Kernel, inode: Inode, first: number, end: number): Code<number> {
  const { i_mapping, i_sb, i_size } = inode;
  const { iomap_begin, iomap_end } = fileSystemType(i_sb, `an access to ${inode.name}`);
  const size = yield* READ_ONCE(i_size);
  for (let index = first; index < Math.min(end, size); index++) {
    const iomap = yield* k[iomap_begin](inode, index, 1, true);
    if (iomap === null) return -ENOSPC;
    let copied = true;
    if (iomap.shared) {
      yield* k.invalidate_inode_pages2_range(i_mapping, index, index + 1);
      copied = yield* k.dax_alive(i_sb);
    }
    if (iomap_end !== null) yield* k[iomap_end](inode, index, iomap, copied);
    if (!copied) return -ENXIO;
  }
  return 0;
}
