// What a scenario is furnished with: memory, a file system, files and processes. All else that setup
// does goes through the kernel's own functions.

import { type Pfn, pfn } from "../base/brand.ts";
import { requireUse } from "../base/errors.ts";
import { type Cell, type Code, cell, modelled } from "../explore/access.ts";
import { dax_fs_type } from "./drivers/dax/device.ts";
import { takeBlocks } from "./fs/blocks.ts";
import { ext4 } from "./fs/ext4/inode.ts";
import { fuse } from "./fs/fuse/dax.ts";
import { xfs } from "./fs/xfs/xfs_inode.ts";
import {
  type FileSystemName,
  type FileSystemType,
  type Inode,
  type MappedFileType,
  newInode,
  newSbWriters,
  type SuperBlock,
} from "./include/linux/fs.ts";
import { MEMORY_DEVICE_FS_DAX, MEMORY_DEVICE_GENERIC } from "./include/linux/memremap.ts";
import { pfn_to_page } from "./include/linux/mm.ts";
import {
  type LowerEntry,
  type MmStruct,
  newMm,
  newPage,
  newVma,
  type Pte,
  type UpperEntry,
  VM_HUGEPAGE,
  VM_MIXEDMAP,
  VM_SHARED,
  VM_WRITE,
  type VmArea,
} from "./include/linux/mm_types.ts";
import { isLeaf, pfnAt, pmd_offset, pte_offset, pud_offset } from "./include/linux/pgtable.ts";
import { newRwsem } from "./kernel/locking/rwsem.ts";
import type { Kernel } from "./kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "./lib/atomic.ts";
import { kernelForSetup } from "./setup-errors.ts";
import { requireSetup } from "./takes.ts";

/** Page frame number of the first block, unless said otherwise. */
export const FIRST_PFN = 0x40;

/** What can be chosen when a file system is mounted. */
export interface MountOptions {
  readonly rmapbt?: boolean;
  readonly freezes?: boolean;
}

const fileSystems: Readonly<Record<FileSystemName, FileSystemType>> = { ext4, xfs, fuse };

/**
 * Makes a file system on persistent memory: `blocks` blocks of one page, all free.
 *
 * @param type  Which file system; ext4 if not given.
 * @param first Page frame number of the first block.
 * @param options `rmapbt`: does XFS know which files have a block? It does, if not told otherwise. `freezes`: may somebody
 *   freeze it? Not, if not told otherwise: a search takes longer where he may.
 * @returns the file system, for createFile().
 */
export function mountDax(
  k: Kernel,
  blocks: number,
  type: FileSystemName = "ext4",
  first: number = FIRST_PFN,
  options: MountOptions = {},
): SuperBlock {
  requireSetup("mountDax", k, blocks);
  const s_type = fileSystems[type];
  requireUse(s_type, `no file system is called "${type}"; there are ${Object.keys(fileSystems).join(", ")}`);
  const pfns = Array.from({ length: blocks }, (_, i) => pfn(first + i));
  k.memremap_pages(MEMORY_DEVICE_FS_DAX, pfns);
  return newSuperBlock(k, s_type, pfns, "", pfns, options);
}

/** @param name What the names of its cells begin with. */
export function newSuperBlock(
  k: Kernel,
  s_type: MappedFileType,
  pfns: readonly Pfn[],
  name: string,
  free: readonly Pfn[],
  options: MountOptions = {},
): SuperBlock {
  const sb: SuperBlock = modelled("super_block", {
    s_type,
    free_blocks: cell<readonly Pfn[]>(`${name}free_blocks`, free),
    refcountbt: cell<readonly Pfn[]>(`${name}refcountbt`, []),
    s_inodes: [],
    s_rmapbt: options.rmapbt ?? true,
    s_agf: newRwsem(`${name}s_agf`),
    s_freezes: options.freezes ?? false,
    s_writers: newSbWriters(name),
    s_active: cell(`${name}s_active`, true),
    s_shutdown: cell(`${name}s_shutdown`, false),
    s_dax_dev: modelled("dax_device", {
      pfns,
      alive: cell(`${name}dax_dev.alive`, true),
      holder_ops: cell(`${name}dax_dev.holder_ops`, s_type.holder),
      dax_srcu: cell<readonly string[]>(`${name}dax_srcu`, []),
      srcu_pending: cell<readonly string[]>(`${name}dax_srcu.pending`, []),
    }),
  });
  k.world.super_blocks.push(sb);
  return sb;
}

