import { fail } from "../explore/access.ts";
import type { Inode } from "../kernel/include/linux/fs.ts";
import type { Page } from "../kernel/include/linux/mm_types.ts";
import { page_ref_count } from "../kernel/include/linux/page_ref.ts";
import { noMappingOfFreeBlock, noWarning, referencesAddUp } from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { createFile, firstPage } from "../kernel/setup.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly other: Inode;
  readonly page: Page;
}

export const truncateVsAllocation = scenario<World>({
  name: "truncate-vs-allocation",
  question: "What does the count of a page say of its block: free, in a file, or in use?",
  claim:
    "Code cannot tell a free page from one that is in a file and not used; a page in the page cache with a " +
    "count of 0 contradicts its rules (Nov 2020, reference/threads/000).",
  closed: "Nobody maps the page or takes a reference.",
  *setup(k) {
    const { sb, inode, mm, vma } = yield* mappedFile(k, "ext4", 1);
    const other = yield* createFile(k, sb, "other", 1, 0);
    yield* k.touch(mm, 0, true);
    yield* k.munmap(vma);
    return { inode, other, page: firstPage(k) };
  },
  threads: {
    truncate: {
      title: "truncate",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.do_truncate(inode, 0);
      },
    },
    allocate: {
      title: "write to another file",
      cpu: 1,
      *run(k, { other }) {
        yield* k.vfs_write(other, 0);
      },
    },
    observe: {
      title: "who looks at the count",
      cpu: 2,
      *run(k, { page }) {
        const count = yield* page_ref_count(page);
        if (count !== k.fsdax_idle_count()) {
          fail("count-of-unused-page-is-idle", `nobody uses the page, and its count is ${count}`);
        }
      },
    },
  },
  invariants: [noMappingOfFreeBlock, referencesAddUp, noWarning],
  expected: {
    "v5.10": { verdict: "holds", because: "1 whether free or in a file: the count tells only use" },
    "v5.18": { verdict: "holds", because: "1 whether free or in a file: the count tells only use" },
    "v6.1": { verdict: "holds", because: "1 whether free or in a file: the count tells only use" },
    "v6.12": { verdict: "holds", because: "1 whether free or in a file: the count tells only use" },
    "v6.15": {
      verdict: "holds",
      because: "0 whether free or in a file: an entry of the page cache has no reference",
    },
    "v7.2": {
      verdict: "holds",
      because: "0 whether free or in a file: an entry of the page cache has no reference",
    },
  },
});
