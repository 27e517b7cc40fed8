// struct inode, address_space and super_block, as cells, and what a file system gives the kernel: its operations,
// as names of table functions, so that a change of a function takes effect through them, too.
// Source: include/linux/fs.h, include/linux/iomap.h.

import type { Pfn } from "../../../base/brand.ts";
import { requireUse } from "../../../base/errors.ts";
import { type Cell, cell, ghostCell, modelled } from "../../../explore/access.ts";
import type { Modelled } from "../../../explore/value.ts";
import { newRwsem, type Rwsem } from "../../kernel/locking/rwsem.ts";
import { newSpinlock, type Spinlock } from "../../kernel/locking/spinlock.ts";
import { type DaxDevice, type DaxEntry, type DaxMarks, type DevDax, NO_MARKS } from "./dax.ts";
import type { DevPagemap } from "./memremap.ts";
import type { VmArea } from "./mm_types.ts";

/** The file systems that can map persistent memory. */
export type FileSystemName = "ext4" | "xfs" | "fuse";

/** What every file can do that is mapped: the tables that its file system puts into its inodes. */
export interface MappedFileType {
  readonly name: FileSystemName | "dax" | "sysfs";
  /** vm_operations_struct: a fault on a mapped file. */
  readonly huge_fault:
    | "ext4_dax_fault"
    | "xfs_dax_fault"
    | "fuse_dax_fault"
    | "dev_dax_huge_fault"
    | "kernfs_vma_fault";
  /** Is it told of the first store to a page, by page_mkwrite() or pfn_mkwrite()? */
  readonly writenotify: boolean;
  /** Have its mappings VM_MIXEDMAP? The file says so when it is mapped: fork() copies their entries. */
  readonly mixedmap: boolean;
  /** FOP_MMAP_SYNC: can it be mapped with MAP_SYNC? */
  readonly mmap_sync: boolean;
  /** file_operations: what the file does when it is mapped, if anything. */
  readonly mmap: "dax_mmap" | "p2pmem_alloc_mmap" | null;
  /** dax_holder_operations: is it told of failures? Only XFS is. */
  readonly holder: boolean;
}

/** The operations of a file system: file_system_type, and what is done with its files beside mapping them. */
export interface FileSystemType extends MappedFileType {
  /** iomap_ops: which block, and what to do when the access is done. */
  readonly iomap_begin: "ext4_iomap_begin" | "xfs_iomap_begin" | "fuse_iomap_begin";
  readonly iomap_end: "xfs_dax_write_iomap_end" | null;
  /** file_operations: write(2) of a page, past the CPU's caches. */
  readonly write_iter: "dax_iomap_rw" | "fuse_dax_write_iter";
  /** inode_operations: a new size. */
  readonly setattr: "ext4_setattr" | "xfs_vn_setattr" | "fuse_do_setattr";
  /** file_operations. */
  readonly fallocate: "ext4_fallocate" | "xfs_file_fallocate" | "fuse_file_fallocate";
  readonly remap_file_range: "xfs_file_remap_range" | null;
  /** super_operations: does an inode leave memory with its last user, whether it has a name or not? */
  readonly drops_inode: boolean;
  /** super_operations: the inode leaves memory. */
  readonly evict_inode: "ext4_evict_inode" | "xfs_fs_evict_inode" | "fuse_evict_inode";
}

/**
 * The file system of a file. The file of a device is mapped, and nothing else can be done with it.
 *
 * @param call What is done: `do_truncate() of dax0.0`.
 * @throws {@link PagelifeError} PL210 for the file of a device.
 */
export function fileSystemType({ s_type }: SuperBlock, call: string): FileSystemType {
  requireUse("setattr" in s_type, `${call}: it is the file of a device, and is only mapped`);
  return s_type;
}

/** Modes of fallocate() that take blocks away, or move them. */
export const FALLOC_FL_PUNCH_HOLE = "punch-hole";
export const FALLOC_FL_COLLAPSE_RANGE = "collapse-range";
export const FALLOC_FL_INSERT_RANGE = "insert-range";
/** XFS: gives shared blocks copies of their own. */
export const FALLOC_FL_UNSHARE_RANGE = "unshare-range";
export type FallocMode =
  | typeof FALLOC_FL_PUNCH_HOLE
  | typeof FALLOC_FL_COLLAPSE_RANGE
  | typeof FALLOC_FL_INSERT_RANGE
  | typeof FALLOC_FL_UNSHARE_RANGE;

