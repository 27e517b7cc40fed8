import type { Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import {
  associationsCountEntries,
  noMappingOfFreeBlock,
  noPinOnFreeBlock,
  noWarning,
  referencedFolioStaysInFile,
  referencesAddUp,
} from "../kernel/invariants.ts";
import { FOLL_WRITE } from "../kernel/mm/gup-flags.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { createFile, createProcess, mapFile, mountDax } from "../kernel/setup.ts";

interface World {
  readonly from: Inode;
  readonly to: Inode;
  readonly mm: MmStruct;
}

const holds: Expectation = {
  verdict: "holds",
  because:
    "the layouts of both files are broken; while the second is in use, both are let go of, and all begins anew " +
    "(xfs_mmaplock_two_inodes_and_break_dax_layout())",
};

export const cloneVsPin = scenario<World>({
  name: "clone-vs-pin",
  question: "Does FICLONE take the block of its target away only when nobody pins it any more?",
  claim:
    "Reflink has to break the layouts of two files at once; the second one is not waited for, but tried again.",
  closed:
    "The caller gives up where the kernel would fall back to the slow path. Nobody touches the page again.",
  *setup(k) {
    const sb = mountDax(k, 3, "xfs");
    const from = yield* createFile(k, sb, "from", 1);
    const to = yield* createFile(k, sb, "to", 1);
    const mm = createProcess(k, "mm", 1);
    yield* mapFile(k, mm, to, 0, 1);
    yield* k.touch(mm, 0, true);
    return { from, to, mm };
  },
  threads: {
    clone: {
      title: "FICLONE",
      cpu: 0,
      *run(k, { from, to }) {
        yield* k.vfs_clone_file_range(from, to, 1);
      },
    },
    gup: {
      title: "gup of the target",
      cpu: 1,
      mm: ({ mm }) => mm,
      *run(k) {
        const pages = yield* k.pin_user_pages_fast_only(0, 1, FOLL_WRITE);
        if (typeof pages !== "number") yield* k.unpin_user_pages(pages);
      },
    },
  },
  invariants: [
    referencedFolioStaysInFile,
    noPinOnFreeBlock,
    noMappingOfFreeBlock,
    associationsCountEntries,
    referencesAddUp,
    noWarning,
  ],
  expected: {
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
      because: "the target's block is freed while its page is pinned",
    },
  ],
});
