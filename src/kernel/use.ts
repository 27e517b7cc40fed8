// What callers of some functions of the kernel must see to. In Linux the virtual file system or the system call
// does; here a scenario may call what lies below, and types are not checked when its file is run.
import { requireUse } from "../base/errors.ts";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_UNSHARE_RANGE,
  type Inode,
} from "./include/linux/fs.ts";
import { requireKinds } from "./kinds.ts";
import { takenBy } from "./takes.ts";

/** @throws {@link PagelifeError} PL210 if a function cannot be called like this. */
type Guard = (args: readonly unknown[]) => void;

const modesOf: Readonly<Record<string, readonly string[]>> = {
  ext4: [FALLOC_FL_PUNCH_HOLE, FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE],
  xfs: [FALLOC_FL_PUNCH_HOLE, FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE, FALLOC_FL_UNSHARE_RANGE],
  fuse: [FALLOC_FL_PUNCH_HOLE],
};

/** What is to be seen to before a function is called; null for most. */
export function guardOf(name: string): Guard | null {
  const kinds = takenBy(name);
  const fileSystem = /^(ext4|xfs|fuse)_/.exec(name)?.[1];
  if (kinds === null && fileSystem === undefined) return null;
  return (args) => {
    if (fileSystem !== undefined) requireFileSystem(name, fileSystem, args[0]);
    requireKinds(name, kinds ?? [], args);
    if (name.endsWith("_fallocate")) requireMode(name, args);
  };
}

/** What is no inode has no file system to be looked at. */
const fileSystemOf = (inode: unknown): string | undefined => (inode as Inode | undefined)?.i_sb?.s_type?.name;

function requireFileSystem(name: string, fileSystem: string, inode: unknown): void {
  const found = fileSystemOf(inode);
  requireUse(
    found === undefined || found === fileSystem,
    `${name}() was called on ${(inode as Inode)?.name}, a file of ${found}`,
  );
}

function requireMode(name: string, [inode, mode]: readonly unknown[]): void {
  const { name: file, i_sb } = inode as Inode;
  const fileSystem = i_sb.s_type.name;
  const modes = modesOf[fileSystem] ?? [];
  requireUse(
    modes.includes(mode as string),
    `${name}() of ${file}: ${fileSystem} has no mode "${String(mode)}"; it has ${modes.join(", ") || "none"}`,
  );
}
