// Two files of XFS that share their one block.
import type { Code } from "../explore/access.ts";
import type { Inode, SuperBlock } from "../kernel/include/linux/mm_types.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { createFile, mountDax } from "../kernel/setup.ts";

export interface ReflinkedFiles {
  readonly sb: SuperBlock;
  readonly one: Inode;
  readonly two: Inode;
}

/** Makes a file, and a second one by FICLONE. */
export function* reflinkedFiles(k: Kernel, spare: number = 1): Code<ReflinkedFiles> {
  const sb = mountDax(k, 1 + spare, "xfs");
  const one = yield* createFile(k, sb, "one", 1);
  const two = yield* createFile(k, sb, "two", 1, 0);
  yield* k.vfs_clone_file_range(one, two, 1);
  return { sb, one, two };
}
