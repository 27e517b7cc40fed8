import type { Inode } from "../kernel/include/linux/fs.ts";
import type { Page } from "../kernel/include/linux/mm_types.ts";
import {
  associationsCountEntries,
  entryLockIsHeld,
  noMappingOfFreeBlock,
  noWarning,
  referencesAddUp,
} from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { firstPage } from "../kernel/setup.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly page: Page;
}

export const memoryFailureVsPunchHole = scenario<World>({
  name: "memory-failure-vs-punch-hole",
  question: "Does memory failure find the file of a bad page while the page is taken away from it?",
  claim: "The page's mapping is looked at again under the lock of the file's entries (fs/dax.c).",
  closed: "ext4 is not told of failures, so the page itself must say of its file.",
  *setup(k) {
    const { inode, mm } = yield* mappedFile(k, "ext4", 1);
    yield* k.touch(mm, 0, true);
    return { inode, page: firstPage(k) };
  },
  threads: {
    failure: {
      title: "memory failure",
      cpu: 0,
      *run(k, { page }) {
        yield* k.memory_failure_dev_pagemap(page.pfn);
      },
    },
    punch: {
      title: "punch hole",
      cpu: 1,
      *run(k, { inode }) {
        yield* k.ext4_punch_hole(inode, 0, 1);
      },
    },
  },
  invariants: [entryLockIsHeld, associationsCountEntries, noMappingOfFreeBlock, referencesAddUp, noWarning],
  expected: {
    "v5.10": { verdict: "holds", because: "the entry stays locked until the page is unmapped" },
    "v5.18": { verdict: "holds", because: "the entry stays locked until the page is unmapped" },
    "v6.1": { verdict: "holds", because: "the entry stays locked until the page is unmapped" },
    "v6.12": { verdict: "holds", because: "the entry stays locked until the page is unmapped" },
    "v6.15": {
      verdict: "invariant",
      rule: "no-warning",
      because:
        "break-layouts waits for the locked entry and then passes over it; truncation finds it, and warns. Fixed in v6.16",
    },
    "v7.2": { verdict: "holds", because: "the entry stays locked until the page is unmapped" },
  },
  twins: [
    {
      change: "twin/entry-lock-is-ignored",
      kernel: "v6.12",
      expect: "invariant",
      rule: "entry-lock-is-held",
      because: "the hole takes the entry away that memory failure has locked",
    },
    {
      change: "twin/entry-goes-without-its-page",
      kernel: "v6.12",
      expect: "invariant",
      rule: "associations-count-entries",
      because: "the page says of an entry that has gone",
    },
    {
      change: "twin/lock-folio-looks-once",
      kernel: "v6.12",
      expect: "assertion",
      rule: "no-lock-of-missing-entry",
      because: "the entry has gone between the look at the page and the lock of the entries",
    },
    {
      change: "twin/lock-folio-looks-once",
      kernel: "v7.2",
      expect: "assertion",
      rule: "no-lock-of-missing-entry",
      because: "the entry has gone between the look at the page and the lock of the entries",
    },
  ],
});
