// Every file that adds functions to the table. `pagelife/kernel` names them all, so that a user's file
// sees the types of all functions.

export * as dax_super from "./drivers/dax/super.ts";
export * as pmem from "./drivers/nvdimm/pmem.ts";
export * as dax from "./fs/dax.ts";
export * as dax_lock from "./fs/dax-lock.ts";
export * as dax_writeback from "./fs/dax-writeback.ts";
export * as ext4_file from "./fs/ext4/file.ts";
export * as ext4_inode from "./fs/ext4/inode.ts";
export * as fuse_dax from "./fs/fuse/dax.ts";
export * as task_mmu from "./fs/proc/task_mmu.ts";
export * as vfs from "./fs/vfs.ts";
export * as xfs_file from "./fs/xfs/xfs_file.ts";
export * as xfs_inode from "./fs/xfs/xfs_inode.ts";
export * as xfs_notify_failure from "./fs/xfs/xfs_notify_failure.ts";
export * as xfs_reflink from "./fs/xfs/xfs_reflink.ts";
export * as mm_h from "./include/linux/mm.ts";
export * as fork from "./kernel/fork.ts";
export * as wait_bit from "./kernel/sched/wait_bit.ts";
export * as gup from "./mm/gup.ts";
export * as huge_memory from "./mm/huge_memory.ts";
export * as memory from "./mm/memory.ts";
export * as memory_failure from "./mm/memory-failure.ts";
export * as memory_private from "./mm/memory-private.ts";
export * as memremap from "./mm/memremap.ts";
export * as mlock from "./mm/mlock.ts";
export * as mmu_gather from "./mm/mmu_gather.ts";
export * as page_writeback from "./mm/page-writeback.ts";
export * as rmap from "./mm/rmap.ts";
export * as swap from "./mm/swap.ts";
export * as truncate from "./mm/truncate.ts";
export * as user_access from "./mm/user-access.ts";
