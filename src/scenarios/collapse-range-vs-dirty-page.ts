import { FALLOC_FL_COLLAPSE_RANGE, type Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import { noWarning, unflushedPageIsDirty } from "../kernel/invariants.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly mm: MmStruct;
}

const writtenBack: Expectation = {
  verdict: "holds",
  because: "what moves is written back before it leaves the page cache",
};
const marksAreGone: Expectation = {
  verdict: "invariant",
  rule: "unflushed-page-is-dirty",
  because:
    "break-layouts has taken the entries with their marks, and filemap_write_and_wait_range() finds none",
};

export const collapseRangeVsDirtyPage = scenario<World>({
  name: "collapse-range-vs-dirty-page",
  question: "Is a page that was stored to flushed if a range before it is collapsed?",
  claim:
    "Data that will be shifted is written first, since it gets removed from the page cache (comment in ext4). That " +
    "break-layouts comes before, and removes it, is our reading; a prediction, not yet seen on a kernel.",
  closed: "A power cut matters only where CPU caches are lost in it.",
  *setup(k) {
    const { inode, mm } = yield* mappedFile(k, "ext4", 2);
    return { inode, mm };
  },
  threads: {
    collapse: {
      title: "collapse the first page",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.vfs_fallocate(inode, FALLOC_FL_COLLAPSE_RANGE, 0, 1);
      },
    },
    store: {
      title: "store to the second page",
      cpu: 1,
      mm: ({ mm }) => mm,
      *run(k, { mm }) {
        yield* k.store(mm, 1);
      },
    },
  },
  invariants: [unflushedPageIsDirty, noWarning],
  expected: {
    "v5.10": writtenBack,
    "v5.18": writtenBack,
    "v6.1": writtenBack,
    "v6.12": writtenBack,
    "v6.15": marksAreGone,
    "v7.2": marksAreGone,
  },
  twins: [
    {
      change: "twin/collapse-does-not-write-back",
      kernel: "v6.12",
      expect: "invariant",
      rule: "unflushed-page-is-dirty",
      because: "truncate_pagecache() takes the entry of what moves, and its mark",
    },
  ],
});
