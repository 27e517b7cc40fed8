import type { MmStruct, VmArea } from "../kernel/include/linux/mm_types.ts";
import { noWarning, pgmapIsValid, referencesAddUp } from "../kernel/invariants.ts";
import { FOLL_WRITE } from "../kernel/mm/gup-flags.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { createDevDax, createProcess, mapFile } from "../kernel/setup.ts";

interface World {
  readonly mm: MmStruct;
  readonly vma: VmArea;
}

const doesNotAsk: Expectation = {
  verdict: "holds",
  because: "GUP does not ask whether a page is memory of a PCI device",
};

export const munmapVsPgmapOfTail = scenario<World>({
  name: "munmap-vs-pgmap-of-tail",
  question: "Does GUP without locks find the pgmap of a page in the middle of a folio?",
  claim:
    "Bit 0 of the first word tells a tail, and the pgmap lies in that word, so only the head is to be asked (Jan " +
    "2025, reference/threads/001).",
  closed: "The caller gives up where the kernel would fall back to the slow path. Nobody kills the device.",
  geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
  *setup(k) {
    const inode = yield* createDevDax(k, "dax0.0", 2, 2);
    const mm = createProcess(k, "mm", 2);
    const vma = yield* mapFile(k, mm, inode, 0, 2);
    yield* k.touch(mm, 0, true);
    return { mm, vma };
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
      title: "gup of the second page",
      cpu: 1,
      mm: ({ mm }) => mm,
      *run(k) {
        const pages = yield* k.pin_user_pages_fast_only(1, 1, FOLL_WRITE);
        if (typeof pages !== "number") yield* k.unpin_user_pages(pages);
      },
    },
  },
  invariants: [pgmapIsValid, referencesAddUp, noWarning],
  expected: {
    "v5.10": doesNotAsk,
    "v5.18": doesNotAsk,
    "v6.1": doesNotAsk,
    "v6.12": {
      verdict: "invariant",
      rule: "pgmap-is-valid",
      because:
        "is_pci_p2pdma_page() of v6.2 to v6.14 follows the link of the tail to its head as a pgmap, and reads a type out of " +
        "the struct pages there. On x86-64 that is a part of `private` of the first tail, 0 and no type: right by luck",
    },
    "v6.15": { verdict: "holds", because: "page_pgmap() asks the head" },
    "v7.2": { verdict: "holds", because: "page_pgmap() asks the head" },
  },
  twins: [
    {
      change: "twin/pgmap-of-tail",
      kernel: "v7.2",
      expect: "invariant",
      rule: "pgmap-is-valid",
      because: "the page itself is asked, which is a tail",
    },
    {
      change: "twin/pgmap-of-tail",
      kernel: "v6.15",
      expect: "survives",
      because: "GUP without locks stops at the special entry, and the slow path asks the head",
    },
  ],
});