/** Page frame number of the first page of a DAX device, unless said otherwise. */
export const FIRST_DEV_DAX_PFN = 0x800;

/**
 * Makes a DAX device, to be mapped with {@link mapFile}: memory that no file system has.
 *
 * @param name  As in `/dev/dax0.0`.
 * @param align In pages: every entry maps as many. 1, `pmdPages(k)` or `pudPages(k)`.
 * @param first Page frame number of its first page, a multiple of `align`.
 * @returns the device, as the file that programs map.
 */
export function* createDevDax(
  k: Kernel,
  name: string,
  pages: number,
  align: number,
  first: number = FIRST_DEV_DAX_PFN,
): Code<Inode> {
  requireSetup("createDevDax", k, name, pages, align);
  requireUse(first % align === 0 && pages % align === 0, `${name} is not aligned to ${align} pages`);
  const pfns = Array.from({ length: pages }, (_, i) => pfn(first + i));
  const pgmap = k.memremap_pages(MEMORY_DEVICE_GENERIC, pfns, k.dev_dax_compound_order(align), name);
  yield* k.memmap_init_compound(pgmap, pfns);
  const sb = newSuperBlock(k, dax_fs_type, pfns, `${name}.`, []);
  const dev_dax = modelled("dev_dax", { align, pgmap, pfns });
  return newInode(name, [], sb, { is_fsdax: false, dev_dax });
}

/**
 * Makes a file of `pages` pages on a file system.
 *
 * @param filled How many of them have a block, from the first; the others are holes. All, if not given.
 * @returns the file, for mapFile() and the system calls.
 * @throws {@link PagelifeError} PL210 if not so many blocks are free.
 */
export function* createFile(
  k: Kernel,
  sb: SuperBlock,
  name: string,
  pages: number,
  filled: number = pages,
): Code<Inode> {
  requireSetup("createFile", k, sb, name, pages);
  requireUse(filled <= pages, `${name} has ${pages} pages, of which ${filled} cannot have a block`);
  const inode = newInode(name, Array<null>(pages).fill(null), sb);
  sb.s_inodes.push(inode);
  for (let index = 0; index < filled; ) {
    const taken = yield* takeBlocks(k, inode, inode.i_data.slice(index, filled), false);
    requireUse(
      taken,
      `${name} is to have ${filled} blocks, and only ${index} were free: mount more, or leave holes, ` +
        `createFile(k, sb, "${name}", ${pages}, ${index})`,
    );
    index += taken.pages;
  }
  // As after fsync().
  yield* WRITE_ONCE(inode.i_dirty, false);
  return inode;
}

/** Page frame number of the first page of ordinary memory. */
export const FIRST_RAM = 0x1000;

/** Gives the machine pages of ordinary memory, for what private mappings copy. */
export function* addRam(k: Kernel, pages: number): Code {
  requireSetup("addRam", k, pages);
  const pfns = Array.from({ length: pages }, (_, i) => pfn(FIRST_RAM + i));
  for (const p of pfns) k.world.mem_map.set(p, newPage(p, null, 0));
  yield* WRITE_ONCE(k.world.free_ram, pfns);
}

/**
 * Makes a process to be the child of another, once that forks with dup_mmap(). The mappings of the other are there
 * already; of one that is itself to be a child, those that it will have.
 *
 * @returns the child, for dup_mmap().
 */
export function* createChild(k: Kernel, parent: MmStruct, name: string): Code<MmStruct> {
  requireSetup("createChild", k, parent, name);
  const mm = createProcess(k, name, parent.page_table.length);
  const there = yield* READ_ONCE(parent.mm_mt);
  const copy = ({ vm_flags, vm_start, vm_pages, vm_pgoff, vm_file }: VmArea): VmArea =>
    newVma(mm, { vm_flags, vm_start, vm_pages, vm_pgoff, vm_file });
  const toCome = k.world.mms.flatMap(({ children }) => children.filter(({ mm }) => mm === parent));
  const wholes = new Set([
    ...there.map(({ whole }) => whole),
    ...toCome.flatMap(({ vmas }) => [...vmas.values()]),
  ]);
  parent.children.push({ mm, vmas: new Map([...wholes].map((vma) => [vma, copy(vma)])) });
  return mm;
}

