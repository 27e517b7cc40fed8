// struct page, folio, mm_struct, vm_area_struct, address_space and dev_pagemap, as cells.
// Source: include/linux/mm_types.h, include/linux/fs.h, include/linux/memremap.h.
import { hex, type Pfn, pfn as toPfn } from "../../../base/brand.ts";
import { type Cell, cell, ghostCell, modelled } from "../../../explore/access.ts";
import type { Modelled } from "../../../explore/value.ts";
import type { Rwsem } from "../../kernel/locking/rwsem.ts";
import { newRwsem } from "../../kernel/locking/rwsem.ts";
import type { Spinlock } from "../../kernel/locking/spinlock.ts";
import { newSpinlock } from "../../kernel/locking/spinlock.ts";
import type { FileSystemType } from "./fs.ts";

/** Kinds of device memory. */
export const MEMORY_DEVICE_FS_DAX = "FS_DAX";
export type MemoryType = typeof MEMORY_DEVICE_FS_DAX;

/** struct dev_pagemap: one remapped range of device memory. */
export interface DevPagemap extends Modelled {
  readonly type: MemoryType;
  /** percpu_ref: holds the pgmap, not its pages. */
  readonly ref: Cell<number>;
}

/** `mapping` of a page that several files share, where the kernel keeps a mark there: no address_space. */
export const PAGE_MAPPING_DAX_SHARED = "shared";
export type PageMapping = AddressSpace | typeof PAGE_MAPPING_DAX_SHARED | null;

/** Word 0 of struct page: what memory this is, or the head of the folio that it is a tail of. */
export type Word0 = DevPagemap | { readonly head: Pfn } | null;

/** struct page. The cells are its words; all but the counts belong to whoever holds the entry lock. */
export interface Page extends Modelled {
  readonly pfn: Pfn;
  /** pgmap, in the same word as compound_head. */
  readonly pgmap: Cell<Word0>;
  readonly mapping: Cell<PageMapping>;
  /** index in the file, or `share`: one word. */
  readonly index: Cell<number>;
  /** Page-table entries that map it, less one: -1 is none. */
  readonly _mapcount: Cell<number>;
  readonly _refcount: Cell<number>;
  /** Ghost state: who holds a pin, and who a reference from FOLL_GET; a name for each. */
  readonly heldPins: Cell<readonly string[]>;
  readonly heldGets: Cell<readonly string[]>;
  /** Ghost state: the files that the block behind the page belongs to, joined by " and ", or "free". */
  readonly block_owner: Cell<string>;
  /** Ghost state: stores to the page are in the CPU's caches; a power cut loses them. */
  readonly unflushed: Cell<boolean>;
  /** The page seen as a folio. */
  readonly folio: Folio;
}

/** struct folio: a head page. Of one page here, so its counts are the page's. */
export interface Folio extends Modelled {
  readonly page: Page;
  readonly _refcount: Cell<number>;
  readonly _mapcount: Cell<number>;
  readonly mapping: Cell<PageMapping>;
  readonly index: Cell<number>;
  readonly pgmap: Cell<Word0>;
}

/** A page-table entry that maps a page. `null` is pte_none. */
export interface Pte {
  readonly kind: "pte";
  readonly pfn: Pfn;
  readonly write: boolean;
  readonly dirty: boolean;
  /** No struct page is to be looked up for counting. */
  readonly special: boolean;
  readonly devmap: boolean;
  readonly [field: string]: string | number | boolean;
}

/** struct mm_struct. */
export interface MmStruct extends Modelled {
  readonly name: string;
  readonly mmap_lock: Rwsem;
  /** The page table: one level; the entry of each virtual page number. */
  readonly page_table: readonly Cell<Pte | null>[];
  /** The page-table lock. */
  readonly ptl: Spinlock;
  /** The mappings that setup has made, by first virtual page number. */
  readonly vmas: VmArea[];
}

/** struct vm_area_struct: a mapping of a file, shared and writable. */
export interface VmArea extends Modelled {
  readonly vm_mm: MmStruct;
  /** First virtual page number, and the number of pages. */
  readonly vm_start: number;
  readonly vm_pages: number;
  /** Page of the file that the first page maps. */
  readonly vm_pgoff: number;
  readonly vm_file: Inode;
  /** VM_SYNC, from MAP_SYNC: a page is mapped for writing only when the file's metadata is on disk. */
  readonly vm_sync: boolean;
}

/** A DAX entry of the page cache: a value entry in `i_pages`. `null` is no entry. */
export interface DaxEntry {
  /** `empty` is a lock placeholder, `zero` a hole that is mapped to the zero page. */
  readonly kind: "normal" | "empty" | "zero";
  readonly pfn: number;
  readonly locked: boolean;
  readonly [field: string]: string | number | boolean;
}

