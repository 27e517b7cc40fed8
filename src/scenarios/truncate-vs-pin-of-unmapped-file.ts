import type { Inode } from "../kernel/include/linux/fs.ts";
import type { Page } from "../kernel/include/linux/mm_types.ts";
import { noMappingOfFreeBlock, noPinOnFreeBlock, noWarning, referencesAddUp } from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { createFile } from "../kernel/setup.ts";
import { mappedFile, pinPage } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly other: Inode;
  readonly pages: readonly Page[];
}

export const truncateVsPinOfUnmappedFile = scenario<World>({
  name: "truncate-vs-pin-of-unmapped-file",
  question: "Does truncation wait for a pin that outlived the mapping it was taken through?",
  claim:
    "If anything references a page, it cannot be recycled (Nov 2020, reference/threads/000). Recordings of " +
    "6.1 and 6.12 on ext4 and XFS show another file's data overwritten by DMA.",
  closed: "The process has unmapped the file after it pinned the page. No signal arrives.",
  *setup(k) {
    const { sb, inode, mm, vma } = yield* mappedFile(k, "ext4", 1);
    const other = yield* createFile(k, sb, "other", 1, 0);
    yield* k.touch(mm, 0, true);
    const pages = yield* pinPage(k, 0);
    yield* k.munmap(vma);
    return { inode, other, pages };
  },
  threads: {
    truncate: {
      title: "truncate",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.do_truncate(inode, 0);
      },
    },
    unpin: {
      title: "unpin",
      cpu: 1,
      *run(k, { pages }) {
        yield* k.unpin_user_pages(pages);
      },
    },
    reuse: {
      title: "write to another file",
      cpu: 2,
      *run(k, { other }) {
        yield* k.vfs_write(other, 0);
      },
    },
  },
  invariants: [noPinOnFreeBlock, noMappingOfFreeBlock, referencesAddUp, noWarning],
  expected: {
    "v5.10": {
      verdict: "invariant",
      rule: "no-pin-on-free-block",
      because: "a file that nobody maps is taken for idle without a look",
    },
    "v5.18": {
      verdict: "invariant",
      rule: "no-pin-on-free-block",
      because: "a file that nobody maps is taken for idle without a look",
    },
    "v6.1": {
      verdict: "invariant",
      rule: "no-pin-on-free-block",
      because: "a file that nobody maps is taken for idle without a look",
    },
    "v6.12": {
      verdict: "invariant",
      rule: "no-pin-on-free-block",
      because: "a file that nobody maps is taken for idle without a look",
    },
    "v6.12+unmapped-busy-pages": { verdict: "holds", because: "the pages are looked at, mapped or not" },
    "v6.15": {
      verdict: "holds",
      because: "fs/dax: return unmapped busy pages from dax_layout_busy_page_range()",
    },
    "v7.2": {
      verdict: "holds",
      because: "fs/dax: return unmapped busy pages from dax_layout_busy_page_range() (v6.15)",
    },
  },
  twins: [
    {
      change: "twin/free-does-not-wake",
      kernel: "v7.2",
      expect: "missed-wakeup",
      rule: "layout-break-returns",
      because: "truncation waits for 0, and the last unpin tells nobody",
    },
  ],
});
