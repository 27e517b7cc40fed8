// The virtual file system: system calls on files, by the operations of their file system.
// Source: fs/open.c, fs/read_write.c, fs/remap_range.c, fs/sync.c, fs/inode.c, fs/super.c.

import { requireUse } from "../../base/errors.ts";
import { type Code, rmw } from "../../explore/access.ts";
import { EBUSY, EXDEV } from "../include/asm-generic/errno-base.ts";
import { type FallocMode, fileSystemType, type Inode, type SuperBlock } from "../include/linux/fs.ts";
import type { VmArea } from "../include/linux/mm_types.ts";
import { down_write, up_write } from "../kernel/locking/rwsem.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE, WRITE_ONCE, xchg } from "../lib/atomic.ts";
import { beginToForget, igrab, iput } from "./inode.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    do_truncate: typeof do_truncate;
    vfs_fallocate: typeof vfs_fallocate;
    vfs_write: typeof vfs_write;
    vfs_fsync_range: typeof vfs_fsync_range;
    vfs_fsync: typeof vfs_fsync;
    vfs_clone_file_range: typeof vfs_clone_file_range;
    vfs_unlink: typeof vfs_unlink;
    evict: typeof evict;
    sync_filesystem: typeof sync_filesystem;
    generic_shutdown_super: typeof generic_shutdown_super;
  }
}

/**
 * Gives a file a new size.
 *
 * Models `fs/open.c:do_truncate()` @ v6.12, with `do_ftruncate()`, which holds off a freeze meanwhile.
 * Left out: leases, and what the owner of a file may not do.
 *
 * @param size In pages; at most as many as the file was made with.
 */
export function* do_truncate(k: Kernel, inode: Inode, size: number): Code {
  const { i_data, i_rwsem, name } = inode;
  const { setattr } = fileSystemType(inode.i_sb, `do_truncate() of ${name}`);
  requireUse(
    size >= 0 && size <= i_data.length,
    `do_truncate() of ${name} to ${size} pages: it was made with room for ${i_data.length}; make a larger one with ` +
      "createFile(), and truncate it in setup",
  );
  yield* k.sb_start_write(inode.i_sb);
  yield* down_write(k, i_rwsem);
  yield* k[setattr](inode, size);
  yield* up_write(i_rwsem);
  yield* k.sb_end_write(inode.i_sb);
}

/**
 * Takes blocks of a file away.
 *
 * Models `fs/open.c:vfs_fallocate()` @ v6.12.
 *
 * @param first First page of the range; `end` is one past the last.
 * @returns 0, or a negative error.
 */
export function* vfs_fallocate(
  k: Kernel,
  inode: Inode,
  mode: FallocMode,
  first: number,
  end: number,
): Code<number> {
  const { fallocate } = fileSystemType(inode.i_sb, `vfs_fallocate() of ${inode.name}`);
  yield* k.sb_start_write(inode.i_sb);
  const rc = yield* k[fallocate](inode, mode, first, end);
  yield* k.sb_end_write(inode.i_sb);
  return rc;
}

/**
 * Writes to a page of a file with write(2).
 *
 * Models `fs/read_write.c:vfs_write()` @ v6.12, with ext4_dax_write_iter(), xfs_file_dax_write() and
 * what of fuse_dax_write_iter() is alike: i_rwsem is held, and invalidate_lock is not. A write at or beyond the end of the
 * file makes it longer, after it was written.
 * Left out: zeroing what lies between the old end and the write.
 */
export function* vfs_write(k: Kernel, inode: Inode, index: number): Code {
  const { i_rwsem, i_size } = inode;
  const { write_iter } = fileSystemType(inode.i_sb, `vfs_write() of ${inode.name}`);
  yield* k.sb_start_write(inode.i_sb);
  yield* down_write(k, i_rwsem);
  const written = yield* k[write_iter](inode, index);
  const grows = written && index >= (yield* READ_ONCE(i_size));
  if (grows) yield* WRITE_ONCE(i_size, index + 1);
  yield* up_write(i_rwsem);
  yield* k.sb_end_write(inode.i_sb);
}

/**
 * Makes a part of a file durable.
 *
 * Models `fs/sync.c:vfs_fsync_range()` @ v6.12, with ext4_sync_file(), xfs_file_fsync() and fuse_fsync().
 *
 * @param first First page of the range; `end` is one past the last.
 */
export function* vfs_fsync_range(k: Kernel, inode: Inode, first: number, end: number): Code {
  yield* k.dax_writeback_mapping_range(inode.i_mapping, first, end);
  yield* WRITE_ONCE(inode.i_dirty, false);
}

/** Models `fs/sync.c:vfs_fsync()` @ v6.12: the whole file. */
export function* vfs_fsync(k: Kernel, inode: Inode): Code {
  fileSystemType(inode.i_sb, `vfs_fsync() of ${inode.name}`);
  yield* k.vfs_fsync_range(inode, 0, inode.i_mapping.i_pages.length);
}

