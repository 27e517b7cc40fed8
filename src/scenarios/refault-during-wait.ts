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

export const refaultDuringWait = scenario<PinnedFile>({
  name: "refault-during-wait",
  question: "Does a punch hole end after the last unpin if the page was touched again while it waited?",
  claim:
    "Nothing keeps a fault from mapping the page again while break-layouts sleeps without " +
    "invalidate_lock; a mapping then holds a reference that no unpin drops.",
  closed: "Nobody munmaps, no signal arrives.",
  *setup(k) {
    return yield* pinnedFile(k, 2);
  },
  threads: {
    punch: punchHole,
    unpin,
    touch: {
      title: "touch",
      cpu: 2,
      mm: ({ mm }) => mm,
      *run(k, { mm }) {
        yield* k.touch(mm, 0, true);
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
    "v5.10": { verdict: "holds", because: "idle is 1, mapped or not, and put_page() wakes" },
    "v5.18": pinDroppedWithoutHook,
    "v5.18+fsdax-wakeup/folio-put": { verdict: "holds", because: "idle is 1, mapped or not" },
    "v5.18+fsdax-wakeup/gup-put": { verdict: "holds", because: "idle is 1, mapped or not" },
    "v6.1": { verdict: "holds", because: "idle is 1, mapped or not, and the last unpin wakes" },
    "v6.12": { verdict: "holds", because: "idle is 1, mapped or not, and the last unpin wakes" },
    "v6.15": {
      verdict: "stuck-wait",
      rule: "layout-break-returns",
      because:
        "the wait is for 0, and the new mapping keeps 1. Before the series a mapping held no reference",
    },
    "v7.2": {
      verdict: "stuck-wait",
      rule: "layout-break-returns",
      because:
        "the wait is for 0, and the new mapping keeps 1; recordings of 7.2.13 on ext4 and XFS show it. No fix known",
    },
    "v7.2+stuck-wait/wake-on-every-put": {
      verdict: "stuck-wait",
      rule: "layout-break-returns",
      because:
        "the unpin comes first and wakes; the page is mapped again before the lock is; the count is 1 again",
    },
    "v7.2+stuck-wait/no-external-reference": {
      verdict: "holds",
      because: "a mapping that came back does not count, and the put that leaves nothing else wakes",
    },
    "v7.2+stuck-wait/rescan-after-each-wake": {
      verdict: "holds",
      because:
        "after each put the file is unmapped again, so that the count falls to 0 when the last user is gone",
    },
  },
  twins: [
    {
      change: "twin/poll-instead-of-sleep",
      kernel: "v7.2",
      expect: "livelock",
      rule: "layout-break-returns",
      because: "what was a wait without end is a loop without end: the new mapping keeps the count at 1",
    },
    {
      change: "twin/poll-instead-of-sleep",
      kernel: "v6.12",
      expect: "survives",
      because: "the loop ends with the last unpin, and whoever unpins gets a turn",
    },
  ],
});
