import type { VmArea } from "../kernel/include/linux/mm_types.ts";
import {
  mapcountCountsMappings,
  mapcountWithinCount,
  mappedPageIsReferenced,
  noWarning,
  referencesAddUp,
  rssCountsMappings,
} from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { createProcess, mapFile } from "../kernel/setup.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly a: VmArea;
  readonly b: VmArea;
}

export const munmapVsMunmap = scenario<World>({
  name: "munmap-vs-munmap",
  question:
    "Do counts, mapcounts and the sizes of processes add up when two map a page and one takes a reference?",
  claim:
    "Neither insert_pfn() nor insert_page() raises the count of a device page (Nov 2020, reference/threads/000): " +
    "insert_page() does, and zapping must then lower it.",
  *setup(k) {
    const { inode, mm, vma } = yield* mappedFile(k, "ext4", 1);
    const other = createProcess(k, "other", 1);
    const second = yield* mapFile(k, other, inode, 0, 1);
    yield* k.touch(mm, 0, true);
    return { a: vma, b: second };
  },
  threads: {
    first: {
      title: "get, munmap",
      cpu: 0,
      mm: ({ a }) => a.vm_mm,
      *run(k, { a }) {
        const pages = yield* k.get_user_pages_fast(0, 1, 0);
        yield* k.munmap(a);
        if (typeof pages !== "number") for (const page of pages) yield* k.put_user_page(page);
      },
    },
    second: {
      title: "touch, munmap",
      cpu: 1,
      mm: ({ b }) => b.vm_mm,
      *run(k, { b }) {
        yield* k.touch(b.vm_mm, 0, false);
        yield* k.munmap(b);
      },
    },
  },
  invariants: [
    mappedPageIsReferenced,
    mapcountWithinCount,
    mapcountCountsMappings,
    rssCountsMappings,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": { verdict: "holds", because: "mappings count for nothing; only the get raises the count, to 2" },
    "v5.18": { verdict: "holds", because: "mappings count for nothing; only the get raises the count, to 2" },
    "v5.18+fsdax-no-extra-reference": {
      verdict: "invariant",
      rule: "mapped-page-is-referenced",
      because:
        "an idle page has a count of 0, and the mapping adds nothing: a page with no reference is mapped",
    },
    "v6.1": { verdict: "holds", because: "mappings count for nothing; only the get raises the count, to 2" },
    "v6.12": { verdict: "holds", because: "mappings count for nothing; only the get raises the count, to 2" },
    "v6.15": {
      verdict: "holds",
      because: "each mapping adds a reference, and zapping drops it: 0, 2, 0",
    },
    "v7.2": { verdict: "holds", because: "each mapping adds a reference, and zapping drops it: 0, 2, 0" },
  },
  twins: [
    {
      change: "twin/insert-page-one-based",
      kernel: "v6.12",
      expect: "invariant",
      rule: "mapcount-counts-mappings",
      because: "the special entry hides the page from the zap, which never drops what the insertion took",
    },
    {
      change: "twin/insert-without-mapcount",
      kernel: "v7.2",
      expect: "invariant",
      rule: "mapcount-counts-mappings",
      because: "the zap lowers a mapcount that was never raised",
    },
    {
      change: "twin/zap-keeps-rss",
      kernel: "v7.2",
      expect: "invariant",
      rule: "rss-counts-mappings",
      because: "the size of the process does not come back to 0",
    },
    {
      change: "twin/drop-before-rmap",
      kernel: "v7.2",
      expect: "invariant",
      rule: "mapcount-within-count",
      because: "between the two steps more mappings are counted than references",
    },
  ],
});
