import type { Inode } from "../kernel/include/linux/fs.ts";
import { type MmStruct, VM_SHARED, VM_SYNC, VM_WRITE } from "../kernel/include/linux/mm_types.ts";
import {
  associationsCountEntries,
  entryLockIsHeld,
  mapcountCountsMappings,
  mappingShowsBlockOfFile,
  noMappingOfFreeBlock,
  noWarning,
  referencesAddUp,
  unflushedPageIsDirty,
} from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { createFile, createProcess, mapFile, mountDax } from "../kernel/setup.ts";

interface World {
  readonly inode: Inode;
  readonly mm: MmStruct;
}

export const mapSyncFaultVsWrite = scenario<World>({
  name: "map-sync-fault-vs-write",
  question: "Does a MAP_SYNC fault map the right block if write(2) comes while it waits for fsync()?",
  claim:
    "The fault finds a block, unlocks the entry, waits for fsync(), and maps what it found without looking " +
    "whether the entry is still of that block. Our reading of both halves together.",
  closed: "Nobody takes blocks away: invalidate_lock keeps them out.",
  *setup(k) {
    const sb = mountDax(k, 2);
    const inode = yield* createFile(k, sb, "file", 1, 0);
    const mm = createProcess(k, "mm", 1);
    yield* mapFile(k, mm, inode, 0, 1, VM_SHARED | VM_WRITE | VM_SYNC);
    return { inode, mm };
  },
  threads: {
    store: {
      title: "store",
      cpu: 0,
      mm: ({ mm }) => mm,
      *run(k, { mm }) {
        yield* k.store(mm, 0);
      },
    },
    write: {
      title: "write(2)",
      cpu: 1,
      *run(k, { inode }) {
        yield* k.vfs_write(inode, 0);
      },
    },
  },
  invariants: [
    entryLockIsHeld,
    associationsCountEntries,
    mapcountCountsMappings,
    noMappingOfFreeBlock,
    mappingShowsBlockOfFile,
    referencesAddUp,
    unflushedPageIsDirty,
    noWarning,
  ],
  expected: {
    "v5.10": {
      verdict: "holds",
      because: "the block of an index changes under invalidate_lock or by copy only",
    },
    "v5.18": {
      verdict: "holds",
      because: "the block of an index changes under invalidate_lock or by copy only",
    },
    "v6.1": {
      verdict: "holds",
      because: "the block of an index changes under invalidate_lock or by copy only",
    },
    "v6.12": {
      verdict: "holds",
      because: "the block of an index changes under invalidate_lock or by copy only",
    },
    "v6.15": {
      verdict: "holds",
      because: "the entry is marked dirty before it is mapped, and so it is not removed",
    },
    "v7.2": {
      verdict: "holds",
      because: "the entry is marked dirty before it is mapped, and so it is not removed",
    },
  },
});
