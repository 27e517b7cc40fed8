// What many scenarios are furnished with.
import type { Code } from "../explore/access.ts";
import type { FileSystemName, Inode, SuperBlock } from "../kernel/include/linux/fs.ts";
import type { MmStruct, Page, VmArea } from "../kernel/include/linux/mm_types.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { FOLL_WRITE } from "../kernel/mm/gup-flags.ts";
import { createFile, createProcess, mapFile, mountDax } from "../kernel/setup.ts";

export interface MappedFile {
  readonly sb: SuperBlock;
  readonly inode: Inode;
  readonly mm: MmStruct;
  readonly vma: VmArea;
}

/** A file of `pages` pages with their blocks, `spare` free blocks, and a process that maps the file. */
export function* mappedFile(
  k: Kernel,
  type: FileSystemName,
  pages: number,
  spare: number = 0,
): Code<MappedFile> {
  const sb = mountDax(k, pages + spare, type);
  const inode = yield* createFile(k, sb, "file", pages);
  const mm = createProcess(k, "mm", pages);
  const vma = yield* mapFile(k, mm, inode, 0, pages);
  k.current.mm = mm;
  return { sb, inode, mm, vma };
}

/** Pins a page of the process that setup runs in, by its virtual page number. */
export function* pinPage(k: Kernel, address: number, flags: number = FOLL_WRITE): Code<readonly Page[]> {
  const pages = yield* k.pin_user_pages_fast(address, 1, flags);
  return typeof pages === "number" ? [] : pages;
}

/**
 * Takes a reference to a page of the process that setup runs in, as vmsplice() does. For a page that several files have:
 * v6.12 can take no pin for reading of one (`read-pin-vs-munmap-of-second-file`).
 */
export function* holdPage(k: Kernel, address: number): Code<readonly Page[]> {
  const pages = yield* k.get_user_pages_fast(address, 1, 0);
  return typeof pages === "number" ? [] : pages;
}

/** Drops such references. */
export function* dropPages(k: Kernel, pages: readonly Page[]): Code {
  for (const page of pages) yield* k.put_user_page(page);
}
