import type { Code } from "../explore/access.ts";
import type { Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct, Page } from "../kernel/include/linux/mm_types.ts";
import {
  countNotBelowIdle,
  heldPageIsReferenced,
  noMappingOfFreeBlock,
  noPinOnFreeBlock,
  noWarning,
  pinsArePutAsTaken,
  referencedFolioStaysInFile,
  referencesAddUp,
} from "../kernel/invariants.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { pinDroppedWithoutHook } from "./expectations.ts";
import { mappedFile, pinPage } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly mm: MmStruct;
  readonly first: readonly Page[];
  readonly second: readonly Page[];
}

function* setup(k: Kernel): Code<World> {
  const { inode, mm } = yield* mappedFile(k, "ext4", 1);
  yield* k.touch(mm, 0, true);
  const first = yield* pinPage(k, 0);
  const second = yield* pinPage(k, 0);
  return { inode, mm, first, second };
}

const punch = {
  title: "punch hole",
  cpu: 0,
  *run(k: Kernel, { inode }: World): Code {
    yield* k.ext4_punch_hole(inode, 0, 1);
  },
};

const hookSees: Expectation = {
  verdict: "holds",
  because: "whoever drops the last pin sees 1, in the step that makes it 1, and wakes",
};

export const twoUnpinnersVsPunchHole = scenario<World>({
  name: "two-unpinners-vs-punch-hole",
  question: "If two pins are dropped at once, is a punch hole that waits for both woken?",
  claim:
    "Each of two who drop pins may think that the other is the last (July 2022, reference/threads/004, about " +
    "dropping in two steps).",
  closed: "Nobody munmaps, nobody touches the page again, no signal arrives.",
  setup,
  threads: {
    punch,
    first: {
      title: "unpin",
      cpu: 1,
      mm: ({ mm }) => mm,
      *run(k, { first }) {
        yield* k.unpin_user_pages(first);
      },
    },
    second: {
      title: "unpin",
      cpu: 2,
      mm: ({ mm }) => mm,
      *run(k, { second }) {
        yield* k.unpin_user_pages(second);
      },
    },
  },
  invariants: [
    referencedFolioStaysInFile,
    pinsArePutAsTaken,
    countNotBelowIdle,
    heldPageIsReferenced,
    noPinOnFreeBlock,
    noMappingOfFreeBlock,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": {
      verdict: "holds",
      because: "each keeps one unit for put_page(), and only the last of these sees 1",
    },
    "v5.18": pinDroppedWithoutHook,
    "v5.18+fsdax-wakeup/folio-put": {
      verdict: "holds",
      because: "each keeps one unit for its last step, and only the last of these sees 1",
    },
    "v5.18+fsdax-wakeup/gup-put": hookSees,
    "v6.1": hookSees,
    "v6.12": hookSees,
    "v6.15": {
      verdict: "holds",
      because: "the last put reaches 0 and frees, and freeing wakes",
    },
    "v7.2": { verdict: "holds", because: "the last put reaches 0 and frees, and freeing wakes" },
  },
  twins: [
    {
      change: "twin/unpin-drops-twice",
      kernel: "v6.12",
      expect: "invariant",
      rule: "held-page-is-referenced",
      because: "the first who unpins takes the reference of the second",
    },
    {
      change: "twin/unpin-drops-twice",
      kernel: "v7.2",
      expect: "invariant",
      rule: "held-page-is-referenced",
      because: "the first who unpins takes the reference of the second",
    },
    {
      change: "twin/hook-reads-after-sub",
      kernel: "v6.12",
      expect: "survives",
      because:
        "both may see 1 and wake; that neither does cannot be, since the last one reads after all have dropped",
    },
    {
      change: "twin/hook-tests-zero",
      kernel: "v6.12",
      expect: "missed-wakeup",
      rule: "layout-break-returns",
      because: "the count goes from 2049 to 1 and never to 0",
    },
    {
      change: "twin/undo-without-hook",
      kernel: "v6.12",
      expect: "survives",
      because:
        "a one-based FS-DAX page is never part of a compound, so that its head never changes under GUP",
    },
  ],
});

export const releasePagesVsPunchHole = scenario<World>({
  name: "release-pages-vs-punch-hole",
  question: "Does the last reference wake a punch hole if it is dropped in a batch, with release_pages()?",
  claim:
    "release_pages() of v4.20 to v5.2 put device pages past the hook (June 2019, on the gating of the hook; fixed " +
    "in v5.3).",
  closed: "Nobody munmaps, nobody touches the page again, no signal arrives.",
  *setup(k) {
    const { inode, mm } = yield* mappedFile(k, "ext4", 1);
    yield* k.touch(mm, 0, true);
    const pages = yield* k.get_user_pages_fast(0, 1, 0);
    return { inode, mm, first: typeof pages === "number" ? [] : pages, second: [] };
  },
  threads: {
    punch,
    release: {
      title: "release_pages",
      cpu: 1,
      *run(k, { first }) {
        for (const page of first) yield* k.user_is_done(page);
        yield* k.release_pages(first);
      },
    },
  },
  invariants: [
    referencedFolioStaysInFile,
    pinsArePutAsTaken,
    countNotBelowIdle,
    heldPageIsReferenced,
    noPinOnFreeBlock,
    noMappingOfFreeBlock,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": { verdict: "holds", because: "release_pages() asks the hook for each page of device memory" },
    "v5.18": { verdict: "holds", because: "release_pages() asks the hook for each page of device memory" },
    "v6.1": { verdict: "holds", because: "release_pages() asks the hook for each page of device memory" },
    "v6.12": { verdict: "holds", because: "release_pages() asks the hook for each page of device memory" },
    "v6.15": {
      verdict: "holds",
      because: "the last put reaches 0 and frees, and freeing wakes",
    },
    "v7.2": { verdict: "holds", because: "the last put reaches 0 and frees, and freeing wakes" },
  },
  twins: [
    {
      change: "twin/release-pages-without-hook",
      kernel: "v5.10",
      expect: "missed-wakeup",
      rule: "layout-break-returns",
      because: "the count goes from 2 to 1 unseen",
    },
    {
      change: "twin/release-pages-without-hook",
      kernel: "v7.2",
      expect: "survives",
      because: "that is what v7.2 does: no hook is needed where an idle page has no reference",
    },
  ],
});
