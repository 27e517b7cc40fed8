import {
  noMappingOfFreeBlock,
  noStoreToForeignBlock,
  noWarning,
  pgmapIsValid,
  referencedFolioStaysInFile,
  referencesAddUp,
} from "../kernel/invariants.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { type CachedFile, cachedFile, punch, store } from "./cached-file.ts";

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

export const staleStoreVsSplitOfHugePage = scenario<CachedFile>({
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
  setup: (k) => cachedFile(k, 2),
  threads: {
    punch,
    dontneed: {
      title: "madvise a part",
      cpu: 1,
      mm: ({ vma }) => vma.vm_mm,
      *run(k, { vma }) {
        yield* k.madvise_dontneed_single_vma(vma, 1, 2);
      },
    },
    store,
  },
  invariants: [
    referencedFolioStaysInFile,
    pgmapIsValid,
    noStoreToForeignBlock,
    noMappingOfFreeBlock,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": nested,
    "v5.18": nested,
    "v6.1": nested,
    "v6.12": nested,
    "v6.15": { verdict: "invariant", rule: "referenced-folio-stays-in-file", because: looksIdle },
    "v6.15+zap-waits-for-pmd-lock": { verdict: "holds", because: waits },
    "v7.2": { verdict: "invariant", rule: "referenced-folio-stays-in-file", because: looksIdle },
    "v7.2+zap-waits-for-pmd-lock": { verdict: "holds", because: waits },
  },
  twins: [
    {
      change: "twin/flush-forgets-nested",
      kernel: "v6.12",
      expect: "invariant",
      rule: "no-store-to-foreign-block",
      because:
        "the split has cleared the entry and not flushed; the blocks are freed, and the store reaches one",
    },
  ],
});
