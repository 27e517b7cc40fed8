// What recorded workloads are made of: a file that is mapped and written to, and what programs do to pages.
import type { Pfn } from "../../../src/base/brand.ts";
import { pfn as toPfn } from "../../../src/base/brand.ts";
import type { Code } from "../../../src/explore/access.ts";
import type { FileSystemName, Inode } from "../../../src/kernel/include/linux/fs.ts";
import {
  type MmStruct,
  type Page,
  VM_NOHUGEPAGE,
  VM_SHARED,
  VM_WRITE,
  type VmArea,
} from "../../../src/kernel/include/linux/mm_types.ts";
import type { Kernel } from "../../../src/kernel/kernel.ts";
import { createFile, createProcess, mapFile, mountDax } from "../../../src/kernel/setup.ts";
import type { Replay } from "./replay.ts";

export interface Circumstances {
  /** As in `v6.12`. */
  readonly release: string;
  readonly fs: FileSystemName;
  /** Did a punch that could go on come to its end before the program looked again? */
  readonly punchIsQuick: boolean;
}

export type Workload = (run: Replay, circumstances: Circumstances) => void;

/** Page frames that a PMD entry can map. */
export const FIRST_BLOCK = 0x48400;

/** Of mappings that no PMD entry has room in. */
export const SMALL = VM_SHARED | VM_WRITE | VM_NOHUGEPAGE;

export interface Mapped {
  readonly inode: Inode;
  readonly mm: MmStruct;
  readonly vma: VmArea;
  /** Page frame of the first page. */
  readonly first: Pfn;
}

/** A file with a block for each page, mapped, and every page written to. */
export function writtenFile(run: Replay, fs: FileSystemName, pages: number): Mapped {
  const { k } = run;
  const sb = run.make(() => mountDax(k, pages, fs, FIRST_BLOCK));
  const mm = run.make(() => createProcess(k, "p", pages));
  k.current.mm = mm;
  const inode = run.do(createFile(k, sb, "file", pages));
  const vma = run.do(mapFile(k, mm, inode, 0, pages, SMALL));
  for (let i = 0; i < pages; i++) run.do(k.touch(mm, i, true));
  return { inode, mm, vma, first: toPfn(FIRST_BLOCK) };
}

export function* taken(code: Code<readonly Page[] | number>): Code<readonly Page[]> {
  const pages = yield* code;
  if (typeof pages === "number") throw new Error(`GUP returned ${pages}`);
  return pages;
}

export function* unlink(k: Kernel, inode: Inode): Code {
  yield* k.vfs_unlink(inode);
  yield* k.evict(inode);
}

export function fail(why: string): never {
  throw new Error(why);
}
