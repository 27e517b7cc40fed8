// fuse with DAX, which is virtio-fs: file pages in a window of memory that the host shares with the guest.
// Source: fs/fuse/dax.c, fs/fuse/dir.c, fs/fuse/file.c, fs/fuse/inode.c. A block is a page of the window;
// truncation gives it back to the host. Left out everywhere: that ranges are of 2 MiB.
import type { Code, Wait } from "../../../explore/access.ts";
import type { FallocMode, FileSystemType, Inode, Iomap } from "../../include/linux/fs.ts";
import { page_ref_count } from "../../include/linux/page_ref.ts";
import { down_read, down_write, up_read, up_write } from "../../kernel/locking/rwsem.ts";
import { schedule } from "../../kernel/sched/wait.ts";
import type { Kernel } from "../../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../../lib/atomic.ts";
import type { VmFault, VmFaultInfo } from "../../mm/memory.ts";
import { dropBlock, endOfBlocks, extentOf, extentsOf, lookUp, takeBlocks } from "../blocks.ts";
import { untilIdle } from "../ext4/inode.ts";
import { igrab, iput } from "../inode.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    fuse_dax_fault: typeof fuse_dax_fault;
    fuse_iomap_begin: typeof fuse_iomap_begin;
    fuse_dax_write_iter: typeof fuse_dax_write_iter;
    fuse_wait_dax_page: typeof fuse_wait_dax_page;
    fuse_dax_break_layouts: typeof fuse_dax_break_layouts;
    lookup_and_reclaim_dmap: typeof lookup_and_reclaim_dmap;
    fuse_whole_file_end: typeof fuse_whole_file_end;
    fuse_do_setattr: typeof fuse_do_setattr;
    fuse_file_fallocate: typeof fuse_file_fallocate;
    fuse_evict_inode: typeof fuse_evict_inode;
  }
}

/** The operations of fuse. */
export const fuse: FileSystemType = {
  name: "fuse",
  huge_fault: "fuse_dax_fault",
  writenotify: true,
  mixedmap: true,
  mmap_sync: false,
  mmap: null,
  iomap_begin: "fuse_iomap_begin",
  iomap_end: null,
  write_iter: "fuse_dax_write_iter",
  setattr: "fuse_do_setattr",
  fallocate: "fuse_file_fallocate",
  remap_file_range: null,
  holder: false,
  drops_inode: true,
  evict_inode: "fuse_evict_inode",
};

/** Of a page of the window: one file has it, with nothing mapped in its place before, and the host keeps the metadata. */
const OF_WINDOW = { shared: false, fresh: false, dirty: false } as const;

/**
 * Brings a page of a file into a page table, unless the file is being cut.
 *
 * Models `fs/fuse/dax.c:__fuse_dax_fault()` @ v6.12.
 * Left out: waiting for a free range: where none is left, the access is a SIGBUS; sb_start_pagefault() of a write, since
 * nobody can freeze fuse.
 */
export function* fuse_dax_fault(k: Kernel, vmf: VmFaultInfo): Code<VmFault> {
  const { invalidate_lock } = vmf.vma.vm_file.i_mapping;
  yield* down_read(k, invalidate_lock);
  let fault = yield* k.dax_iomap_fault(vmf);
  if (typeof fault === "number") fault = yield* k.dax_finish_sync_fault(vmf, fault);
  yield* up_read(k, invalidate_lock);
  return fault;
}

/**
 * The pages of the window, given by the host if need be: for reads as for writes. What the file has on the host, data or
 * a hole, is seen through a page of the window only.
 *
 * Models `fs/fuse/dax.c:fuse_iomap_begin()` @ v6.12.
 * Left out: the hole that it answers beyond the end of the file, where a fault does not ask; that the host lets a range
 * that was read be written to by the first write, in its place.
 * Simplified: the semaphore of the inode's ranges. fuse_setup_new_dax_mapping() looks again under it, in the step in
 * which the pages are given. They are the lowest that are free, and not those that have been free for longest.
 */
export function* fuse_iomap_begin(k: Kernel, inode: Inode, index: number, pages: number): Code<Iomap | null> {
  const extents = extentsOf(inode, index, pages);
  const run = yield* lookUp(extents);
  if (run.pfn !== null) return { pfn: run.pfn, pages: run.pages, ...OF_WINDOW };
  const taken = yield* takeBlocks(k, inode, extents);
  return taken === null ? null : { pfn: taken.block, pages: taken.pages, ...OF_WINDOW };
}

/**
 * Writes to a page of a file: through the window, or past it where the file becomes longer.
 *
 * Models `fs/fuse/dax.c:fuse_dax_write_iter()` @ v6.12. fuse_dax_direct_write() sends what is written to the host.
 * Context: i_rwsem held for writing.
 *
 * @returns whether it was written.
 */
export function* fuse_dax_write_iter(k: Kernel, inode: Inode, index: number): Code<boolean> {
  if (index >= (yield* READ_ONCE(inode.i_size))) return true;
  return yield* k.dax_iomap_rw(inode, index);
}

/** Models `fs/fuse/dax.c:fuse_wait_dax_page()` @ v6.12: sleeps without the lock that keeps faults out. */
export function* fuse_wait_dax_page(k: Kernel, inode: Inode, wait: Wait): Code {
  const { invalidate_lock } = inode.i_mapping;
  yield* up_write(invalidate_lock);
  yield* schedule(k, wait);
  yield* down_write(k, invalidate_lock);
}

