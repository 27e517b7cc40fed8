import type { Cell } from "../explore/access.ts";
import type { Inode } from "../kernel/include/linux/fs.ts";
import type { Pte, VmArea } from "../kernel/include/linux/mm_types.ts";
import {
  noMappingOfFreeBlock,
  noStoreToForeignBlock,
  noWarning,
  referencesAddUp,
} from "../kernel/invariants.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { cacheTranslation } from "../kernel/setup.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly vma: VmArea;
  readonly tlb: Cell<Pte | null>;
}

const nested: Expectation = {
  verdict: "holds",
  because:
    "the punch hole finds no entry, but flushes because the madvise has not yet (mm_tlb_flush_nested())",
};

const looksIdle =
  "the entry is gone, count and mapcount are both 1 still, and a zap that finds no entry does not wait for the lock " +
  "that the split holds: the folio is taken apart, and its blocks go, while the split has yet to lower both counts. " +
  "Our prediction from the source, not seen on a machine";

const waits =
  "the split flushes, and lowers both counts, before it drops the lock for which the zap of the punch hole waits";

export const staleStoreVsSplitOfHugePage = scenario<World>({
  name: "stale-store-vs-split-of-huge-page",
  question:
    "Is a huge page busy while a split has cleared its PMD entry and not yet dropped its counts, and can a store " +
    "through a cached translation reach its blocks after the file has given them back?",
  claim:
    "Our reading of __split_huge_pmd_locked() from v6.15 to v7.2: as in munmap-vs-punch-hole-of-huge-page. " +
    "madvise(MADV_DONTNEED) of a part splits the entry without a lock of the file; munmap() and mprotect() of a part " +
    "do so under i_mmap_rwsem (vma_prepare()), for which the zap of the punch hole waits.",
  closed: "Nobody pins, nobody touches the page again.",
  geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
  *setup(k) {
    const { inode, mm, vma } = yield* mappedFile(k, "ext4", 2);
    yield* k.touch(mm, 0, true);
    const tlb = yield* cacheTranslation(k, mm, 0);
    return { inode, vma, tlb };
  },
  threads: {
    punch: {
      title: "punch hole",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.ext4_punch_hole(inode, 0, 2);
      },
    },
    dontneed: {
      title: "madvise a part",
      cpu: 1,
      mm: ({ vma }) => vma.vm_mm,
      *run(k, { vma }) {
        yield* k.madvise_dontneed_single_vma(vma, 1, 2);
      },
    },
    store: {
      title: "store",
      cpu: 2,
      mm: ({ vma }) => vma.vm_mm,
      *run(k, { inode, tlb }) {
        yield* k.store_through_tlb(tlb, inode);
      },
    },
  },
  invariants: [noStoreToForeignBlock, noMappingOfFreeBlock, referencesAddUp, noWarning],
  expected: {
    "v5.10": nested,
    "v5.18": nested,
    "v6.1": nested,
    "v6.12": nested,
    "v6.15": { verdict: "invariant", because: looksIdle },
    "v6.15+zap-waits-for-pmd-lock": { verdict: "holds", because: waits },
    "v7.2": { verdict: "invariant", because: looksIdle },
    "v7.2+zap-waits-for-pmd-lock": { verdict: "holds", because: waits },
  },
  twins: [
    {
      change: "twin/flush-forgets-nested",
      kernel: "v6.12",
      expect: "invariant",
      because:
        "the split has cleared the entry and not flushed; the blocks are freed, and the store reaches one",
    },
  ],
});