/**
 * Lets a file share the blocks of another: FICLONERANGE, from the start of both.
 *
 * Models `fs/remap_range.c:vfs_clone_file_range()` @ v6.12.
 *
 * @param pages How many, from the first.
 * @returns 0, or -EXDEV for files of two file systems, or -EINVAL for one file or more pages than `from` has.
 */
export function* vfs_clone_file_range(k: Kernel, from: Inode, to: Inode, pages: number): Code<number> {
  const { name, remap_file_range } = fileSystemType(from.i_sb, `vfs_clone_file_range() of ${from.name}`);
  requireUse(remap_file_range !== null, `${name} cannot share blocks between files`);
  if (from.i_sb !== to.i_sb) return -EXDEV;
  yield* k.sb_start_write(to.i_sb);
  const rc = yield* k[remap_file_range](from, to, pages);
  yield* k.sb_end_write(to.i_sb);
  return rc;
}

/**
 * Takes the only name of a file away.
 *
 * Models `fs/namei.c:vfs_unlink()` @ v6.12, with `do_unlinkat()`, which holds off a freeze meanwhile.
 * Left out: the directory; that do_unlinkat() forgets the inode if nobody has the file: evict() does.
 */
export function* vfs_unlink(k: Kernel, inode: Inode): Code {
  fileSystemType(inode.i_sb, `vfs_unlink() of ${inode.name}`);
  yield* k.sb_start_write(inode.i_sb);
  yield* down_write(k, inode.i_rwsem);
  const links = yield* xchg(inode.i_nlink, 0);
  requireUse(links > 0, `vfs_unlink() of ${inode.name}, which has no name any more`);
  yield* up_write(inode.i_rwsem);
  yield* k.sb_end_write(inode.i_sb);
}

/**
 * The last user closes a file, and its inode is forgotten: written back first if the file has a name. A process that
 * maps or has opened the file holds it, and a pin of its pages does not: the caller sees to it that nobody has the file
 * open.
 *
 * Models `fs/inode.c:iput_final()` and `evict()` @ v6.12. fuse has generic_delete_inode() as its drop_inode, which asks
 * for no writing back.
 * Left out: that an inode with a name stays in memory until that is short.
 *
 * @throws {@link PagelifeError} PL210 if somebody maps the file, or it is forgotten already: there is a user left, or none
 *   that could be the last.
 */
export function* evict(k: Kernel, inode: Inode): Code {
  const { name } = inode;
  const { drops_inode, evict_inode } = fileSystemType(inode.i_sb, `evict() of ${name}`);
  const [mapped, freeing, named] = yield* beginToForget(inode);
  requireUse(!mapped, `evict() of ${name}, which a process maps: who maps a file is a user of it`);
  requireUse(!freeing, `evict() of ${name}, which is forgotten already: its last user closes it once`);
  if (!drops_inode && named) yield* write_inode_now(k, inode);
  yield* k[evict_inode](inode);
}

/** Models `fs/fs-writeback.c:write_inode_now()` @ v6.12. */
function* write_inode_now(k: Kernel, inode: Inode): Code {
  yield* k.dax_writeback_mapping_range(inode.i_mapping, 0, inode.i_mapping.i_pages.length);
  yield* WRITE_ONCE(inode.i_dirty, false);
}

/**
 * Unmounts a file system: all is written back, then all its inodes are forgotten. The files are there again after the
 * next mount, with nothing in the page cache. Who maps a file keeps it mounted, and a pin does not.
 *
 * Models `fs/super.c:generic_shutdown_super()` @ v6.12, with sync_filesystem() and evict_inodes(), and the test of
 * propagate_mount_busy() in `fs/namespace.c:do_umount()`.
 * Left out: who has a file open without mapping it; that a frozen file system goes when it is thawed.
 *
 * @returns 0, or -EBUSY if a process maps a file.
 */
export function* generic_shutdown_super(k: Kernel, sb: SuperBlock): Code<number> {
  const { evict_inode } = fileSystemType(sb, "generic_shutdown_super()");
  const maps = sb.s_inodes.map(({ i_mapping }) => i_mapping.i_mmap);
  const busy = yield* rmw(maps, (...vmas: (readonly VmArea[])[]) => ({
    next: vmas,
    result: vmas.some((of) => of.length > 0),
  }));
  if (busy) return -EBUSY;
  yield* k.sync_filesystem(sb);
  yield* WRITE_ONCE(sb.s_active, false);
  for (const inode of sb.s_inodes) yield* k[evict_inode](inode);
  return 0;
}

/**
 * Writes the pages of all files to disk.
 *
 * Models `fs/sync.c:sync_filesystem()` @ v6.12.
 * Left out: the round before, in which the kernel starts to write and waits for nothing: it passes DAX files over.
 */
export function* sync_filesystem(k: Kernel, sb: SuperBlock): Code {
  for (const inode of sb.s_inodes) {
    // writeback_sb_inodes() passes over I_FREEING, and evict() waits for who writes back.
    if (!(yield* igrab(inode))) continue;
    yield* write_inode_now(k, inode);
    yield* iput(inode);
  }
}
