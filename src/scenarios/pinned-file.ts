// A world that several scenarios share: a file of one page, mapped, touched and pinned for writing, and
// the two actors that any question about its wait begins with.
import type { Code } from "../explore/access.ts";
import type { Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct, Page } from "../kernel/include/linux/mm_types.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { FOLL_WRITE } from "../kernel/mm/gup-flags.ts";
import type { ScenarioThread } from "../kernel/scenario.ts";
import { createFile, createProcess, mapFile, mountDax } from "../kernel/setup.ts";

export interface PinnedFile {
  readonly mm: MmStruct;
  readonly inode: Inode;
  readonly pages: readonly Page[];
}

/** @param blocks Blocks of the file system; what the file does not take is free. */
export function* pinnedFile(k: Kernel, blocks: number): Code<PinnedFile> {
  const sb = mountDax(k, blocks);
  const inode = yield* createFile(k, sb, "file", 1);
  const mm = createProcess(k, "mm", 1);
  yield* mapFile(k, mm, inode, 0, 1);
  k.current.mm = mm;
  yield* k.touch(mm, 0, true);
  const pages = yield* k.pin_user_pages_fast(0, 1, FOLL_WRITE);
  return { mm, inode, pages: typeof pages === "number" ? [] : pages };
}

export const punchHole: ScenarioThread<PinnedFile> = {
  title: "punch hole",
  cpu: 0,
  *run(k, { inode }) {
    yield* k.ext4_punch_hole(inode, 0, 1);
  },
};

export const unpin: ScenarioThread<PinnedFile> = {
  title: "unpin",
  cpu: 1,
  mm: ({ mm }) => mm,
  *run(k, { pages }) {
    yield* k.unpin_user_pages(pages);
  },
};
