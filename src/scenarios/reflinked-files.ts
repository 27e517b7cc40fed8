// Two files of XFS that share their blocks.
import type { Code } from "../explore/access.ts";
import type { Inode, SuperBlock } from "../kernel/include/linux/fs.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { createFile, mountDax } from "../kernel/setup.ts";

export interface ReflinkedFiles {
  readonly sb: SuperBlock;
  readonly one: Inode;
  readonly two: Inode;
}

/** Makes a file of `pages` pages, and a second one by FICLONE; there are as many blocks for copies. */
export function* reflinkedFiles(k: Kernel, pages: number = 1): Code<ReflinkedFiles> {
  const sb = mountDax(k, 2 * pages, "xfs");
  const one = yield* createFile(k, sb, "one", pages);
  const two = yield* createFile(k, sb, "two", pages, 0);
  yield* k.vfs_clone_file_range(one, two, pages);
  return { sb, one, two };
}
