import type { Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import { noWarning, referencesAddUp, unflushedPageIsDirty } from "../kernel/invariants.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly mm: MmStruct;
}

const wholeEntryGoes: Expectation = {
  verdict: "invariant",
  rule: "unflushed-page-is-dirty",
  because:
    "truncate_inode_pages_range() finds the entry at the first page that is cut off, and dax_delete_mapping_entry() removes " +
    "all of it, with the mark of the page that stays: fsync() finds nothing to flush. No fix known",
};

const goneBefore: Expectation = {
  ...wholeEntryGoes,
  because: "break-layouts has taken the entry already, as in truncate-vs-dirty-page. No fix known",
};

export const truncateVsDirtyHugePage = scenario<World>({
  name: "truncate-vs-dirty-huge-page",
  question:
    "Is a page that was stored to still flushed by fsync() after the other half of its huge page was cut off?",
  claim:
    "A PMD entry of the page cache has one mark for all of its pages, and goes as a whole. Our reading; `pagelife lab run " +
    "truncate-vs-dirty-huge-page` sees it go on 6.12 and 7.2.",
  closed: "A power cut matters only where CPU caches are lost in it.",
  geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
  *setup(k) {
    const { inode, mm } = yield* mappedFile(k, "ext4", 2);
    return { inode, mm };
  },
  threads: {
    truncate: {
      title: "truncate a half",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.do_truncate(inode, 1);
      },
    },
    store: {
      title: "store to the other",
      cpu: 1,
      mm: ({ mm }) => mm,
      *run(k, { mm }) {
        yield* k.store(mm, 0);
      },
    },
  },
  invariants: [unflushedPageIsDirty, referencesAddUp, noWarning],
  expected: {
    "v5.10": wholeEntryGoes,
    "v5.18": wholeEntryGoes,
    "v6.1": wholeEntryGoes,
    "v6.12": wholeEntryGoes,
    "v6.15": goneBefore,
    "v7.2": goneBefore,
  },
});
