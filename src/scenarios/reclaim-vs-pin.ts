import type { Inode } from "../kernel/include/linux/fs.ts";
import type { Page } from "../kernel/include/linux/mm_types.ts";
import { noMappingOfFreeBlock, noPinOnFreeBlock, noWarning, referencesAddUp } from "../kernel/invariants.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { mappedFile, pinPage } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly pages: readonly Page[];
}

const waits: Expectation = {
  verdict: "holds",
  because: "it names both ends of its range, and waits for the pin; nobody maps the page again",
};

export const reclaimVsPin = scenario<World>({
  name: "reclaim-vs-pin",
  question: "Does virtio-fs wait for a pin before it takes a page of its window away from a file?",
  claim:
    "fuse_dax_break_layouts() was wrong for the whole file (changelog of its fix); lookup_and_reclaim_dmap() calls it for " +
    "a range. Our reading.",
  closed: "Nobody touches the file again, and somebody has it mapped. No signal arrives.",
  *setup(k) {
    const { inode, mm } = yield* mappedFile(k, "fuse", 2);
    yield* k.touch(mm, 1, true);
    return { inode, pages: yield* pinPage(k, 1) };
  },
  threads: {
    reclaim: {
      title: "reclaim of a range",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.lookup_and_reclaim_dmap(inode, 1, 2);
      },
    },
    unpin: {
      title: "unpin",
      cpu: 1,
      *run(k, { pages }) {
        yield* k.unpin_user_pages(pages);
      },
    },
  },
  invariants: [noPinOnFreeBlock, noMappingOfFreeBlock, referencesAddUp, noWarning],
  expected: {
    "v5.10": waits,
    "v5.18": {
      verdict: "missed-wakeup",
      rule: "layout-break-returns",
      because: "gup_put_folio() drops the pin without the hook",
    },
    "v6.1": waits,
    "v6.12": waits,
    "v6.15": waits,
    "v7.2": waits,
  },
  twins: [
    {
      change: "twin/busy-ignores-pins",
      kernel: "v6.12",
      expect: "invariant",
      rule: "no-pin-on-free-block",
      because: "the page of the window is free while it is pinned",
    },
    {
      change: "twin/unmap-leaves-entries",
      kernel: "v6.12",
      expect: "invariant",
      rule: "no-mapping-of-free-block",
      because: "the page of the window is free while it is mapped",
    },
  ],
});
