import type { Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import {
  mappingShowsBlockOfFile,
  noWarning,
  referencesAddUp,
  unflushedPageIsDirty,
} from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly mm: MmStruct;
}

export const truncateVsDirtyPage = scenario<World>({
  name: "truncate-vs-dirty-page",
  question:
    "Is a page that was stored to still flushed by fsync() after another part of the file was cut off?",
  claim:
    "Break-layouts takes the entries of the whole file away, and their dirty marks with them, also for a " +
    "truncation of its last page. Our reading; `pagelife lab run truncate-vs-dirty-page` sees the entry go on 7.2, " +
    "and stay on 6.12.",
  closed: "A power cut matters only where CPU caches are lost in it.",
  *setup(k) {
    const { inode, mm } = yield* mappedFile(k, "ext4", 2);
    return { inode, mm };
  },
  threads: {
    truncate: {
      title: "truncate the last page",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.do_truncate(inode, 1);
      },
    },
    store: {
      title: "store to the first page",
      cpu: 1,
      mm: ({ mm }) => mm,
      *run(k, { mm }) {
        yield* k.store(mm, 0);
      },
    },
  },
  invariants: [unflushedPageIsDirty, mappingShowsBlockOfFile, referencesAddUp, noWarning],
  expected: {
    "v5.10": { verdict: "holds", because: "only the entries of what is cut off go" },
    "v5.18": { verdict: "holds", because: "only the entries of what is cut off go" },
    "v6.1": { verdict: "holds", because: "only the entries of what is cut off go" },
    "v6.12": { verdict: "holds", because: "only the entries of what is cut off go" },
    "v6.12+common-break-layout": { verdict: "holds", because: "entries stay until truncation" },
    "v6.12+common-break-layout+break-layout-deletes-entries": {
      verdict: "invariant",
      rule: "unflushed-page-is-dirty",
      because: "this patch takes the entries of the whole file away",
    },
    "v6.15": {
      verdict: "invariant",
      rule: "unflushed-page-is-dirty",
      because: "ext4 and XFS break the layouts of the whole file, and the entries go with their marks",
    },
    "v7.2": {
      verdict: "invariant",
      rule: "unflushed-page-is-dirty",
      because: "ext4 and XFS break the layouts of the whole file, and the entries go with their marks",
    },
  },
  twins: [
    {
      change: "twin/write-fault-leaves-entry-clean",
      kernel: "v6.12",
      expect: "invariant",
      rule: "unflushed-page-is-dirty",
      because: "fsync would pass over the page",
    },
  ],
});
