import type { Inode } from "../kernel/include/linux/fs.ts";
import { FALLOC_FL_PUNCH_HOLE, FALLOC_FL_UNSHARE_RANGE } from "../kernel/include/linux/fs.ts";
import type { MmStruct, Page } from "../kernel/include/linux/mm_types.ts";
import { noPinOnFreeBlock, referencesAddUp } from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { createProcess, mapFile } from "../kernel/setup.ts";
import { pinPage } from "./furniture.ts";
import { reflinkedFiles } from "./reflinked-files.ts";

interface World {
  readonly one: Inode;
  readonly mm: MmStruct;
  readonly pages: readonly Page[];
}

export const unpinVsPunchAfterUnshare = scenario<World>({
  name: "unpin-vs-punch-after-unshare",
  question: "Does a punch hole wait for a pin of a page that fallocate() gave the file as its own before?",
  claim:
    "dax_unshare_iter() asks for the entry of the old block to be removed, and does not look whether it was. A dirty one " +
    "stays, and break-layouts looks at its page. Our reading; a prediction, not yet seen on a kernel.",
  closed: "The page was only read before it was unshared, and nobody called fsync().",
  *setup(k) {
    const { one } = yield* reflinkedFiles(k);
    const mm = createProcess(k, "mm", 1);
    yield* mapFile(k, mm, one, 0, 1);
    k.current.mm = mm;
    yield* k.touch(mm, 0, false);
    yield* k.vfs_fallocate(one, FALLOC_FL_UNSHARE_RANGE, 0, 1);
    yield* k.touch(mm, 0, true);
    return { one, mm, pages: yield* pinPage(k, 0) };
  },
  threads: {
    punch: {
      title: "punch hole",
      cpu: 0,
      *run(k, { one }) {
        yield* k.vfs_fallocate(one, FALLOC_FL_PUNCH_HOLE, 0, 1);
      },
    },
    unpin: {
      title: "unpin",
      cpu: 1,
      mm: ({ mm }) => mm,
      *run(k, { pages }) {
        yield* k.unpin_user_pages(pages);
      },
    },
  },
  invariants: [noPinOnFreeBlock, referencesAddUp],
  expected: {
    "v6.1": {
      verdict: "invariant",
      rule: "no-pin-on-free-block",
      because:
        "a read has marked the entry dirty, so that of the old block is still there: the new page is not looked at",
    },
    "v6.12": {
      verdict: "holds",
      because: "since v6.2 a read leaves the entry clean, and fallocate() removes it",
    },
    "v6.15": { verdict: "holds", because: "breaking the layouts removes the entry, clean or not" },
    "v7.2": { verdict: "holds", because: "breaking the layouts removes the entry, clean or not" },
  },
  twins: [
    {
      change: "twin/busy-ignores-pins",
      kernel: "v6.12",
      expect: "invariant",
      rule: "no-pin-on-free-block",
      because: "the hole frees the block while it is pinned",
    },
  ],
});
