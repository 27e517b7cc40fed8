import type { Inode } from "../kernel/include/linux/fs.ts";
import type { VmArea } from "../kernel/include/linux/mm_types.ts";
import {
  mapcountCountsMappings,
  noMappingOfFreeBlock,
  noPinOnFreeBlock,
  noWarning,
  referencesAddUp,
  rssCountsMappings,
} from "../kernel/invariants.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly vma: VmArea;
}

const flagsOnly: Expectation = {
  verdict: "holds",
  because: "they set flags, read counts under the page-table lock, and keep nothing",
};

export const bystandersVsPunchHole = scenario<World>({
  name: "bystanders-vs-punch-hole",
  question: "Do those who mark a device page accessed or dirty, or count it for /proc, disturb its life?",
  claim:
    "mark_page_accessed() and set_page_dirty() may have side effects on DAX pages once they are not passed over as " +
    "reserved (Dec 2018, reference/threads/002).",
  closed: "Nobody munmaps, nobody touches the page again.",
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
    guest: {
      title: "get, mark",
      cpu: 1,
      mm: ({ vma }) => vma.vm_mm,
      *run(k) {
        const pages = yield* k.get_user_pages_fast_only(0, 1, 0);
        for (const page of pages) {
          yield* k.folio_mark_accessed(page.folio);
          yield* k.set_page_dirty_lock(page);
          yield* k.put_user_page(page);
        }
      },
    },
    smaps: {
      title: "smaps",
      cpu: 2,
      *run(k, { vma }) {
        yield* k.smap_gather_stats(vma);
      },
    },
  },
  invariants: [
    noPinOnFreeBlock,
    noMappingOfFreeBlock,
    mapcountCountsMappings,
    rssCountsMappings,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": flagsOnly,
    "v5.18": {
      verdict: "missed-wakeup",
      rule: "layout-break-returns",
      because:
        "a get without locks that finds its entry gone gives the reference back with gup_put_folio(), without the hook " +
        "that sees a one-based page become idle; the marks themselves do no harm",
    },
    "v5.18+fsdax-wakeup/gup-put": flagsOnly,
    "v6.1": flagsOnly,
    "v6.12": flagsOnly,
    "v6.15": flagsOnly,
    "v7.2": flagsOnly,
  },
});
