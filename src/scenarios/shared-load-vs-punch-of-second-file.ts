import { FALLOC_FL_PUNCH_HOLE, type Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import { associationsCountEntries, noWarning, referencesAddUp } from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { createFile, createProcess, mapFile, mountDax } from "../kernel/setup.ts";

interface World {
  readonly two: Inode;
  readonly mm: MmStruct;
}

export const sharedLoadVsPunchOfSecondFile = scenario<World>({
  name: "shared-load-vs-punch-of-second-file",
  question:
    "Is a block that was page 1 of a file counted for the right number of files when it is shared afterwards?",
  claim:
    "The index of a page in its file and the number of files that share it are one word, and dax_folio_put() of v6.15 " +
    "leaves it where a page of order 0 leaves its only file. Our reading; dax_folio_reset_order() of v7.2 clears it.",
  closed: "Each page is mapped once, before the block is shared, and once afterwards, by the load.",
  *setup(k) {
    const sb = mountDax(k, 2, "xfs");
    const one = yield* createFile(k, sb, "one", 2);
    const two = yield* createFile(k, sb, "two", 2, 0);
    const mm = createProcess(k, "mm", 2);
    yield* mapFile(k, mm, one, 0, 2);
    k.current.mm = mm;
    yield* k.touch(mm, 1, true);
    yield* k.vfs_clone_file_range(one, two, 2);
    return { two, mm };
  },
  threads: {
    load: {
      title: "load",
      cpu: 0,
      mm: ({ mm }) => mm,
      *run(k, { mm }) {
        yield* k.touch(mm, 1, false);
      },
    },
    punch: {
      title: "punch second",
      cpu: 1,
      *run(k, { two }) {
        yield* k.vfs_fallocate(two, FALLOC_FL_PUNCH_HOLE, 1, 2);
      },
    },
  },
  invariants: [associationsCountEntries, referencesAddUp, noWarning],
  expected: {
    "v6.1": { verdict: "holds", because: "a load does not count as shared" },
    "v6.12": { verdict: "holds", because: "the word is cleared whenever a page leaves its last file" },
    "v6.15": {
      verdict: "invariant",
      rule: "associations-count-entries",
      because:
        "FICLONE has taken the page out of the first file, whose index, 1, stays: the load takes it for one file that has " +
        "the page already, and counts 2. It never comes back to 0. Fixed by 59eb73b98ae0, in v7.2",
    },
    "v6.15+dax-folio-reset-order": { verdict: "holds", because: "the word is cleared, also of order 0" },
    "v7.2": { verdict: "holds", because: "the word is cleared, also of order 0" },
  },
  twins: [
    {
      change: "twin/entry-goes-without-its-page",
      kernel: "v7.2",
      expect: "invariant",
      rule: "associations-count-entries",
      because: "the entry of the first file went with FICLONE, and the page is still said to be of that file",
    },
  ],
});
