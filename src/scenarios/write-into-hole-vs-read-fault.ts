import type { Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import {
  associationsCountEntries,
  mapcountCountsMappings,
  mappingShowsBlockOfFile,
  noWarning,
  referencedFolioStaysInFile,
  referencesAddUp,
} from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { createFile, createProcess, mapFile, mountDax } from "../kernel/setup.ts";

interface World {
  readonly inode: Inode;
  readonly mm: MmStruct;
}

export const writeIntoHoleVsReadFault = scenario<World>({
  name: "write-into-hole-vs-read-fault",
  question: "May write(2) into a hole remove the entry of a page that a fault has just mapped?",
  claim:
    "invalidate_inode_pages2_range() removes clean entries before it unmaps them, and write(2) does not hold " +
    "invalidate_lock. Our reading; a prediction, not yet seen on a kernel.",
  closed: "Nobody takes blocks away.",
  *setup(k) {
    const sb = mountDax(k, 1);
    const inode = yield* createFile(k, sb, "file", 1, 0);
    const mm = createProcess(k, "mm", 1);
    yield* mapFile(k, mm, inode, 0, 1);
    return { inode, mm };
  },
  threads: {
    write: {
      title: "write(2)",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.vfs_write(inode, 0);
      },
    },
    read: {
      title: "load",
      cpu: 1,
      mm: ({ mm }) => mm,
      *run(k, { mm }) {
        yield* k.touch(mm, 0, false);
      },
    },
  },
  invariants: [
    referencedFolioStaysInFile,
    associationsCountEntries,
    mapcountCountsMappings,
    mappingShowsBlockOfFile,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": { verdict: "holds", because: "a mapping has no reference, and is gone a moment later" },
    "v5.18": { verdict: "holds", because: "a mapping has no reference, and is gone a moment later" },
    "v6.1": { verdict: "holds", because: "a read marks the entry dirty here, and so it is not removed" },
    "v6.12": { verdict: "holds", because: "a mapping has no reference, and is gone a moment later" },
    "v6.15": {
      verdict: "invariant",
      rule: "referenced-folio-stays-in-file",
      because:
        "__dax_invalidate_entry() takes the folio from its file whatever its count, with the reference of the mapping; " +
        "dax_folio_put() looks at the counts of large folios only, and says nothing",
    },
    "v7.2": {
      verdict: "invariant",
      rule: "referenced-folio-stays-in-file",
      because:
        "as v6.15, but dax_folio_put() looks at the counts of small folios, too: it warns, and goes on",
    },
  },
  twins: [
    {
      change: "twin/write-leaves-hole-mapped",
      kernel: "v6.12",
      expect: "invariant",
      rule: "mapping-shows-block-of-file",
      because: "the program goes on to see zeroes",
    },
  ],
});
