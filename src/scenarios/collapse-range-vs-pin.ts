import { FALLOC_FL_COLLAPSE_RANGE, type Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import {
  mappingShowsBlockOfFile,
  noMappingOfFreeBlock,
  noPinOnFreeBlock,
  noWarning,
  referencedFolioStaysInFile,
  referencesAddUp,
} from "../kernel/invariants.ts";
import { FOLL_WRITE } from "../kernel/mm/gup-flags.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { pinDroppedWithoutHook } from "./expectations.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly mm: MmStruct;
}

const holds: Expectation = {
  verdict: "holds",
  because: "the layouts are broken from the first page that goes to the end of the file",
};

export const collapseRangeVsPin = scenario<World>({
  name: "collapse-range-vs-pin",
  question:
    "Does collapsing a range wait for pins of the page that goes and of the one that moves into its place?",
  claim:
    "If anything references the page it cannot be recycled (Nov 2020, reference/threads/000), asked of the operation " +
    "that also moves pages which stay.",
  closed:
    "The caller gives up where the kernel would fall back to the slow path. Nobody touches the pages again.",
  *setup(k) {
    const { inode, mm } = yield* mappedFile(k, "ext4", 2);
    yield* k.touch(mm, 0, true);
    yield* k.touch(mm, 1, true);
    return { inode, mm };
  },
  threads: {
    collapse: {
      title: "collapse range",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.vfs_fallocate(inode, FALLOC_FL_COLLAPSE_RANGE, 0, 1);
      },
    },
    gup: {
      title: "gup",
      cpu: 1,
      mm: ({ mm }) => mm,
      *run(k) {
        const pages = yield* k.pin_user_pages_fast_only(0, 2, FOLL_WRITE);
        if (typeof pages !== "number") yield* k.unpin_user_pages(pages);
      },
    },
  },
  invariants: [
    referencedFolioStaysInFile,
    noPinOnFreeBlock,
    noMappingOfFreeBlock,
    mappingShowsBlockOfFile,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": holds,
    "v5.18": pinDroppedWithoutHook,
    "v6.1": holds,
    "v6.12": holds,
    "v6.15": holds,
    "v7.2": holds,
  },
  twins: [
    {
      change: "twin/busy-ignores-pins",
      kernel: "v6.12",
      expect: "invariant",
      rule: "no-pin-on-free-block",
      because: "the first block is freed while its page is pinned",
    },
  ],
});
