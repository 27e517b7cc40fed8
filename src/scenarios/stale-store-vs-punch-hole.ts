import {
  noMappingOfFreeBlock,
  noStoreToForeignBlock,
  noWarning,
  referencesAddUp,
} from "../kernel/invariants.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { type CachedFile, cachedFile, munmap, punch, store } from "./cached-file.ts";

const nested: Expectation = {
  verdict: "holds",
  because:
    "the punch hole finds no entry, but flushes because the munmap has not yet (mm_tlb_flush_nested()); a file that " +
    "nobody maps has been flushed",
};
const counted: Expectation = {
  verdict: "holds",
  because: "the reference of the cleared entry falls after the flush, and the punch hole waits for it",
};

export const staleStoreVsPunchHole = scenario<CachedFile>({
  name: "stale-store-vs-punch-hole",
  question:
    "Can a store through a translation that a CPU has cached reach a block that the file has given back?",
  claim:
    "The scheme rests on unmapping, with the flush that it implies, and not on a count of 0 (Oct 2021, " +
    "reference/threads/003).",
  closed:
    "The file forgets a mapping only after its TLB flush, as on arm64. On x86 munmap() unlinks it before: " +
    "unlinked-mapping-vs-punch-hole.",
  setup: (k) => cachedFile(k, 1),
  threads: { punch, munmap, store },
  invariants: [noStoreToForeignBlock, noMappingOfFreeBlock, referencesAddUp, noWarning],
  expected: {
    "v5.10": nested,
    "v5.18": nested,
    "v6.1": nested,
    "v6.12": nested,
    "v6.15": counted,
    "v7.2": counted,
  },
  twins: [
    {
      change: "twin/drop-before-flush",
      kernel: "v7.2",
      expect: "survives",
      because: "the punch hole flushes as well, since the munmap has not yet",
    },
    {
      change: "twin/drop-before-flush-not-nested",
      kernel: "v7.2",
      expect: "invariant",
      rule: "no-store-to-foreign-block",
      because: "the count is 0 before the flush of the munmap; the block is freed, and the store reaches it",
    },
    {
      change: "twin/flush-forgets-nested",
      kernel: "v6.12",
      expect: "invariant",
      rule: "no-store-to-foreign-block",
      because:
        "the munmap has cleared the entry and not flushed; the block is freed, and the store reaches it",
    },
    {
      change: "twin/flush-forgets-nested",
      kernel: "v7.2",
      expect: "survives",
      because: "the punch hole waits for the reference of the entry that the munmap has cleared",
    },
  ],
});
