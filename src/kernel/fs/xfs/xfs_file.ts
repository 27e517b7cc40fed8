// XFS: faults on a DAX file, and taking blocks away. Source: fs/xfs/xfs_file.c. IOLOCK is i_rwsem, and
// MMAPLOCK is invalidate_lock.

import type { Code } from "../../../explore/access.ts";
import { EFBIG, EINVAL } from "../../include/asm-generic/errno-base.ts";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_UNSHARE_RANGE,
  type FallocMode,
  type Inode,
} from "../../include/linux/fs.ts";
import { VM_SHARED } from "../../include/linux/mm_types.ts";
import { down_read, down_write, up_read, up_write } from "../../kernel/locking/rwsem.ts";
import type { Kernel } from "../../kernel.ts";
import { READ_ONCE } from "../../lib/atomic.ts";
import type { VmFault, VmFaultInfo } from "../../mm/memory.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    xfs_dax_fault: typeof xfs_dax_fault;
    xfs_fault_waits: typeof xfs_fault_waits;
    xfs_file_fallocate: typeof xfs_file_fallocate;
  }
}

/**
 * Brings a page of a file into a page table, unless the file is being cut.
 *
 * Models `fs/xfs/xfs_file.c:xfs_dax_read_fault()` and `xfs_write_fault()` @ v6.12.
 */
export function* xfs_dax_fault(k: Kernel, vmf: VmFaultInfo): Code<VmFault> {
  const { vm_file, vm_flags } = vmf.vma;
  const { invalidate_lock } = vm_file.i_mapping;
  const writes = vmf.write && (vm_flags & VM_SHARED) !== 0;
  if (writes) yield* k.sb_start_pagefault(vm_file.i_sb);
  yield* down_read(k, invalidate_lock);
  const remapping = yield* k.xfs_fault_waits(vm_file, writes);
  if (remapping) {
    yield* up_read(k, invalidate_lock);
    yield* down_write(k, invalidate_lock);
  }
  let fault = yield* k.dax_iomap_fault(vmf);
  if (typeof fault === "number") fault = yield* k.dax_finish_sync_fault(vmf, fault);
  if (remapping) yield* up_write(invalidate_lock);
  else yield* up_read(k, invalidate_lock);
  if (writes) yield* k.sb_end_pagefault(vm_file.i_sb);
  return fault;
}

/**
 * Is the file the source of a reflink that is under way? Who faults on it takes the lock for writing then, and so waits
 * for its end.
 *
 * Models the test of XFS_IREMAPPING in `fs/xfs/xfs_file.c:__xfs_filemap_fault()` @ v6.1.192, with
 * xfs_ilock_for_write_fault(): for every fault on a DAX file, whether it writes or not.
 */
export function* xfs_fault_waits(_k: Kernel, inode: Inode, _writes: boolean): Code<boolean> {
  return yield* READ_ONCE(inode.i_remapping);
}

/**
 * Takes blocks of a file away, moves them, or gives it copies of shared ones, after nobody uses its pages any more.
 *
 * Models `fs/xfs/xfs_file.c:xfs_file_fallocate()` @ v6.12.
 * Left out: allocation and zero range; waiting for direct I/O on the file itself.
 *
 * @param first First page of the range; `end` is one past the last.
 * @returns 0; -EINVAL for collapsing a range that reaches the end of the file, and for inserting one beyond it; -EFBIG
 * for a file that would be longer than it was made.
 */
export function* xfs_file_fallocate(
  k: Kernel,
  inode: Inode,
  mode: FallocMode,
  first: number,
  end: number,
): Code<number> {
  const { i_data, i_rwsem, i_mapping, i_size } = inode;
  let error = 0;
  yield* down_write(k, i_rwsem);
  yield* down_write(k, i_mapping.invalidate_lock);
  yield* k.xfs_break_layouts(inode);
  if (mode === FALLOC_FL_COLLAPSE_RANGE) {
    if (end >= (yield* READ_ONCE(i_size))) error = -EINVAL;
    else yield* k.xfs_collapse_file_space(inode, first, end);
  } else if (mode === FALLOC_FL_INSERT_RANGE) {
    const size = yield* READ_ONCE(i_size);
    if (size + end - first > i_data.length) error = -EFBIG;
    else if (first >= size) error = -EINVAL;
    else yield* k.xfs_insert_file_space(inode, first, end);
  } else if (mode === FALLOC_FL_UNSHARE_RANGE) error = yield* k.xfs_reflink_unshare(inode, first, end);
  else yield* k.xfs_free_file_space(inode, first, end);
  yield* up_write(i_mapping.invalidate_lock);
  yield* up_write(i_rwsem);
  return error;
}
