// What a file system gives the kernel: its operations, as names of table functions, so that a change
// of a function takes effect through them, too. Source: include/linux/fs.h, include/linux/iomap.h.
import type { Pfn } from "../../../base/brand.ts";

/** The file systems that can map persistent memory. */
export type FileSystemName = "ext4" | "xfs" | "fuse";

/** The operations of a file system: file_system_type, and the tables that it puts into its inodes. */
export interface FileSystemType {
  readonly name: FileSystemName | "dax";
  /** vm_operations_struct: a fault on a mapped file. */
  readonly huge_fault: "ext4_dax_fault" | "xfs_dax_fault" | "fuse_dax_fault" | "dev_dax_huge_fault";
  /** iomap_ops: which block, and what to do when the access is done. */
  readonly iomap_begin: "ext4_iomap_begin" | "xfs_iomap_begin" | "fuse_iomap_begin";
  readonly iomap_end: "xfs_dax_write_iomap_end" | null;
  /** inode_operations: a new size. */
  readonly setattr: "ext4_setattr" | "xfs_vn_setattr" | "fuse_do_setattr";
  /** file_operations. */
  readonly fallocate: "ext4_fallocate" | "xfs_file_fallocate" | "fuse_file_fallocate";
  readonly remap_file_range: "xfs_file_remap_range" | null;
  /** dax_holder_operations: is it told of failures? Only XFS is. */
  readonly holder: boolean;
  /** super_operations: the inode leaves memory. */
  readonly evict_inode: "ext4_evict_inode" | "xfs_fs_evict_inode" | "fuse_evict_inode";
}

/** Modes of fallocate() that take blocks away. */
export const FALLOC_FL_PUNCH_HOLE = "punch-hole";
export const FALLOC_FL_COLLAPSE_RANGE = "collapse-range";
/** XFS: gives shared blocks copies of their own. */
export const FALLOC_FL_UNSHARE_RANGE = "unshare-range";
export type FallocMode =
  | typeof FALLOC_FL_PUNCH_HOLE
  | typeof FALLOC_FL_COLLAPSE_RANGE
  | typeof FALLOC_FL_UNSHARE_RANGE;

/** struct iomap: what is at one page of a file. */
export interface Iomap {
  /** The block, by its page frame number; null is IOMAP_HOLE. */
  readonly pfn: Pfn | null;
  /** IOMAP_F_SHARED: other files have the block too; or, on a write, it is a copy of such a block. */
  readonly shared: boolean;
  /** IOMAP_F_NEW: allocated just now. */
  readonly fresh: boolean;
  /** IOMAP_F_DIRTY: the disk does not know of it yet. */
  readonly dirty: boolean;
  readonly [field: string]: number | boolean | null;
}
