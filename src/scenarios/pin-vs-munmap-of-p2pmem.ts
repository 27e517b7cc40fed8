import type { MmStruct, VmArea } from "../kernel/include/linux/mm_types.ts";
import {
  countNotBelowIdle,
  heldPageIsReferenced,
  mappedPageIsReferenced,
  noLongtermPinOfFsdax,
  noWarning,
  pooledPageIsUnused,
  referencesAddUp,
  rssCountsMappings,
} from "../kernel/invariants.ts";
import { FOLL_LONGTERM, FOLL_PCI_P2PDMA, FOLL_WRITE } from "../kernel/mm/gup-flags.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { createProcess, mapFile } from "../kernel/setup.ts";
import { createP2pmem } from "../kernel/setup-device.ts";

interface World {
  readonly mm: MmStruct;
  readonly vma: VmArea;
}

const waitsForUsers: Expectation = {
  verdict: "holds",
  because:
    "the entry holds a reference and a pin others, and the last put gives the page back; for long it is not pinned at all",
};

export const pinVsMunmapOfP2pmem = scenario<World>({
  name: "pin-vs-munmap-of-p2pmem",
  question:
    "Does the driver of a PCI device get memory back that a program had mapped only when nobody uses it any more?",
  claim:
    "Only who says so (FOLL_PCI_P2PDMA) gets such memory from GUP, and never for long, so that the device can go " +
    "(mm: introduce FOLL_PCI_P2PDMA to gate getting PCI P2PDMA pages).",
  closed: "The device stays. Nobody else maps its memory meanwhile.",
  *setup(k) {
    const mm = createProcess(k, "mm", 1);
    const vma = yield* mapFile(k, mm, createP2pmem(k, 1), 0, 1);
    return { mm, vma };
  },
  threads: {
    pin: {
      title: "pins, for long and for DMA between devices",
      cpu: 0,
      mm: ({ mm }) => mm,
      *run(k) {
        yield* k.pin_user_pages_fast(0, 1, FOLL_LONGTERM);
        const pages = yield* k.pin_user_pages_fast(0, 1, FOLL_PCI_P2PDMA | FOLL_WRITE);
        if (typeof pages !== "number") yield* k.unpin_user_pages(pages);
      },
    },
    munmap: {
      title: "munmap",
      cpu: 1,
      *run(k, { vma }) {
        yield* k.munmap(vma);
      },
    },
  },
  invariants: [
    pooledPageIsUnused,
    noLongtermPinOfFsdax,
    heldPageIsReferenced,
    mappedPageIsReferenced,
    countNotBelowIdle,
    rssCountsMappings,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v6.12": waitsForUsers,
    "v6.15": waitsForUsers,
    "v7.2": waitsForUsers,
  },
  twins: [
    {
      change: "twin/gup-ignores-p2pdma",
      kernel: "v7.2",
      expect: "invariant",
      rule: "no-longterm-pin-of-fsdax",
      because: "the page is pinned for long, and the device could not go",
    },
    {
      change: "twin/munmap-frees-p2pdma",
      kernel: "v6.12",
      expect: "invariant",
      rule: "pooled-page-is-unused",
      because: "the page is in the pool while it is pinned",
    },
  ],
});