/**
 * Unmaps a part of a file and waits until nobody uses its pages.
 *
 * Models `fs/fuse/dax.c:fuse_dax_break_layouts()` and `__fuse_dax_break_layouts()` @ v6.12.
 * Left out: signals, which end the wait.
 *
 * @param start First page; `end` is the last one.
 */
export function* fuse_dax_break_layouts(k: Kernel, inode: Inode, start: number, end: number): Code {
  for (;;) {
    const page = yield* k.dax_layout_busy_page_range(inode.i_mapping, start, end);
    if (page === null) return;
    yield* k.___wait_var_event(
      page._refcount,
      function* idle(): Code<boolean> {
        return (yield* page_ref_count(page)) === 1;
      },
      function* cmd(wait: Wait): Code {
        yield* k.fuse_wait_dax_page(inode, wait);
      },
      untilIdle(k, page, 1),
    );
  }
}

/**
 * Takes pages of the window away from a file, after nobody uses them any more, for other files to have. The host keeps
 * what is in them, and a later access, a load, too, brings it back in a place of the window that is free then.
 *
 * Models `fs/fuse/dax.c:lookup_and_reclaim_dmap()` @ v6.12, for a range of any length, with `reclaim_one_dmap_locked()`
 * and `dmap_writeback_invalidate()`.
 * Left out: dmap->refcnt, by which a range is passed over that is read or written by a system call just now; who asks
 * for it: a worker when few ranges are left, and read(2) and write(2) that find none.
 *
 * @param first First page; `end` is one past the last.
 * @returns whether the pages are free: not if one is dirty, or the file is going away.
 */
export function* lookup_and_reclaim_dmap(k: Kernel, inode: Inode, first: number, end: number): Code<boolean> {
  const { i_mapping } = inode;
  // Of try_to_free_dmap_chunks()
  if (!(yield* igrab(inode))) return false;
  yield* down_write(k, i_mapping.invalidate_lock);
  yield* k.fuse_dax_break_layouts(inode, first, end - 1);
  yield* k.dax_writeback_mapping_range(i_mapping, first, end);
  const clean = yield* k.invalidate_inode_pages2_range(i_mapping, first, end);
  // FUSE_REMOVEMAPPING
  for (let index = first; clean && index < end; index++) yield* dropBlock(k, inode, extentOf(inode, index));
  yield* up_write(i_mapping.invalidate_lock);
  yield* iput(inode);
  return clean;
}

/**
 * The end of the range that truncation and fallocate() take for the whole file: 0, which is the first page.
 *
 * Models the argument of fuse_dax_break_layouts() in `fs/fuse/dir.c:fuse_do_setattr()` @ v6.12.0. The stable series has
 * the fix: 6.12.117 passes -1, which is the whole file.
 */
export const fuse_whole_file_end = (_k: Kernel, _inode: Inode): number => 0;

/**
 * Gives a file a new size.
 *
 * Models `fs/fuse/dir.c:fuse_do_setattr()` @ v6.12.
 * Left out: invalidate_inode_pages2() where the size has changed; truncation at open, O_TRUNC in fuse_open(), which
 * breaks layouts, too.
 * Context: i_rwsem held for writing.
 *
 * @param size In pages.
 */
export function* fuse_do_setattr(k: Kernel, inode: Inode, size: number): Code {
  const { invalidate_lock } = inode.i_mapping;
  yield* down_write(k, invalidate_lock);
  yield* k.fuse_dax_break_layouts(inode, 0, k.fuse_whole_file_end(inode));
  // FUSE_SETATTR: the host truncates
  for (let index = size; index < inode.i_data.length; index++) {
    yield* dropBlock(k, inode, extentOf(inode, index));
  }
  yield* WRITE_ONCE(inode.i_size, size);
  yield* k.truncate_pagecache(inode, size);
  yield* up_write(invalidate_lock);
}

/**
 * Takes blocks of a file away.
 *
 * Models `fs/fuse/file.c:fuse_file_fallocate()` @ v6.12, punching a hole.
 *
 * @param first First page of the range; `end` is one past the last.
 */
export function* fuse_file_fallocate(
  k: Kernel,
  inode: Inode,
  _mode: FallocMode,
  first: number,
  end: number,
): Code<number> {
  const { i_rwsem, i_mapping } = inode;
  yield* down_write(k, i_rwsem);
  yield* down_write(k, i_mapping.invalidate_lock);
  yield* k.fuse_dax_break_layouts(inode, 0, k.fuse_whole_file_end(inode));
  // fuse_writeback_range(), to the end of the file
  yield* k.dax_writeback_mapping_range(i_mapping, first, i_mapping.i_pages.length);
  // FUSE_FALLOCATE: the host punches the hole
  for (let index = first; index < endOfBlocks(inode, end); index++)
    yield* dropBlock(k, inode, extentOf(inode, index));
  yield* k.truncate_pagecache_range(inode, first, end);
  yield* up_write(i_mapping.invalidate_lock);
  yield* up_write(i_rwsem);
  return 0;
}

/**
 * Forgets an inode that nobody uses any more, and its pages of the window with it, for other files to have; whether the
 * file has a name or not. After an unmount there is nobody to have them.
 *
 * Models `fs/fuse/inode.c:fuse_evict_inode()` @ v6.12, with fuse_dax_inode_cleanup().
 */
export function* fuse_evict_inode(k: Kernel, inode: Inode): Code {
  yield* k.truncate_inode_pages_range(inode.i_mapping, 0, inode.i_mapping.i_pages.length);
  if (!(yield* READ_ONCE(inode.i_sb.s_active))) return;
  for (let index = 0; index < inode.i_data.length; index++) {
    yield* dropBlock(k, inode, extentOf(inode, index));
  }
}
