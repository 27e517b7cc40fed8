import type { Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct, VmArea } from "../kernel/include/linux/mm_types.ts";
import {
  noMappingOfFreeBlock,
  noPinOnFreeBlock,
  noWarning,
  referencedFolioStaysInFile,
  referencesAddUp,
} from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { createProcess, mapFile } from "../kernel/setup.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly vma: VmArea;
  readonly other: MmStruct;
}

export const dontneedAndTouchVsPunchHole = scenario<World>({
  name: "dontneed-and-touch-vs-punch-hole",
  question: "May a punch hole wait for ever though nobody has pinned the page, nor ever did?",
  claim:
    "MADV_DONTNEED lowers the mapcount under the page-table lock and drops the reference after it; in between the page " +
    "looks busy, and a mapping that comes then keeps it so. Our reading of dax_busy_page() and zap_pte_range() in v6.15 " +
    "and v7.2; a prediction, not yet seen on a kernel.",
  closed: "Nobody munmaps, no signal arrives.",
  *setup(k) {
    const { inode, mm, vma } = yield* mappedFile(k, "ext4", 1);
    yield* k.touch(mm, 0, true);
    const other = createProcess(k, "mm2", 1);
    yield* mapFile(k, other, inode, 0, 1);
    return { inode, vma, other };
  },
  threads: {
    punch: {
      title: "punch hole",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.ext4_punch_hole(inode, 0, 1);
      },
    },
    dontneed: {
      title: "MADV_DONTNEED",
      cpu: 1,
      mm: ({ vma }) => vma.vm_mm,
      *run(k, { vma }) {
        yield* k.madvise_dontneed_single_vma(vma, 0, 1);
      },
    },
    touch: {
      title: "touch by another",
      cpu: 2,
      mm: ({ other }) => other,
      *run(k, { other }) {
        yield* k.touch(other, 0, false);
      },
    },
  },
  invariants: [
    referencedFolioStaysInFile,
    noPinOnFreeBlock,
    noMappingOfFreeBlock,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": { verdict: "holds", because: "a mapping holds no reference" },
    "v5.18": { verdict: "holds", because: "a mapping holds no reference" },
    "v6.1": { verdict: "holds", because: "a mapping holds no reference" },
    "v6.12": { verdict: "holds", because: "a mapping holds no reference" },
    "v6.15": {
      verdict: "stuck-wait",
      rule: "layout-break-returns",
      because:
        "dax_page_is_idle() is a count of 0; the put of MADV_DONTNEED leaves 1, that of the new mapping, and wakes nobody",
    },
    "v7.2": {
      verdict: "stuck-wait",
      rule: "layout-break-returns",
      because: "as v6.15, whose dax_break_layout() and dax_page_is_idle() it has still. No fix known",
    },
    "v7.2+stuck-wait/wake-on-every-put": {
      verdict: "stuck-wait",
      rule: "layout-break-returns",
      because: "the put wakes; the count is 1, and not what is waited for",
    },
    "v7.2+stuck-wait/no-external-reference": {
      verdict: "holds",
      because: "what is left after the put is a mapping, which does not count",
    },
    "v7.2+stuck-wait/rescan-after-each-wake": {
      verdict: "holds",
      because: "the put wakes, and the new mapping is taken away again",
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
      change: "twin/poll-instead-of-sleep",
      kernel: "v7.2",
      expect: "livelock",
      rule: "layout-break-returns",
      because: "what was a wait without end is a loop without end: the new mapping keeps the count at 1",
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
