// What a scenario is furnished with: memory, a file system, files and processes. All else that setup
// does goes through the kernel's own functions.
import { type Pfn, pfn } from "../base/brand.ts";
import { type Code, cell, modelled } from "../explore/access.ts";
import { pfn_to_page } from "./include/linux/mm.ts";
import {
  type Inode,
  MEMORY_DEVICE_FS_DAX,
  type MmStruct,
  newInode,
  newMm,
  type SuperBlock,
  type VmArea,
} from "./include/linux/mm_types.ts";
import type { Kernel } from "./kernel.ts";

/** Page frame number of the first block, unless said otherwise. */
export const FIRST_PFN = 0x40;

/**
 * Makes a file system on persistent memory: `blocks` blocks of one page, all free.
 *
 * @param first Page frame number of the first block.
 */
export function mountDax(k: Kernel, blocks: number, first: number = FIRST_PFN): SuperBlock {
  const pfns = Array.from({ length: blocks }, (_, i) => pfn(first + i));
  k.memremap_pages(MEMORY_DEVICE_FS_DAX, pfns);
  return modelled("super_block", { free_blocks: cell<readonly Pfn[]>("free_blocks", pfns) });
}

/** Makes a file of `pages` pages on a file system, with the lowest free blocks. */
export function* createFile(k: Kernel, sb: SuperBlock, name: string, pages: number): Code<Inode> {
  const inode = newInode(name, Array<null>(pages).fill(null), sb);
  for (let index = 0; index < pages; index++) yield* k.ext4_new_block(inode, index);
  return inode;
}

/** Makes a process with room for `pages` virtual pages. */
export function createProcess(k: Kernel, name: string, pages: number): MmStruct {
  const mm = newMm(name, pages);
  k.world.mms.push(mm);
  return mm;
}

/** Maps the first pages of a file, shared and writable, from virtual page `address` on. */
export function* mapFile(
  k: Kernel,
  mm: MmStruct,
  inode: Inode,
  address: number,
  pages: number,
): Code<VmArea> {
  const vma: VmArea = modelled("vma", {
    vm_mm: mm,
    vm_start: address,
    vm_pages: pages,
    vm_pgoff: 0,
    vm_file: inode,
  });
  mm.vmas.push(vma);
  yield* k.mmap(vma);
  return vma;
}

/** The block of a page of a file, when setup has given it one. */
export const firstPage = (k: Kernel, number: number = FIRST_PFN): ReturnType<typeof pfn_to_page> =>
  pfn_to_page(k, pfn(number));
