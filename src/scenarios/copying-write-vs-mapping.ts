import type { Code } from "../explore/access.ts";
import type { Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import {
  associationsCountEntries,
  mapcountCountsMappings,
  mappingShowsBlockOfFile,
  noMappingOfFreeBlock,
  noWarning,
  referencedFolioStaysInFile,
  referencesAddUp,
} from "../kernel/invariants.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { scenario } from "../kernel/scenario.ts";
import { createProcess, mapFile } from "../kernel/setup.ts";
import { reflinkedFiles } from "./reflinked-files.ts";

interface World {
  readonly one: Inode;
  readonly mm: MmStruct;
}

/** A file that shares its blocks with another, and a process that maps it. */
function* mapped(k: Kernel, pages: number): Code<World> {
  const { one } = yield* reflinkedFiles(k, pages);
  const mm = createProcess(k, "mm", pages);
  yield* mapFile(k, mm, one, 0, pages);
  k.current.mm = mm;
  return { one, mm };
}

const write = {
  title: "write(2)",
  cpu: 0,
  *run(k: Kernel, { one }: World): Code {
    yield* k.vfs_write(one, 0);
  },
};

const read = {
  title: "load",
  cpu: 1,
  mm: ({ mm }: World) => mm,
  *run(k: Kernel, { mm }: World): Code {
    yield* k.touch(mm, 0, false);
  },
};

const invariants = [
  referencedFolioStaysInFile,
  associationsCountEntries,
  mapcountCountsMappings,
  noMappingOfFreeBlock,
  mappingShowsBlockOfFile,
  referencesAddUp,
  noWarning,
];

export const copyingWriteVsMapping = scenario<World>({
  name: "copying-write-vs-mapping",
  question: "Does a program that loads while write(2) copies a shared block see the new block afterwards?",
  claim:
    "The write removes the entry, unmaps the page, copies, and only then changes the block of the file, all " +
    "without invalidate_lock. Our reading; a prediction, not yet seen on a kernel.",
  closed: "The other file is not mapped.",
  *setup(k) {
    return yield* mapped(k, 1);
  },
  threads: { write, read },
  invariants,
  expected: {
    "v6.1": {
      verdict: "invariant",
      rule: "mapping-shows-block-of-file",
      because: "write(2) takes away nothing that is mapped, and the program goes on to see the old block",
    },
    "v6.12": {
      verdict: "invariant",
      rule: "mapping-shows-block-of-file",
      because: "a load between the invalidation and the end of the copy maps the old block again",
    },
    "v6.15": {
      verdict: "invariant",
      rule: "referenced-folio-stays-in-file",
      because: "a load between the invalidation and the end of the copy maps the old block again",
    },
    "v7.2": {
      verdict: "invariant",
      rule: "referenced-folio-stays-in-file",
      because:
        "as in v6.12; and the folio leaves its file with the reference of the mapping: the kernel warns",
    },
  },
});

export const copyingWriteVsHugeMapping = scenario<World>({
  name: "copying-write-vs-huge-mapping",
  geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
  question: "And if a PMD entry maps the page?",
  claim:
    "The folio is taken apart with its mapping in place, and the zap that follows finds pages of order 0 " +
    "under a PMD entry. Our reading; a prediction, not yet seen on a kernel.",
  closed: "The other file is not mapped.",
  *setup(k) {
    const w = yield* mapped(k, k.world.geometry.PTRS_PER_PTE);
    yield* k.touch(w.mm, 0, false);
    return w;
  },
  threads: { write },
  invariants,
  expected: {
    "v6.1": { verdict: "holds", because: "each page counts for itself, and a mapping has no reference" },
    "v6.12": { verdict: "holds", because: "each page counts for itself, and a mapping has no reference" },
    "v6.15": {
      verdict: "invariant",
      rule: "referenced-folio-stays-in-file",
      because: "the folio is reset to pages of order 0 while its one mapping and reference are there",
    },
    "v7.2": {
      verdict: "invariant",
      rule: "referenced-folio-stays-in-file",
      because: "the folio is reset to pages of order 0 while its one mapping and reference are there",
    },
  },
});