/**
 * Makes a process with room for `pages` virtual pages.
 *
 * @returns the process, for mapFile() and the `mm` of a thread.
 */
export function createProcess(k: Kernel, name: string, pages: number): MmStruct {
  requireSetup("createProcess", k, name, pages);
  const named = k.world.mms.some((mm) => mm.name === name);
  requireUse(
    !named,
    `createProcess(): there is a process called ${name} already; give this one another name`,
  );
  const mm = newMm(name, pages, k.world.geometry);
  k.world.mms.push(mm);
  return mm;
}

/**
 * Maps pages of a file from virtual page `address` on: shared and writable, from the first page of the file on, if not
 * told otherwise.
 *
 * @param flags Without VM_SHARED the mapping is private: `VM_WRITE`. Without VM_WRITE a store is a SIGSEGV: `VM_SHARED` is
 * what a program gets that has opened the file for reading only, too.
 * @param pgoff The page of the file that `address` shows.
 * @returns the mapping, for munmap(); vm_munmap() and zap_page_range() take a part away.
 * @throws {@link PagelifeError} PL210 if the process has no room there, or the file refuses.
 */
export function* mapFile(
  k: Kernel,
  mm: MmStruct,
  inode: Inode,
  address: number,
  pages: number,
  flags: number = VM_SHARED | VM_WRITE | VM_HUGEPAGE,
  pgoff: number = 0,
): Code<VmArea> {
  requireSetup("mapFile", k, mm, inode, address, pages);
  const vma = prepareMapping(k, mm, inode, address, pages, flags, pgoff);
  yield* kernelForSetup(k).mmap(vma);
  return vma;
}

/**
 * A mapping that is yet to be made, by a thread with `k.mmap(vma)`. Its parameters are those of mapFile().
 *
 * @returns the mapping.
 * @throws {@link PagelifeError} PL210 if the process has no room there.
 */
export function prepareMapping(
  k: Kernel,
  mm: MmStruct,
  inode: Inode,
  address: number,
  pages: number,
  flags: number = VM_SHARED | VM_WRITE | VM_HUGEPAGE,
  pgoff: number = 0,
): VmArea {
  requireSetup("prepareMapping", k, mm, inode, address, pages);
  const room = mm.page_table.length;
  requireUse(
    pages > 0 && address >= 0 && address + pages <= room,
    `${mm.name} has no room for ${pages} pages from page ${address} on: createProcess(k, "${mm.name}", ${room}) made it`,
  );
  return newVma(mm, {
    vm_flags: inode.i_sb.s_type.mixedmap ? flags | VM_MIXEDMAP : flags,
    vm_start: address,
    vm_pages: pages,
    vm_pgoff: pgoff,
    vm_file: inode,
  });
}

/**
 * A CPU that runs the process caches the translation of an address, which setup has touched. Scenarios that ask what a
 * late TLB flush lets through store by it, with store_through_tlb().
 *
 * @returns the cached translation.
 */
export function* cacheTranslation(k: Kernel, mm: MmStruct, address: number): Code<Cell<Pte | null>> {
  requireSetup("cacheTranslation", k, mm, address);
  let translation: Pte | null = null;
  for (const entryp of [pud_offset(k, mm, address), pmd_offset(k, mm, address), pte_offset(mm, address)]) {
    const entry = entryp === null ? null : yield* READ_ONCE<LowerEntry | UpperEntry>(entryp);
    if (isLeaf(entry)) translation ??= { ...entry, kind: "pte", pfn: pfnAt(k, entry, address) };
  }
  requireUse(
    translation !== null,
    `cacheTranslation(): ${mm.name} has nothing at page ${address}: touch it before`,
  );
  const tlb = cell<Pte | null>(`${mm.name}.tlb[${mm.tlbs.length}]`, null);
  mm.tlbs.push(tlb);
  yield* WRITE_ONCE(tlb, translation);
  return tlb;
}

/** The block of a page of a file, when setup has given it one. */
export const firstPage = (k: Kernel, number: number = FIRST_PFN): ReturnType<typeof pfn_to_page> =>
  pfn_to_page(k, pfn(number));