/** struct iomap: what is at a range of a file, from its first page on, as far as it is alike. */
export interface Iomap {
  /** The first block, by its page frame number; null is IOMAP_HOLE. */
  readonly pfn: Pfn | null;
  /** iomap_length(): for how many pages this goes, at most as many as were asked for. Blocks are in order. */
  readonly pages: number;
  /** IOMAP_F_SHARED: other files have the block too; or, on a write, it is a copy of such a block. */
  readonly shared: boolean;
  /** IOMAP_F_NEW: allocated just now. */
  readonly fresh: boolean;
  /** IOMAP_F_DIRTY: the disk does not know of it yet. */
  readonly dirty: boolean;
  readonly [field: string]: number | boolean | null;
}

/** struct address_space of a DAX file. */
export interface AddressSpace extends Modelled {
  readonly host: Inode;
  readonly invalidate_lock: Rwsem;
  /** Entries by page of the file. */
  readonly i_pages: readonly Cell<DaxEntry | null>[];
  /** The marks of each entry. An index without an entry has none. */
  readonly i_marks: readonly Cell<DaxMarks>[];
  readonly xa_lock: Spinlock;
  /** Ghost state: who has locked the entry in each slot; null also where it is not known. */
  readonly entryLockers: readonly Cell<string | null>[];
  /** Ghost state: the first store to an entry that was not allowed, in one sentence; or null. */
  readonly misuse: Cell<string | null>;
  /** The mappings of the file, by i_mmap_rwsem. */
  readonly i_mmap: Cell<readonly VmArea[]>;
  readonly i_mmap_rwsem: Rwsem;
}

/** struct inode of a file on a DAX file system, or of a DAX device. */
export interface Inode extends Modelled {
  readonly name: string;
  /** vma_is_fsdax(): a file of a file system, and not a character device. */
  readonly is_fsdax: boolean;
  /** What a DAX device keeps in file->private_data; null for files. */
  readonly dev_dax: DevDax | null;
  /** The memory of a PCI device that a file in sysfs gives out; null for other files. */
  readonly p2pmem: DevPagemap | null;
  readonly i_rwsem: Rwsem;
  /** Size in pages. */
  readonly i_size: Cell<number>;
  readonly i_mapping: AddressSpace;
  /** The block of each page of the file, by its page frame number; null is a hole. */
  readonly i_data: readonly Cell<Pfn | null>[];
  /** XFS: the new block of each page that is being copied on write, in the CoW fork; else null. */
  readonly i_cow: readonly Cell<Pfn | null>[];
  /** XFS: it has or had blocks in common with another file (XFS_DIFLAG2_REFLINK). */
  readonly i_reflink: Cell<boolean>;
  /** XFS_IREMAPPING: blocks of it are being shared with another file, and write faults wait. */
  readonly i_remapping: Cell<boolean>;
  /** I_FREEING: its last user has closed it, and it is being forgotten, or has been. */
  readonly i_freeing: Cell<boolean>;
  /** How many references of igrab() there are. */
  readonly i_grabs: Cell<number>;
  /** Names of the file; without one its blocks go when the last user closes it. */
  readonly i_nlink: Cell<number>;
  /** The block map has changed since the last fsync: IOMAP_F_DIRTY. */
  readonly i_dirty: Cell<boolean>;
  readonly i_sb: SuperBlock;
}

/** enum freeze_holder: a program, by FIFREEZE; or the file system itself. */
export type FreezeHolder = "userspace" | "kernel";

/** sb_writers.frozen, and who has frozen the file system. */
export interface Frozen {
  readonly state: "unfrozen" | "freezing" | "frozen";
  readonly holders: readonly FreezeHolder[];
  readonly [field: string]: string | readonly FreezeHolder[];
}

