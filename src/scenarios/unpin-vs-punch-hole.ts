import {
  noMappingOfFreeBlock,
  noPinOnFreeBlock,
  noWarning,
  referencedFolioStaysInFile,
  referencesAddUp,
} from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { pinDroppedWithoutHook } from "./expectations.ts";
import { type PinnedFile, pinnedFile, punchHole, unpin } from "./pinned-file.ts";

export const unpinVsPunchHole = scenario<PinnedFile>({
  name: "unpin-vs-punch-hole",
  question: "Does the last unpin wake a punch hole that waits for it?",
  claim:
    "Pins of FS-DAX pages are dropped through a folio put that does not see 2 -> 1, so a waiter in " +
    "break-layouts misses its wakeup (songmuchun, July 2022, reference/threads/004).",
  closed: "Nobody munmaps, nobody touches the page again, no signal arrives.",
  *setup(k) {
    return yield* pinnedFile(k, 1);
  },
  threads: {
    punch: punchHole,
    unpin,
  },
  invariants: [
    referencedFolioStaysInFile,
    noPinOnFreeBlock,
    noMappingOfFreeBlock,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": { verdict: "holds", because: "the last unit of a pin is dropped with put_page(), which wakes" },
    "v5.18": pinDroppedWithoutHook,
    "v5.18+fsdax-wakeup/folio-put": { verdict: "holds", because: "folio_put() itself looks for 2 -> 1" },
    "v5.18+fsdax-wakeup/gup-put": { verdict: "holds", because: "gup_put_folio() goes through the hook" },
    "v6.1": { verdict: "holds", because: "fixed in v5.19: mm: fix missing wake-up event for FSDAX pages" },
    "v6.12": { verdict: "holds", because: "fixed in v5.19: mm: fix missing wake-up event for FSDAX pages" },
    "v6.15": {
      verdict: "holds",
      because: "the last put reaches 0 and frees, and freeing wakes",
    },
    "v7.2": { verdict: "holds", because: "the last put reaches 0 and frees, and freeing wakes" },
  },
  twins: [
    {
      change: "twin/hook-tests-zero",
      kernel: "v6.12",
      expect: "missed-wakeup",
      rule: "layout-break-returns",
      because: "the count goes from 1025 to 1 and never to 0",
    },
    {
      change: "twin/free-does-not-wake",
      kernel: "v7.2",
      expect: "missed-wakeup",
      rule: "layout-break-returns",
      because: "the count reaches 0, and nobody is told",
    },
    {
      change: "twin/check-before-enqueue",
      kernel: "v6.12",
      expect: "missed-wakeup",
      rule: "layout-break-returns",
      because: "the unpin comes between the look at the count and the joining of the queue",
    },
    {
      change: "twin/check-before-enqueue",
      kernel: "v7.2",
      expect: "missed-wakeup",
      rule: "layout-break-returns",
      because: "the unpin comes between the look at the count and the joining of the queue",
    },
    {
      change: "twin/unpin-takes-inode-lock",
      kernel: "v6.12",
      expect: "deadlock",
      rule: "unpin-returns",
      because: "the punch hole holds the lock while it waits for the unpin",
    },
    {
      change: "twin/unpin-takes-inode-lock",
      kernel: "v7.2",
      expect: "deadlock",
      rule: "unpin-returns",
      because: "the punch hole holds the lock while it waits for the unpin",
    },
    {
      change: "twin/busy-ignores-pins",
      kernel: "v6.12",
      expect: "invariant",
      rule: "no-pin-on-free-block",
      because: "the block is freed while the pin is held",
    },
    {
      change: "twin/sleep-with-invalidate-lock",
      kernel: "v6.12",
      expect: "survives",
      because: "nobody else takes invalidate_lock; refault-during-wait has somebody who does",
    },
    {
      change: "twin/skip-pte-recheck",
      kernel: "v6.12",
      expect: "survives",
      because: "the page is pinned before the threads start; truncate-vs-gup-fast pins while they run",
    },
  ],
});
