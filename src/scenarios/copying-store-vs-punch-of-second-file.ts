import { FALLOC_FL_PUNCH_HOLE, type Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import { noPinOnFreeBlock, referencesAddUp } from "../kernel/invariants.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { createProcess, mapFile } from "../kernel/setup.ts";
import { holdPage } from "./furniture.ts";
import { reflinkedFiles } from "./reflinked-files.ts";

interface World {
  readonly two: Inode;
  readonly mm: MmStruct;
}

const leftBehind: Expectation = {
  verdict: "invariant",
  rule: "no-pin-on-free-block",
  because:
    "the store gives the first file a block of its own, and does not ask who uses the page of the old one; the second " +
    "file, which has no entry for it, finds nothing to wait for, and frees it under the reference. No fix known",
};

export const copyingStoreVsPunchOfSecondFile = scenario<World>({
  name: "copying-store-vs-punch-of-second-file",
  question: "Is a block freed to which there is a reference from before a store copied it?",
  claim:
    "Break-layouts looks at the entries of the file that is to lose a block. That copy-on-write moves the entry of the " +
    "first file to the copy, while somebody has a reference to the original, is our reading; `pagelife lab run " +
    "copying-store-vs-punch-of-second-file` sees the block go on 6.12, and on 7.2, which warns of the copy " +
    "(dax_folio_put()).",
  closed: "The reference is not dropped. The second file is not mapped, and nobody has read it.",
  *setup(k) {
    const { one, two } = yield* reflinkedFiles(k);
    const mm = createProcess(k, "mm", 1);
    yield* mapFile(k, mm, one, 0, 1);
    k.current.mm = mm;
    yield* k.touch(mm, 0, false);
    yield* holdPage(k, 0);
    return { two, mm };
  },
  threads: {
    store: {
      title: "store",
      cpu: 0,
      mm: ({ mm }) => mm,
      *run(k, { mm }) {
        yield* k.touch(mm, 0, true);
      },
    },
    punch: {
      title: "punch second",
      cpu: 1,
      *run(k, { two }) {
        yield* k.vfs_fallocate(two, FALLOC_FL_PUNCH_HOLE, 0, 1);
      },
    },
  },
  invariants: [noPinOnFreeBlock, referencesAddUp],
  expected: { "v6.1": leftBehind, "v6.12": leftBehind, "v6.15": leftBehind, "v7.2": leftBehind },
});
