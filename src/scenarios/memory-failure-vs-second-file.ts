import type { MmStruct, Page } from "../kernel/include/linux/mm_types.ts";
import { entryLockIsHeld, noWarning, referencesAddUp } from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { createFile, createProcess, firstPage, mapFile, mountDax } from "../kernel/setup.ts";

interface World {
  readonly mmTwo: MmStruct;
  readonly page: Page;
}

export const memoryFailureVsSecondFile = scenario<World>({
  name: "memory-failure-vs-second-file",
  question: "May a second file map a shared block while memory failure asks its page for its file?",
  claim:
    "Without a reverse map XFS cannot be asked, and the page of a shared block cannot tell. Our reading; a " +
    "prediction, not yet seen on a kernel.",
  closed: "XFS was made without rmapbt.",
  *setup(k) {
    const sb = mountDax(k, 2, "xfs", undefined, { rmapbt: false });
    const one = yield* createFile(k, sb, "one", 1);
    const two = yield* createFile(k, sb, "two", 1, 0);
    yield* k.vfs_clone_file_range(one, two, 1);
    const mmOne = createProcess(k, "mm1", 1);
    yield* mapFile(k, mmOne, one, 0, 1);
    yield* k.touch(mmOne, 0, false);
    const mmTwo = createProcess(k, "mm2", 1);
    yield* mapFile(k, mmTwo, two, 0, 1);
    return { mmTwo, page: firstPage(k) };
  },
  threads: {
    failure: {
      title: "memory failure",
      cpu: 0,
      *run(k, { page }) {
        yield* k.memory_failure_dev_pagemap(page.pfn);
      },
    },
    read: {
      title: "load from the second file",
      cpu: 1,
      mm: ({ mmTwo }) => mmTwo,
      *run(k, { mmTwo }) {
        yield* k.touch(mmTwo, 0, false);
      },
    },
  },
  invariants: [entryLockIsHeld, referencesAddUp, noWarning],
  expected: {
    "v6.1": {
      verdict: "invariant",
      rule: "no-warning",
      because: "the second file to read finds the page associated with the first: the kernel warns",
    },
    "v6.12": {
      verdict: "assertion",
      rule: "no-dereference-of-a-mark",
      because: "dax_lock_folio() takes PAGE_MAPPING_DAX_SHARED, which is 1, for a pointer",
    },
    "v6.15": {
      verdict: "invariant",
      rule: "entry-lock-is-held",
      because:
        "the second file takes the mapping off the folio and puts a number of files where the index was, meanwhile",
    },
    "v7.2": {
      verdict: "invariant",
      rule: "entry-lock-is-held",
      because:
        "the second file takes the mapping off the folio and puts a number of files where the index was, meanwhile",
    },
  },
});
