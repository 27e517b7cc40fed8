import type { Inode } from "../kernel/include/linux/fs.ts";
import type { VmArea } from "../kernel/include/linux/mm_types.ts";
import {
  mapcountCountsMappings,
  mapcountWithinCount,
  noMappingOfFreeBlock,
  noWarning,
  pgmapIsValid,
  referencedFolioStaysInFile,
  referencesAddUp,
  rssCountsMappings,
} from "../kernel/invariants.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly vma: VmArea;
}

const uncounted: Expectation = { verdict: "holds", because: "a mapping holds no reference" };

const looksIdle =
  "the entry is gone, count and mapcount are both 1 still, and a zap that finds no entry does not wait for the lock " +
  "under which the mapcount falls: the folio is taken apart, and its blocks go, while the munmap has yet to drop both " +
  "counts and flush the TLB. Our prediction from the source, not seen on a machine";

const busyMeanwhile: Expectation = {
  verdict: "holds",
  because:
    "the mapcount has fallen when the zap returns: the folio is busy until the munmap drops its reference",
};

const lastPut: Expectation = {
  verdict: "invariant",
  rule: "pgmap-is-valid",
  because:
    "the folio is busy until the munmap drops its reference; but the put that drops it looks for the pgmap afterwards, " +
    "when the folio may be taken apart already, and warns where word 0 is 0 for a moment. Our prediction from the " +
    "source, not seen on a machine",
};

export const munmapVsPunchHoleOfHugePage = scenario<World>({
  name: "munmap-vs-punch-hole-of-huge-page",
  question: "Is a huge page busy while a munmap has cleared its PMD entry and not yet dropped its counts?",
  claim:
    "Our reading of zap_pmd_range() from v6.15 to v7.2; a prediction not yet seen on a kernel. A zap that finds no " +
    "PMD entry waits for the PMD lock only where it is about one folio (details->single_folio); break-layouts unmaps " +
    "a range. A split of the entry has the same gap: stale-store-vs-split-of-huge-page. At the level of PTEs, every zap " +
    "of a table takes its lock.",
  closed: "Nobody pins, nobody touches the page again.",
  geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
  *setup(k) {
    const { inode, mm, vma } = yield* mappedFile(k, "ext4", 2);
    yield* k.touch(mm, 0, true);
    return { inode, vma };
  },
  threads: {
    punch: {
      title: "punch hole",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.ext4_punch_hole(inode, 0, 2);
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
    pgmapIsValid,
    noMappingOfFreeBlock,
    mapcountWithinCount,
    mapcountCountsMappings,
    rssCountsMappings,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": uncounted,
    "v5.18": uncounted,
    "v6.1": uncounted,
    "v6.12": uncounted,
    "v6.15": { verdict: "invariant", rule: "referenced-folio-stays-in-file", because: looksIdle },
    "v6.15+zap-waits-for-pmd-lock": lastPut,
    "v6.15+zap-waits-for-pmd-lock+dax-reset-keeps-pgmap": busyMeanwhile,
    "v7.2": { verdict: "invariant", rule: "referenced-folio-stays-in-file", because: looksIdle },
    "v7.2+zap-waits-for-pmd-lock": lastPut,
    "v7.2+zap-waits-for-pmd-lock+dax-reset-keeps-pgmap": busyMeanwhile,
  },
  twins: [
    {
      change: "twin/unmap-leaves-entries",
      kernel: "v6.12",
      expect: "invariant",
      rule: "no-mapping-of-free-block",
      because: "the pages count as idle though they are mapped, and their blocks are freed",
    },
  ],
});