/** struct sb_writers: who writes, by the level at which a freeze holds him off. */
export interface SbWriters {
  readonly frozen: Cell<Frozen>;
  /** SB_FREEZE_WRITE: system calls. */
  readonly write: Rwsem;
  /** SB_FREEZE_PAGEFAULT: faults that make a page writable. */
  readonly pagefault: Rwsem;
  /** SB_FREEZE_FS: what the file system changes of its own accord. */
  readonly fs: Rwsem;
}

/** @param name What the names of its cells begin with; the locks are called as lockdep calls them. */
export const newSbWriters = (name: string): SbWriters => ({
  frozen: cell<Frozen>(`${name}s_writers.frozen`, { state: "unfrozen", holders: [] }),
  write: newRwsem(`${name}sb_writers`),
  pagefault: newRwsem(`${name}sb_pagefaults`),
  fs: newRwsem(`${name}sb_internal`),
});

/** struct super_block. */
export interface SuperBlock extends Modelled {
  readonly s_type: MappedFileType | FileSystemType;
  /** The blocks that no file has, lowest first. */
  readonly free_blocks: Cell<readonly Pfn[]>;
  /** XFS: blocks that more than one file has; once for each file beyond the first. */
  readonly refcountbt: Cell<readonly Pfn[]>;
  /** The files that setup made. */
  readonly s_inodes: Inode[];
  /** XFS: does it know which files have a block? */
  readonly s_rmapbt: boolean;
  /** XFS: the header of the one allocation group; who locks its buffer holds it as a writer does. */
  readonly s_agf: Rwsem;
  /** May somebody freeze it? Those who write are counted, then. */
  readonly s_freezes: boolean;
  readonly s_writers: SbWriters;
  /** SB_ACTIVE: it is mounted. */
  readonly s_active: Cell<boolean>;
  /** XFS: it has been shut down, and answers with errors. */
  readonly s_shutdown: Cell<boolean>;
  readonly s_dax_dev: DaxDevice;
}

/** @param kind What the inode is if it is not a file of a DAX file system. */
export function newInode(
  name: string,
  blocks: readonly (Pfn | null)[],
  sb: SuperBlock,
  kind: Partial<Pick<Inode, "dev_dax" | "p2pmem">> & Pick<Inode, "is_fsdax"> = { is_fsdax: true },
): Inode {
  const inode = modelled("inode", {
    name,
    dev_dax: null,
    p2pmem: null,
    ...kind,
    i_rwsem: newRwsem(`${name}.i_rwsem`),
    i_size: cell(`${name}.i_size`, blocks.length),
    i_data: blocks.map((b, i) => cell<Pfn | null>(`${name}.i_data[${i}]`, b)),
    i_cow: blocks.map((_, i) => cell<Pfn | null>(`${name}.i_cow[${i}]`, null)),
    i_reflink: cell(`${name}.i_reflink`, false),
    i_remapping: cell(`${name}.i_remapping`, false),
    i_freeing: cell(`${name}.i_freeing`, false),
    i_grabs: cell(`${name}.i_grabs`, 0),
    i_nlink: cell(`${name}.i_nlink`, 1),
    i_dirty: cell(`${name}.i_dirty`, false),
    i_sb: sb,
  }) as Omit<Inode, "i_mapping"> & { i_mapping?: AddressSpace };
  inode.i_mapping = modelled("mapping", {
    host: inode as Inode,
    invalidate_lock: newRwsem(`${name}.invalidate_lock`),
    i_pages: blocks.map((_, i) => cell<DaxEntry | null>(`${name}.i_pages[${i}]`, null)),
    i_marks: blocks.map((_, i) => cell<DaxMarks>(`${name}.i_marks[${i}]`, NO_MARKS)),
    xa_lock: newSpinlock(`${name}.xa_lock`),
    entryLockers: blocks.map((_, i) => ghostCell<string | null>(`${name}.entryLockers[${i}]`, null)),
    misuse: ghostCell<string | null>(`${name}.misuse`, null),
    i_mmap: cell<readonly VmArea[]>(`${name}.i_mmap`, []),
    i_mmap_rwsem: newRwsem(`${name}.i_mmap_rwsem`),
  });
  return inode as Inode;
}
