import { pfn } from "../base/brand.ts";
import { pfn_to_page } from "../kernel/include/linux/mm.ts";
import type { MmStruct, Page, VmArea } from "../kernel/include/linux/mm_types.ts";
import { badPageIsNotMapped, entryLockIsHeld, noWarning, referencesAddUp } from "../kernel/invariants.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { createProcess, firstPage, mapFile } from "../kernel/setup.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly huge: VmArea;
  readonly small: MmStruct;
  readonly bad: Page;
}

const itself: Expectation = {
  verdict: "holds",
  because: "each page of FS-DAX says its own index, and who maps that page is found",
};

const headOnly: Expectation = {
  verdict: "invariant",
  rule: "bad-page-is-not-mapped",
  because:
    "mf_generic_kill_procs() asks collect_procs() who maps the head of the folio. The process that met the failure does " +
    "not: nothing is unmapped, nobody killed, 0 returned",
};

const askedForPage: Expectation = {
  verdict: "holds",
  because: "the process maps the page that is looked for",
};

export const munmapVsMemoryFailureOfTail = scenario<World>({
  name: "munmap-vs-memory-failure-of-tail",
  question: "Does a process lose the bad page that it has met, if that lies in the middle of a folio?",
  claim:
    "That FS-DAX pages are each one of their own, as the comment before mf_generic_kill_procs() says of them still in " +
    "v7.2, ended with v6.15: a huge entry makes a folio. Our reading; `pagelife lab run munmap-vs-memory-failure-of-tail` " +
    "sees it on 7.2: 0 returned, and the page mapped as before. 6.12 unmaps it.",
  closed:
    "The process that meets the failure maps the second page of the file alone, another one both by a huge entry. ext4 " +
    "is not told of failures; XFS with rmapbt is, and looks for the page of the file.",
  geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
  *setup(k) {
    const { inode, mm, vma } = yield* mappedFile(k, "ext4", 2);
    yield* k.touch(mm, 0, true);
    const small = createProcess(k, "small", 1);
    yield* mapFile(k, small, inode, 0, 1, undefined, 1);
    yield* k.touch(small, 0, false);
    return { huge: vma, small, bad: pfn_to_page(k, pfn(firstPage(k).pfn + 1)) };
  },
  threads: {
    munmap: {
      title: "munmap of the huge entry",
      cpu: 0,
      mm: ({ huge }) => huge.vm_mm,
      *run(k, { huge }) {
        yield* k.munmap(huge);
      },
    },
    failure: {
      title: "memory failure",
      cpu: 1,
      mm: ({ small }) => small,
      *run(k, { bad }) {
        yield* k.memory_failure_dev_pagemap(bad.pfn);
      },
    },
  },
  invariants: [badPageIsNotMapped, entryLockIsHeld, referencesAddUp, noWarning],
  expected: {
    "v5.10": itself,
    "v5.18": itself,
    "v6.1": itself,
    "v6.12": itself,
    "v6.15": headOnly,
    "v7.2": headOnly,
    "v6.15+failure-of-tail": askedForPage,
    "v7.2+failure-of-tail": askedForPage,
  },
  twins: [
    {
      change: "twin/failure-asks-for-head",
      kernel: "v6.12",
      expect: "invariant",
      rule: "bad-page-is-not-mapped",
      because: "the process that met the failure does not map the first page",
    },
  ],
});
