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
    "the punch hole finds no entry, but flushes because the munmap has not yet (mm_tlb_flush_nested()); a file that " +
    "nobody maps has been flushed",
};
const counted: Expectation = {
  verdict: "holds",
  because: "the reference of the cleared entry falls after the flush, and the punch hole waits for it",
};

export const staleStoreVsPunchHole = scenario<World>({
  name: "stale-store-vs-punch-hole",
  question:
    "Can a store through a translation that a CPU has cached reach a block that the file has given back?",
  claim:
    "The scheme rests on unmapping, with the flush that it implies, and not on a count of 0 (Oct 2021, " +
    "reference/threads/003).",
  closed:
    "The file forgets a mapping only after its TLB flush, as on arm64. On x86 munmap() unlinks it before: " +
    "unlinked-mapping-vs-punch-hole.",
  *setup(k) {
    const { inode, mm, vma } = yield* mappedFile(k, "ext4", 1);
    yield* k.touch(mm, 0, true);
    const tlb = yield* cacheTranslation(k, mm, 0);
    return { inode, vma, tlb };
  },
  threads: {
    punch: {
      title: "punch hole",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.ext4_punch_hole(inode, 0, 1);
      },
    },
    munmap: {
      title: "munmap",
      cpu: 1,
      mm: ({ vma }) => vma.vm_mm,
      *run(k, { vma }) {
        yield* k.munmap(vma);
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
      because: "the count is 0 before the flush of the munmap; the block is freed, and the store reaches it",
    },
    {
      change: "twin/flush-forgets-nested",
      kernel: "v6.12",
      expect: "invariant",
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
