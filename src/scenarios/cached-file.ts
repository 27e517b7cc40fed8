// A mapped file of which a CPU has cached a translation, and who meets over it: the file is punched out, and the program
// stores by the translation.
import type { Cell, Code } from "../explore/access.ts";
import type { FileSystemName, Inode } from "../kernel/include/linux/fs.ts";
import type { Pte, VmArea } from "../kernel/include/linux/mm_types.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { ScenarioThread } from "../kernel/scenario.ts";
import { cacheTranslation } from "../kernel/setup.ts";
import { mappedFile } from "./furniture.ts";

export interface CachedFile {
  readonly inode: Inode;
  readonly vma: VmArea;
  /** The translation of its first page. */
  readonly tlb: Cell<Pte | null>;
}

/** Maps a file, and touches its first page. */
export function* cachedFile(k: Kernel, pages: number, type: FileSystemName = "ext4"): Code<CachedFile> {
  const { inode, mm, vma } = yield* mappedFile(k, type, pages);
  yield* k.touch(mm, 0, true);
  const tlb = yield* cacheTranslation(k, mm, 0);
  return { inode, vma, tlb };
}

export const punch: ScenarioThread<CachedFile> = {
  title: "punch hole",
  cpu: 0,
  *run(k, { inode }) {
    yield* k.ext4_punch_hole(inode, 0, inode.i_data.length);
  },
};

export const munmap: ScenarioThread<CachedFile> = {
  title: "munmap",
  cpu: 1,
  mm: ({ vma }) => vma.vm_mm,
  *run(k, { vma }) {
    yield* k.munmap(vma);
  },
};

export const store: ScenarioThread<CachedFile> = {
  title: "store",
  cpu: 2,
  mm: ({ vma }) => vma.vm_mm,
  *run(k, { inode, tlb }) {
    yield* k.store_through_tlb(tlb, inode);
  },
};
