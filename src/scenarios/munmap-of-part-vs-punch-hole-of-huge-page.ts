import type { Inode } from "../kernel/include/linux/fs.ts";
import type { VmArea } from "../kernel/include/linux/mm_types.ts";
import {
  mapcountCountsMappings,
  mapcountWithinCount,
  mappingShowsBlockOfFile,
  noMappingOfFreeBlock,
  noWarning,
  pgmapIsValid,
  referencedFolioStaysInFile,
  referencesAddUp,
  rssCountsMappings,
} from "../kernel/invariants.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly vma: VmArea;
}

const uncounted: Expectation = { verdict: "holds", because: "a mapping holds no reference" };

const waits: Expectation = {
  verdict: "holds",
  because:
    "the entry is split under i_mmap_rwsem, for which the zap of the punch hole waits (vma_prepare() before " +
    "vma_adjust_trans_huge() in __split_vma()): both counts have fallen when it looks at the folio",
};

export const munmapOfPartVsPunchHoleOfHugePage = scenario<World>({
  name: "munmap-of-part-vs-punch-hole-of-huge-page",
  question:
    "Is a huge page busy while a munmap of a part of it has cleared its PMD entry and not yet dropped its counts?",
  claim:
    "Our reading of __split_vma(): what is so for munmap of the whole (munmap-vs-punch-hole-of-huge-page), and for " +
    "madvise of a part (stale-store-vs-split-of-huge-page), is not so here, since v6.3 has changed the order of the two " +
    "steps. That was before mappings of DAX files were counted.",
  closed: "Nobody pins, nobody touches the page again.",
  geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
  *setup(k) {
    const { inode, mm, vma } = yield* mappedFile(k, "ext4", 2);
    yield* k.touch(mm, 0, true);
    return { inode, vma };
  },
  threads: {
    punch: {
      title: "punch hole",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.ext4_punch_hole(inode, 0, 2);
      },
    },
    munmap: {
      title: "munmap of a part",
      cpu: 1,
      mm: ({ vma }) => vma.vm_mm,
      *run(k, { vma }) {
        yield* k.vm_munmap(vma.vm_mm, 1, 2);
      },
    },
  },
  invariants: [
    referencedFolioStaysInFile,
    pgmapIsValid,
    noMappingOfFreeBlock,
    mappingShowsBlockOfFile,
    mapcountWithinCount,
    mapcountCountsMappings,
    rssCountsMappings,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": uncounted,
    "v5.18": uncounted,
    "v6.1": uncounted,
    "v6.12": uncounted,
    "v6.15": waits,
    "v7.2": waits,
  },
  twins: [
    {
      change: "twin/split-before-rmap-lock",
      kernel: "v7.2",
      expect: "invariant",
      rule: "referenced-folio-stays-in-file",
      because:
        "with the order from before v6.3 the entry goes without a lock of the file, and the folio looks idle before both " +
        "counts have fallen",
    },
    {
      change: "twin/split-before-rmap-lock",
      kernel: "v6.12",
      expect: "survives",
      because: "a mapping holds no reference",
    },
  ],
});
