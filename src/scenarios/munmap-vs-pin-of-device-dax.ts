import type { Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct, VmArea } from "../kernel/include/linux/mm_types.ts";
import {
  countNotBelowIdle,
  folioHasOnePgmap,
  heldPageIsReferenced,
  mapcountCountsMappings,
  mapcountWithinCount,
  noWarning,
  pincountCountsPins,
  pinsArePutAsTaken,
  referencesAddUp,
  rssCountsMappings,
  sharedTailsAreNotWritten,
} from "../kernel/invariants.ts";
import { FOLL_LONGTERM, FOLL_WRITE } from "../kernel/mm/gup-flags.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { createDevDax, createProcess, mapFile } from "../kernel/setup.ts";

interface World {
  readonly inode: Inode;
  readonly mm: MmStruct;
  readonly vma: VmArea;
}

const uncounted: Expectation = {
  verdict: "holds",
  because: "the entry counts for nothing, and the base reference stays throughout",
};

export const munmapVsPinOfDeviceDax = scenario<World>({
  name: "munmap-vs-pin-of-device-dax",
  question: "Do the counts of a DAX device add up when what a PUD entry maps is pinned while it is unmapped?",
  claim:
    "Neither way of mapping raises the count of a page of a DAX device (Nov 2020, reference/threads/000): true of the " +
    "devmap entries of then, and no longer from v6.15 on, where even an entry of 1 GiB holds one reference.",
  closed:
    "The caller pins for long, for reading, then for writing; where the fast path does not do, it takes what the slow " +
    "path gives. Nobody kills the device.",
  geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
  *setup(k) {
    const inode = yield* createDevDax(k, "dax0.0", 4, 4);
    const mm = createProcess(k, "mm", 4);
    const vma = yield* mapFile(k, mm, inode, 0, 4);
    yield* k.touch(mm, 0, true);
    return { inode, mm, vma };
  },
  threads: {
    munmap: {
      title: "munmap",
      cpu: 0,
      mm: ({ mm }) => mm,
      *run(k, { vma }) {
        yield* k.munmap(vma);
      },
    },
    gup: {
      title: "longterm gup",
      cpu: 1,
      mm: ({ mm }) => mm,
      *run(k) {
        const read = yield* k.pin_user_pages_fast(1, 1, FOLL_LONGTERM);
        const write = yield* k.pin_user_pages_fast_only(2, 2, FOLL_WRITE);
        if (typeof write !== "number") yield* k.unpin_user_pages(write);
        if (typeof read !== "number") yield* k.unpin_user_pages(read);
      },
    },
  },
  invariants: [
    pinsArePutAsTaken,
    heldPageIsReferenced,
    countNotBelowIdle,
    mapcountWithinCount,
    mapcountCountsMappings,
    pincountCountsPins,
    rssCountsMappings,
    referencesAddUp,
    folioHasOnePgmap,
    sharedTailsAreNotWritten,
    noWarning,
  ],
  expected: {
    "v5.10": uncounted,
    "v5.18": uncounted,
    "v6.1": uncounted,
    "v6.12": uncounted,
    "v6.15": {
      verdict: "holds",
      because: "GUP without locks stops at the special entry; under locks it counts beside the mapping",
    },
    "v7.2": {
      verdict: "holds",
      because:
        "the reference of the entry, those of the pins, and the base are counted apart and dropped apart",
    },
  },
  twins: [
    {
      change: "twin/pud-zap-keeps-reference",
      kernel: "v7.2",
      expect: "invariant",
      rule: "mapcount-counts-mappings",
      because: "the entry is gone, and its reference and its mapcount stay",
    },
    {
      change: "twin/unpin-with-bias",
      kernel: "v6.12",
      expect: "invariant",
      rule: "held-page-is-referenced",
      because: "of a folio one reference was taken for a pin, and 1024 are given back",
    },
    {
      change: "twin/folio-misses-last-tail",
      kernel: "v6.12",
      expect: "invariant",
      rule: "folio-has-one-pgmap",
      because: "the last page of the folio stands for itself",
    },
    {
      change: "twin/mapping-is-set-on-tails",
      kernel: "v6.12",
      expect: "invariant",
      rule: "shared-tails-are-not-written",
      because: "the last two tails may be one piece of memory",
    },
    {
      change: "twin/mapping-is-set-on-tails",
      kernel: "v5.10",
      expect: "survives",
      because: "each page is one of its own",
    },
  ],
});
