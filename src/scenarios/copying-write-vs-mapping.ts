import type { Code } from "../explore/access.ts";
import type { Inode, MmStruct } from "../kernel/include/linux/mm_types.ts";
import {
  associationsCountEntries,
  mapcountCountsMappings,
  noMappingOfFreeBlock,
  noWarning,
  referencesAddUp,
} from "../kernel/invariants.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { scenario } from "../kernel/scenario.ts";
import { createProcess, mapFile } from "../kernel/setup.ts";
import { noReflink } from "./furniture.ts";
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
  associationsCountEntries,
  mapcountCountsMappings,
  noMappingOfFreeBlock,
  referencesAddUp,
  noWarning,
];

export const copyingWriteVsMapping = scenario<World>({
  name: "copying-write-vs-mapping",
  question: "May write(2) copy a shared block while the page of the old one is mapped?",
  claim:
    "The write makes the entry look clean and removes it before it unmaps the page. Our reading; a " +
    "prediction, not yet seen on a kernel.",
  closed: "The other file is not mapped.",
  *setup(k) {
    return yield* mapped(k, 1);
  },
  threads: { write, read },
  invariants,
  expected: {
    "v5.18": noReflink,
    "v6.12": { verdict: "holds", because: "a mapping has no reference, and is gone a moment later" },
    "v7.2": {
      verdict: "invariant",
      because: "the folio leaves its file with the reference of the mapping: the kernel warns, and goes on",
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
    "v5.18": noReflink,
    "v6.12": { verdict: "holds", because: "each page counts for itself, and a mapping has no reference" },
    "v7.2": {
      verdict: "invariant",
      because: "the folio is reset to pages of order 0 while its one mapping and reference are there",
    },
  },
});
