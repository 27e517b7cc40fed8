import { FALLOC_FL_PUNCH_HOLE } from "../kernel/include/linux/fs.ts";
import {
  noMappingOfFreeBlock,
  noStoreToForeignBlock,
  noWarning,
  referencesAddUp,
} from "../kernel/invariants.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { type CachedFile, cachedFile, munmap, punch, store } from "./cached-file.ts";

const unmapped: Expectation = {
  verdict: "invariant",
  rule: "no-store-to-foreign-block",
  because:
    "the file has forgotten the mapping and takes itself for unmapped, so that the punch hole flushes nothing and finds " +
    "the page idle; the munmap flushes after that. Our prediction from the source, not seen on a machine",
};
const flushed: Expectation = {
  verdict: "holds",
  because: "the file forgets the mapping only after the flush",
};
const counted: Expectation = {
  verdict: "holds",
  because: "the entry held a reference, which falls after the flush, and the punch hole waits for it",
};

export const unlinkedMappingVsPunchHole = scenario<CachedFile>({
  name: "unlinked-mapping-vs-punch-hole",
  question:
    "Where flushes are merged over mappings, as on x86: can a store through a cached translation reach a block after " +
    "munmap has made the file forget the mapping?",
  claim:
    "A mapping that is not listed in the rmap any more can have stale translations, where unmap_mapping_range() does not " +
    "see it (b67fbebd4cf9, v5.19, CVE-2022-39188). That made tlb_end_vma() flush for VM_PFNMAP and VM_MIXEDMAP; mappings " +
    "of DAX files of ext4 and XFS have neither.",
  closed:
    "Nobody pins; the file system is ext4. On arm64 the TLB is flushed before the file forgets the mapping: stale-store-vs-punch-hole.",
  tlb: "ipi",
  setup: (k) => cachedFile(k, 1),
  threads: { punch, munmap, store },
  invariants: [noStoreToForeignBlock, noMappingOfFreeBlock, referencesAddUp, noWarning],
  expected: {
    "v5.10": unmapped,
    "v5.18": unmapped,
    "v6.1": unmapped,
    "v6.12": unmapped,
    "v6.12+dax-mapping-ends-flushed": flushed,
    "v6.15": counted,
    "v7.2": counted,
  },
  twins: [
    {
      change: "twin/drop-before-flush-not-nested",
      kernel: "v7.2",
      expect: "invariant",
      rule: "no-store-to-foreign-block",
      because: "the count is 0 before the flush of the munmap; the block is freed, and the store reaches it",
    },
  ],
});

const flushedForMixedmap: Expectation = {
  verdict: "holds",
  because: "mmu_gather: Force tlb-flush VM_PFNMAP vmas (v5.19): the file forgets the mapping after the flush",
};

export const unlinkedMappingVsPunchHoleOfFuse = scenario<CachedFile>({
  name: "unlinked-mapping-vs-punch-hole-of-fuse",
  question: "And of virtio-fs, whose mappings have VM_MIXEDMAP?",
  claim: "The fix of CVE-2022-39188 (b67fbebd4cf9, v5.19) is for mappings with VM_PFNMAP or VM_MIXEDMAP.",
  closed: "Nobody pins; the file system is virtio-fs.",
  tlb: "ipi",
  setup: (k) => cachedFile(k, 1, "fuse"),
  threads: {
    punch: {
      title: "punch hole",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.vfs_fallocate(inode, FALLOC_FL_PUNCH_HOLE, 0, 1);
      },
    },
    munmap,
    store,
  },
  invariants: [noStoreToForeignBlock, noMappingOfFreeBlock, referencesAddUp, noWarning],
  expected: {
    "v5.10": unmapped,
    "v5.18": unmapped,
    "v5.18+mixedmap-ends-flushed": flushedForMixedmap,
    "v6.1": flushedForMixedmap,
    "v6.12": flushedForMixedmap,
    "v6.15": flushedForMixedmap,
    "v7.2": flushedForMixedmap,
  },
});
