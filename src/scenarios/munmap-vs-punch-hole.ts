import type { Inode } from "../kernel/include/linux/fs.ts";
import type { VmArea } from "../kernel/include/linux/mm_types.ts";
import {
  mapcountWithinCount,
  noMappingOfFreeBlock,
  noPinOnFreeBlock,
  noWarning,
  referencedFolioStaysInFile,
  referencesAddUp,
} from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly vma: VmArea;
}

export const munmapVsPunchHole = scenario<World>({
  name: "munmap-vs-punch-hole",
  question: "Is a page busy while a munmap has cleared its entry and not yet dropped the reference?",
  claim:
    "Our reading of dax_busy_page() in v7.2: between the fall of the mapcount and the put, the count is one more " +
    "than the mapcount, though nobody uses the page.",
  closed: "Nobody pins, nobody touches the page again.",
  *setup(k) {
    const { inode, mm, vma } = yield* mappedFile(k, "ext4", 1);
    yield* k.touch(mm, 0, true);
    return { inode, vma };
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
  },
  invariants: [
    referencedFolioStaysInFile,
    noPinOnFreeBlock,
    noMappingOfFreeBlock,
    mapcountWithinCount,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": { verdict: "holds", because: "a mapping holds no reference" },
    "v5.18": { verdict: "holds", because: "a mapping holds no reference" },
    "v6.1": { verdict: "holds", because: "a mapping holds no reference" },
    "v6.12": { verdict: "holds", because: "a mapping holds no reference" },
    "v6.15": {
      verdict: "holds",
      because: "it looks busy for a moment, and the put of the munmap wakes who waits",
    },
    "v7.2": {
      verdict: "holds",
      because: "it looks busy for a moment, and the put of the munmap wakes who waits",
    },
  },
  twins: [
    {
      change: "twin/rmap-after-unlock",
      kernel: "v7.2",
      expect: "invariant",
      rule: "referenced-folio-stays-in-file",
      because:
        "count and mapcount are both 1 when the page is looked at; the block goes while the put is to come",
    },
    {
      change: "twin/free-does-not-wake",
      kernel: "v7.2",
      expect: "missed-wakeup",
      rule: "layout-break-returns",
      because: "the punch hole waits for the put of the munmap, and is not told",
    },
    {
      change: "twin/unmap-leaves-entries",
      kernel: "v6.12",
      expect: "invariant",
      rule: "no-mapping-of-free-block",
      because: "the page counts as idle though it is mapped, and its block is freed",
    },
  ],
});
