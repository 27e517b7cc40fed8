import type { Code } from "../explore/access.ts";
import type { Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct, VmArea } from "../kernel/include/linux/mm_types.ts";
import {
  mapcountCountsMappings,
  mapcountWithinCount,
  noMappingOfFreeBlock,
  noPinOnFreeBlock,
  noWarning,
  pgmapIsValid,
  pincountCountsPins,
  pinsArePutAsTaken,
  referencedFolioStaysInFile,
  referencesAddUp,
  rssCountsMappings,
} from "../kernel/invariants.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { FOLL_WRITE } from "../kernel/mm/gup-flags.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { pinDroppedWithoutHook } from "./expectations.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly mm: MmStruct;
  readonly vma: VmArea;
}

/** A file of as many pages as a PMD entry maps, mapped with one. */
function* setup(k: Kernel): Code<World> {
  const { inode, mm, vma } = yield* mappedFile(k, "ext4", 2);
  yield* k.touch(mm, 0, true);
  return { inode, mm, vma };
}

const gup = {
  title: "gup",
  cpu: 1,
  mm: ({ mm }: World): MmStruct => mm,
  *run(k: Kernel): Code {
    const pages = yield* k.pin_user_pages_fast_only(0, 2, FOLL_WRITE);
    if (typeof pages !== "number") yield* k.unpin_user_pages(pages);
  },
};

const array: Expectation = {
  verdict: "holds",
  because: "the pages of a PMD entry are an array, each counted alone",
};

export const munmapVsPinOfHugePage = scenario<World>({
  name: "munmap-vs-pin-of-huge-page",
  question: "Do the counts of a folio that a PMD entry maps add up when it is pinned while it is unmapped?",
  claim:
    "v6.15 marks the PMD entries of counted folios special (mended later: don't mark refcounted folios special): what " +
    "if zapping believed the mark?",
  closed: "The caller gives up where the kernel would fall back to the slow path.",
  geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
  setup,
  threads: {
    munmap: {
      title: "munmap",
      cpu: 0,
      mm: ({ mm }) => mm,
      *run(k, { vma }) {
        yield* k.munmap(vma);
      },
    },
    gup,
  },
  invariants: [
    referencedFolioStaysInFile,
    pgmapIsValid,
    pinsArePutAsTaken,
    mapcountWithinCount,
    mapcountCountsMappings,
    pincountCountsPins,
    rssCountsMappings,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": array,
    "v5.18": array,
    "v6.1": array,
    "v6.12": array,
    "v6.15": {
      verdict: "holds",
      because: "GUP without locks stops at the special entry; the zap drops the reference all the same",
    },
    "v7.2": { verdict: "holds", because: "one step takes all the references, and one gives them back" },
  },
  twins: [
    {
      change: "twin/zap-trusts-special",
      kernel: "v6.15",
      expect: "invariant",
      rule: "mapcount-counts-mappings",
      because:
        "the special entry hides the folio from the zap: the reference and the mapcount of the mapping stay",
    },
    {
      change: "twin/zap-trusts-special",
      kernel: "v7.2",
      expect: "survives",
      because: "the entry is not special",
    },
    {
      change: "twin/unpin-with-bias",
      kernel: "v7.2",
      expect: "invariant",
      rule: "pins-are-put-as-taken",
      because: "two references were taken, and 2048 given back",
    },
    {
      change: "twin/pin-with-bias",
      kernel: "v7.2",
      expect: "invariant",
      rule: "pins-are-put-as-taken",
      because: "2048 references were taken, and the pincount did not rise",
    },
  ],
});

const punchHole = {
  title: "punch hole",
  cpu: 0,
  *run(k: Kernel, { inode }: World): Code {
    yield* k.ext4_punch_hole(inode, 0, 2);
  },
};

const keepsPgmap: Expectation = {
  verdict: "holds",
  because: "the head keeps its pgmap throughout, and a tail has its link until it has its own",
};

export const punchHoleVsPinOfHugePage = scenario<World>({
  name: "punch-hole-vs-pin-of-huge-page",
  question: "Can a folio be taken apart while GUP without locks looks at it?",
  claim:
    "Bit 0 of the first word tells a tail, and the pgmap lies in that word, so only the head is to be asked (Jan " +
    "2025, reference/threads/001); our reading of dax_folio_reset_order() and is_pci_p2pdma_page() together.",
  closed:
    "The caller gives up where the kernel would fall back to the slow path. Nobody munmaps. TLB flushes do not wait " +
    "for walkers, as on arm64.",
  geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
  setup,
  threads: { punch: punchHole, gup },
  invariants: [
    referencedFolioStaysInFile,
    pgmapIsValid,
    pinsArePutAsTaken,
    noPinOnFreeBlock,
    noMappingOfFreeBlock,
    pincountCountsPins,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": array,
    "v5.18": pinDroppedWithoutHook,
    "v6.1": array,
    "v6.12": array,
    "v6.15": { verdict: "holds", because: "GUP without locks stops at the special entry" },
    "v7.2": {
      verdict: "invariant",
      rule: "pgmap-is-valid",
      because:
        "the entry is read, cleared, the folio found idle and taken apart; its first word is 0 for a moment, and GUP " +
        "follows it as a pgmap before it holds a reference. Our prediction from the source, not seen on a machine",
    },
    "v7.2+dax-reset-keeps-pgmap": keepsPgmap,
  },
  twins: [
    {
      change: "twin/skip-head-recheck",
      kernel: "v7.2+dax-reset-keeps-pgmap",
      expect: "survives",
      because: "no folio with a reference is taken apart; and the entry above is looked at again in any case",
    },
    {
      change: "twin/busy-ignores-pins",
      kernel: "v6.12",
      expect: "invariant",
      rule: "no-pin-on-free-block",
      because: "the block is freed while the pin is held",
    },
  ],
});

export const punchHoleVsPinOfHugePageWithIpi = scenario<World>({
  name: "punch-hole-vs-pin-of-huge-page-ipi",
  question: "And where a TLB flush interrupts who walks page tables, and waits, as on x86?",
  claim: "As punch-hole-vs-pin-of-huge-page.",
  closed: "The caller gives up where the kernel would fall back to the slow path. Nobody munmaps.",
  geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
  tlb: "ipi",
  setup,
  threads: { punch: punchHole, gup },
  invariants: [
    referencedFolioStaysInFile,
    pgmapIsValid,
    pinsArePutAsTaken,
    noPinOnFreeBlock,
    noMappingOfFreeBlock,
    pincountCountsPins,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": array,
    "v5.18": pinDroppedWithoutHook,
    "v6.1": array,
    "v6.12": array,
    "v6.15": { verdict: "holds", because: "GUP without locks stops at the special entry" },
    "v7.2": {
      verdict: "invariant",
      rule: "pgmap-is-valid",
      because:
        "the flush waits for the walker, who has its reference, or has gone, before the counts are looked at; but the put " +
        "that drops the last reference looks for the pgmap afterwards, when the folio may be taken apart already, and " +
        "warns where word 0 is 0 for a moment. Our prediction from the source, not seen on a machine",
    },
    "v7.2+dax-reset-keeps-pgmap": keepsPgmap,
  },
});
