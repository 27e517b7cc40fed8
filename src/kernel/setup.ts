// What a scenario is furnished with: memory, a file system, files and processes. All else that setup
// does goes through the kernel's own functions.
import { type Pfn, pfn } from "../base/brand.ts";
import { type Code, cell, modelled } from "../explore/access.ts";
import { extentOf, takeBlock } from "./fs/blocks.ts";
import { ext4 } from "./fs/ext4/inode.ts";
import { fuse } from "./fs/fuse/dax.ts";
import { xfs } from "./fs/xfs/xfs_inode.ts";
import type { FileSystemName, FileSystemType } from "./include/linux/fs.ts";
import { pfn_to_page } from "./include/linux/mm.ts";
import {
  type Inode,
  MEMORY_DEVICE_FS_DAX,
  type MmStruct,
  newInode,
  newMm,
  newPage,
  type SuperBlock,
  VM_HUGEPAGE,
  VM_SHARED,
  VM_WRITE,
  type VmArea,
} from "./include/linux/mm_types.ts";
import type { Kernel } from "./kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "./lib/atomic.ts";

/** Page frame number of the first block, unless said otherwise. */
export const FIRST_PFN = 0x40;

const fileSystems: Readonly<Record<FileSystemName, FileSystemType>> = { ext4, xfs, fuse };

/**
 * Makes a file system on persistent memory: `blocks` blocks of one page, all free.
 *
 * @param type  Which file system; ext4 if not given.
 * @param first Page frame number of the first block.
 * @param options `rmapbt`: does XFS know which files have a block? It does, if not told otherwise.
 */
export function mountDax(
  k: Kernel,
  blocks: number,
  type: FileSystemName = "ext4",
  first: number = FIRST_PFN,
  options: { readonly rmapbt?: boolean } = {},
): SuperBlock {
  const pfns = Array.from({ length: blocks }, (_, i) => pfn(first + i));
  k.memremap_pages(MEMORY_DEVICE_FS_DAX, pfns);
  const sb: SuperBlock = modelled("super_block", {
    s_type: fileSystems[type],
    free_blocks: cell<readonly Pfn[]>("free_blocks", pfns),
    refcountbt: cell<readonly Pfn[]>("refcountbt", []),
    s_inodes: [],
    s_rmapbt: options.rmapbt ?? true,
    s_shutdown: cell("s_shutdown", false),
    s_dax_dev: modelled("dax_device", {
      pfns,
      alive: cell("dax_dev.alive", true),
      holder_ops: cell("dax_dev.holder_ops", fileSystems[type].holder),
      dax_srcu: cell<readonly string[]>("dax_srcu", []),
      srcu_pending: cell<readonly string[]>("dax_srcu.pending", []),
    }),
  });
  k.world.super_blocks.push(sb);
  return sb;
}

/**
 * Makes a file of `pages` pages on a file system.
 *
 * @param filled How many of them have a block, from the first; the others are holes. All, if not given.
 */
export function* createFile(
  k: Kernel,
  sb: SuperBlock,
  name: string,
  pages: number,
  filled: number = pages,
): Code<Inode> {
  const inode = newInode(name, Array<null>(pages).fill(null), sb);
  sb.s_inodes.push(inode);
  for (let index = 0; index < filled; index++) yield* takeBlock(k, inode, extentOf(inode, index));
  return inode;
}

/** Page frame number of the first page of ordinary memory. */
export const FIRST_RAM = 0x1000;

/** Gives the machine pages of ordinary memory, for what private mappings copy. */
export function* addRam(k: Kernel, pages: number): Code {
  const pfns = Array.from({ length: pages }, (_, i) => pfn(FIRST_RAM + i));
  for (const p of pfns) k.world.mem_map.set(p, newPage(p, null, 0));
  yield* WRITE_ONCE(k.world.free_ram, pfns);
}

/** Makes a process to be the child of another, once that forks with dup_mmap(). Its mappings are there already. */
export function* createChild(k: Kernel, parent: MmStruct, name: string): Code<MmStruct> {
  const mm = createProcess(k, name, parent.page_table.length);
  const there = yield* READ_ONCE(parent.mm_mt);
  const copy = (vma: VmArea): VmArea =>
    modelled("vma", {
      vm_mm: mm,
      vm_flags: vma.vm_flags,
      anon_vma: cell(`${name}.anon_vma[${vma.vm_start}]`, false),
      vm_start: vma.vm_start,
      vm_pages: vma.vm_pages,
      vm_pgoff: vma.vm_pgoff,
      vm_file: vma.vm_file,
    });
  parent.children.push({ mm, vmas: new Map(there.map((vma) => [vma, copy(vma)])) });
  return mm;
}

/** Makes a process with room for `pages` virtual pages. */
export function createProcess(k: Kernel, name: string, pages: number): MmStruct {
  const mm = newMm(name, pages, k.world.geometry);
  k.world.mms.push(mm);
  return mm;
}

/** Maps the first pages of a file from virtual page `address` on: shared and writable, if not told otherwise. */
export function* mapFile(
  k: Kernel,
  mm: MmStruct,
  inode: Inode,
  address: number,
  pages: number,
  flags: number = VM_SHARED | VM_WRITE | VM_HUGEPAGE,
): Code<VmArea> {
  const vma: VmArea = modelled("vma", {
    vm_mm: mm,
    vm_flags: flags,
    anon_vma: cell(`${mm.name}.anon_vma[${address}]`, false),
    vm_start: address,
    vm_pages: pages,
    vm_pgoff: 0,
    vm_file: inode,
  });
  yield* k.mmap(vma);
  return vma;
}

/** The block of a page of a file, when setup has given it one. */
export const firstPage = (k: Kernel, number: number = FIRST_PFN): ReturnType<typeof pfn_to_page> =>
  pfn_to_page(k, pfn(number));
