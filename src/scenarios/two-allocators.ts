import { type Code, fail } from "../explore/access.ts";
import type { Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import { mappingShowsBlockOfFile, noMappingOfFreeBlock } from "../kernel/invariants.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { scenario } from "../kernel/scenario.ts";
import { createFile, createProcess, mapFile, mountDax } from "../kernel/setup.ts";
import { reflinkedFiles } from "./reflinked-files.ts";

interface World {
  readonly inode: Inode;
  readonly mm: MmStruct;
}

/** The file, and a process that maps its one page and has not touched it. */
function* mapped(k: Kernel, inode: Inode): Code<World> {
  const mm = createProcess(k, "mm", 1);
  yield* mapFile(k, mm, inode, 0, 1);
  return { inode, mm };
}

const threads = {
  store: {
    title: "store",
    cpu: 0,
    mm: ({ mm }: World) => mm,
    *run(k: Kernel, { mm }: World): Code {
      const fault = yield* k.store(mm, 0);
      if (fault !== "NOPAGE")
        fail("store-succeeds", `there are free blocks, and the store ends with ${fault}`);
    },
  },
  write: {
    title: "write(2)",
    cpu: 1,
    *run(k: Kernel, { inode }: World): Code {
      yield* k.vfs_write(inode, 0);
    },
  },
};

const invariants = [mappingShowsBlockOfFile, noMappingOfFreeBlock];
const looksAgain = "who comes second looks again under i_data_sem, and finds the block of the first";

export const storeVsWriteIntoHole = scenario<World>({
  name: "store-vs-write-into-hole",
  question: "Do a store and a write(2) into one hole agree on its block?",
  claim: "Neither holds a lock against the other when it sees the hole. Our reading of ext4.",
  *setup(k) {
    const sb = mountDax(k, 2);
    return yield* mapped(k, yield* createFile(k, sb, "file", 1, 0));
  },
  threads,
  invariants,
  expected: {
    "v5.10": { verdict: "holds", because: looksAgain },
    "v5.18": { verdict: "holds", because: looksAgain },
    "v6.1": { verdict: "holds", because: looksAgain },
    "v6.12": { verdict: "holds", because: looksAgain },
    "v6.15": { verdict: "holds", because: looksAgain },
    "v7.2": { verdict: "holds", because: looksAgain },
  },
  twins: [
    {
      change: "twin/allocate-unseen",
      kernel: "v7.2",
      expect: "assertion",
      rule: "store-succeeds",
      because:
        "write(2) gives the file another block than its entry has, which is dirty and stays; the next store finds both",
    },
  ],
});

export const copyingStoreVsCopyingWrite = scenario<World>({
  name: "copying-store-vs-copying-write",
  question: "Do a store and a write(2) that both copy a shared block agree on the copy?",
  claim:
    "A racing writer can complete a full cycle of copy on write while ILOCK is dropped (comment of the fix). That a " +
    "fault on DAX can be one of the two, and on which kernels, is our reading; a prediction, not yet seen on a kernel.",
  closed:
    "The other file is not mapped. That from v6.15 on write(2) takes a page from its file while it is mapped is not looked " +
    "at here (referenced-folio-stays-in-file, in copying-write-vs-mapping).",
  *setup(k) {
    const { one } = yield* reflinkedFiles(k);
    return yield* mapped(k, one);
  },
  threads,
  invariants,
  expected: {
    "v6.1": {
      verdict: "invariant",
      rule: "mapping-shows-block-of-file",
      because:
        "the store asks whether the old block is shared, which the file has no more, and maps it: it is the other file's",
    },
    "v6.1+xfs-cow-hole": {
      verdict: "holds",
      because: "with ILOCK again, the block of the file is read again",
    },
    "v6.12": {
      verdict: "holds",
      because:
        "write(2) invalidates the entry before it ends its copy, and waits for a fault that has it locked",
    },
    "v6.15": { verdict: "holds", because: "as v6.12" },
    "v7.2": { verdict: "holds", because: "as v6.12; and the block of the file is read again" },
  },
});
