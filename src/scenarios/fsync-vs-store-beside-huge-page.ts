import type { Inode } from "../kernel/include/linux/fs.ts";
import { type MmStruct, VM_NOHUGEPAGE, VM_SHARED, VM_WRITE } from "../kernel/include/linux/mm_types.ts";
import { entryLockIsHeld, noWarning, referencesAddUp, unflushedPageIsDirty } from "../kernel/invariants.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { createProcess, mapFile } from "../kernel/setup.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly other: MmStruct;
}

const firstPageOnly: Expectation = {
  verdict: "invariant",
  rule: "unflushed-page-is-dirty",
  because:
    "fsync() leaves the right to write with who maps the second page alone, and the entry is clean afterwards",
};

const mended: Expectation = {
  verdict: "holds",
  because: "dax: fix missing writeprotect the pte entry (v5.19)",
};

export const fsyncVsStoreBesideHugePage = scenario<World>({
  name: "fsync-vs-store-beside-huge-page",
  question: "Is a store after fsync() noticed, whatever the size of the entry that it goes through?",
  claim:
    "fsync() of a PMD entry did not take the right to write from those who map single pages of it (changelog of dax: fix " +
    "missing writeprotect the pte entry).",
  closed: "A power cut matters only where CPU caches are lost in it.",
  geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
  *setup(k) {
    const { inode, mm } = yield* mappedFile(k, "ext4", 2);
    yield* k.store(mm, 0);
    const other = createProcess(k, "other", 2);
    yield* mapFile(k, other, inode, 0, 2, VM_SHARED | VM_WRITE | VM_NOHUGEPAGE);
    yield* k.store(other, 1);
    return { inode, other };
  },
  threads: {
    fsync: {
      title: "fsync",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.vfs_fsync(inode);
      },
    },
    store: {
      title: "store to the second page by another process",
      cpu: 1,
      mm: ({ other }) => other,
      *run(k, { other }) {
        yield* k.store(other, 1);
      },
    },
  },
  invariants: [entryLockIsHeld, unflushedPageIsDirty, referencesAddUp, noWarning],
  expected: {
    "v5.10": firstPageOnly,
    "v5.18": firstPageOnly,
    "v6.1": mended,
    "v6.12": mended,
    "v6.15": mended,
    "v7.2": mended,
  },
});
