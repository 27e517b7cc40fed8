import { pfn } from "../base/brand.ts";
import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import { badPageIsNotMapped, noWarning, referencesAddUp } from "../kernel/invariants.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { createDevDax, createProcess, FIRST_DEV_DAX_PFN, mapFile } from "../kernel/setup.ts";

interface World {
  readonly mm: MmStruct;
}

const roundedDown: Expectation = {
  verdict: "holds",
  because: "whichever page is touched first, index is that of the first page of the entry",
};

const roundedUp: Expectation = {
  verdict: "invariant",
  rule: "bad-page-is-not-mapped",
  because:
    "the first fault was in the middle of the entry, and dax_set_mapping() rounds its address up: index is that of the next " +
    "entry. If that is there, it goes in place of the bad one; if not, nothing does",
};

export const memoryFailureVsLoadOfDeviceDax = scenario<World>({
  name: "memory-failure-vs-load-of-device-dax",
  question: "Does memory failure take the bad huge page of a DAX device away, or the next one?",
  claim:
    "With a wrong index in its folio, memory failure looks for a page elsewhere (changelog of device-dax: correct pgoff " +
    "align in dax_set_mapping()).",
  closed:
    "The process has touched the second page of the first huge page, and then nothing else. It meets the failure there.",
  geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
  *setup(k) {
    const inode = yield* createDevDax(k, "dax0.0", 4, 2);
    const mm = createProcess(k, "mm", 4);
    yield* mapFile(k, mm, inode, 0, 4);
    yield* k.touch(mm, 1, false);
    return { mm };
  },
  threads: {
    failure: {
      title: "memory failure",
      cpu: 0,
      mm: ({ mm }) => mm,
      *run(k) {
        yield* k.memory_failure_dev_pagemap(pfn(FIRST_DEV_DAX_PFN + 1));
      },
    },
    load: {
      title: "load from the next huge page",
      cpu: 1,
      mm: ({ mm }) => mm,
      *run(k, { mm }) {
        yield* k.touch(mm, 2, false);
      },
    },
  },
  invariants: [badPageIsNotMapped, referencesAddUp, noWarning],
  expected: {
    "v5.10": roundedDown,
    "v5.18": roundedUp,
    "v6.1": roundedUp,
    "v6.1+device-dax-pgoff": roundedDown,
    "v6.12": roundedDown,
    "v6.15": roundedDown,
    "v7.2": roundedDown,
  },
  twins: [
    {
      change: "twin/unmap-leaves-entries",
      kernel: "v7.2",
      expect: "invariant",
      rule: "bad-page-is-not-mapped",
      because: "the process is found, and what it maps stays",
    },
    {
      change: "twin/failure-asks-for-head",
      kernel: "v7.2",
      expect: "survives",
      because: "who maps a page of a DAX device's folio maps its head, by the same entry",
    },
  ],
});
