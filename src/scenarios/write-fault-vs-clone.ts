import type { Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import {
  mapcountCountsMappings,
  mappingShowsBlockOfFile,
  noWarning,
  referencesAddUp,
  sharedBlockIsNotWritable,
} from "../kernel/invariants.ts";
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
    "the layouts of the source are broken under its locks, and from then on it says that it is remapped: a write fault " +
    "takes the lock for writing, and comes when the block is shared; then it copies",
};

export const writeFaultVsClone = scenario<World>({
  name: "write-fault-vs-clone",
  question: "Can a block be written to through a mapping of the source while FICLONE shares it?",
  claim:
    "The source is only locked for reading while its blocks are remapped, so that it can be read; write faults must " +
    "wait (14a537983b22, XFS_IREMAPPING).",
  closed: "Nobody pins, nobody munmaps.",
  *setup(k) {
    const sb = mountDax(k, 3, "xfs");
    const from = yield* createFile(k, sb, "from", 1);
    const to = yield* createFile(k, sb, "to", 1, 0);
    const mm = createProcess(k, "mm", 1);
    yield* mapFile(k, mm, from, 0, 1);
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
    fault: {
      title: "read, then write",
      cpu: 1,
      mm: ({ mm }) => mm,
      *run(k, { mm }) {
        yield* k.touch(mm, 0, false);
        yield* k.touch(mm, 0, true);
      },
    },
  },
  invariants: [
    sharedBlockIsNotWritable,
    mappingShowsBlockOfFile,
    mapcountCountsMappings,
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
      change: "twin/write-fault-ignores-remapping",
      kernel: "v6.12",
      expect: "invariant",
      rule: "shared-block-is-not-writable",
      because: "the fault finds the block the file's own and maps it to be written to; then it is shared",
    },
    {
      change: "twin/write-fault-ignores-remapping",
      kernel: "v7.2",
      expect: "invariant",
      rule: "shared-block-is-not-writable",
      because: "the fault finds the block the file's own and maps it to be written to; then it is shared",
    },
  ],
});
