import type { Inode, MmStruct } from "../kernel/include/linux/mm_types.ts";
import {
  associationsCountEntries,
  mapcountCountsMappings,
  noMappingOfFreeBlock,
  noWarning,
  referencesAddUp,
} from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { createProcess, mapFile } from "../kernel/setup.ts";
import { noReflink } from "./furniture.ts";
import { reflinkedFiles } from "./reflinked-files.ts";

interface World {
  readonly one: Inode;
  readonly mm: MmStruct;
}

export const copyingWriteVsMapping = scenario<World>({
  name: "copying-write-vs-mapping",
  question: "May write(2) copy a shared block while the page of the old one is mapped?",
  claim:
    "The write makes the entry look clean and removes it before it unmaps the page. Our reading; a " +
    "prediction, not yet seen on a kernel.",
  closed: "The other file is not mapped.",
  *setup(k) {
    const { one } = yield* reflinkedFiles(k);
    const mm = createProcess(k, "mm", 1);
    yield* mapFile(k, mm, one, 0, 1);
    return { one, mm };
  },
  threads: {
    write: {
      title: "write(2)",
      cpu: 0,
      *run(k, { one }) {
        yield* k.vfs_write(one, 0);
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
    associationsCountEntries,
    mapcountCountsMappings,
    noMappingOfFreeBlock,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.18": noReflink,
    "v6.12": { verdict: "holds", because: "a mapping has no reference, and is gone a moment later" },
    "v7.2": {
      verdict: "invariant",
      because: "the folio leaves its file with the reference of the mapping: the kernel warns, and goes on",
    },
  },
});