/** PAGECACHE_TAG_DIRTY and PAGECACHE_TAG_TOWRITE of one index. */
export interface DaxMarks {
  readonly dirty: boolean;
  readonly towrite: boolean;
  readonly [field: string]: boolean;
}

export const NO_MARKS: DaxMarks = { dirty: false, towrite: false };

/** struct address_space of a DAX file. */
export interface AddressSpace extends Modelled {
  readonly host: Inode;
  readonly invalidate_lock: Rwsem;
  /** Entries by page of the file. */
  readonly i_pages: readonly Cell<DaxEntry | null>[];
  /** The marks of each entry. An index without an entry has none. */
  readonly i_marks: readonly Cell<DaxMarks>[];
  readonly xa_lock: Spinlock;
  /** The mappings of the file, by i_mmap_rwsem. */
  readonly i_mmap: Cell<readonly VmArea[]>;
  readonly i_mmap_rwsem: Rwsem;
}

/** struct inode of a file on a DAX file system. */
export interface Inode extends Modelled {
  readonly name: string;
  readonly i_rwsem: Rwsem;
  /** Size in pages. */
  readonly i_size: Cell<number>;
  readonly i_mapping: AddressSpace;
  /** The block of each page of the file, by its page frame number; null is a hole. */
  readonly i_data: readonly Cell<Pfn | null>[];
  /** XFS: the new block of each page that is being copied on write, in the CoW fork; else null. */
  readonly i_cow: readonly Cell<Pfn | null>[];
  /** Names of the file; without one its blocks go when the last user closes it. */
  readonly i_nlink: Cell<number>;
  /** The block map has changed since the last fsync: IOMAP_F_DIRTY. */
  readonly i_dirty: Cell<boolean>;
  readonly i_sb: SuperBlock;
}

/** struct super_block. */
export interface SuperBlock extends Modelled {
  readonly s_type: FileSystemType;
  /** The blocks that no file has, lowest first. */
  readonly free_blocks: Cell<readonly Pfn[]>;
  /** XFS: blocks that more than one file has; once for each file beyond the first. */
  readonly refcountbt: Cell<readonly Pfn[]>;
  /** The files that setup made. */
  readonly s_inodes: Inode[];
}

/** Makes the struct page of one page of device memory. */
export function newPage(pfn: Pfn, pgmap: DevPagemap | null, refcount: number): Page {
  const name = `page[${hex(pfn)}]`;
  const words = {
    pgmap: cell<Word0>(`${name}.pgmap`, pgmap),
    mapping: cell<PageMapping>(`${name}.mapping`, null),
    index: cell(`${name}.index`, 0),
    _mapcount: cell(`${name}._mapcount`, -1),
    _refcount: cell(`${name}._refcount`, refcount),
  };
  const page = modelled("page", {
    pfn,
    ...words,
    heldPins: ghostCell<readonly string[]>(`${name}.heldPins`, []),
    heldGets: ghostCell<readonly string[]>(`${name}.heldGets`, []),
    block_owner: ghostCell(`${name}.block_owner`, "free"),
    unflushed: ghostCell(`${name}.unflushed`, false),
  }) as Omit<Page, "folio"> & { folio?: Folio };
  page.folio = modelled("folio", { page: page as Page, ...words });
  return page as Page;
}

/** The page that is read where a file has a hole. Ordinary memory, never freed. */
export const newZeroPage = (): Page => newPage(toPfn(0), null, 1);

export function newMm(name: string, pages: number): MmStruct {
  return modelled("mm", {
    name,
    mmap_lock: newRwsem(`${name}.mmap_lock`),
    page_table: Array.from({ length: pages }, (_, i) => cell<Pte | null>(`${name}.pte[${i}]`, null)),
    ptl: newSpinlock(`${name}.ptl`),
    vmas: [],
  });
}

export function newInode(name: string, blocks: readonly (Pfn | null)[], sb: SuperBlock): Inode {
  const inode = modelled("inode", {
    name,
    i_rwsem: newRwsem(`${name}.i_rwsem`),
    i_size: cell(`${name}.i_size`, blocks.length),
    i_data: blocks.map((b, i) => cell<Pfn | null>(`${name}.i_data[${i}]`, b)),
    i_cow: blocks.map((_, i) => cell<Pfn | null>(`${name}.i_cow[${i}]`, null)),
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
    i_mmap: cell<readonly VmArea[]>(`${name}.i_mmap`, []),
    i_mmap_rwsem: newRwsem(`${name}.i_mmap_rwsem`),
  });
  return inode as Inode;
}
