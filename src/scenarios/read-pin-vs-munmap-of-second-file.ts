import type { MmStruct, Page, VmArea } from "../kernel/include/linux/mm_types.ts";
import { noPinOnFreeBlock, noWarning, referencesAddUp } from "../kernel/invariants.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { createProcess, mapFile } from "../kernel/setup.ts";
import { reflinkedFiles } from "./reflinked-files.ts";

interface World {
  readonly mm: MmStruct;
  readonly other: VmArea;
}

const goesRound: Expectation = {
  verdict: "livelock",
  rule: "gup-returns",
  because:
    "the mark of a shared page is the bit that says anonymous, so gup_must_unshare() asks for a page of its own " +
    "(v5.19); the mapping is shared, so the fault makes nothing of it, and GUP asks again",
};

const pins: Expectation = {
  verdict: "holds",
  because: "a shared page has no mapping, and counts its files instead (fs/dax: properly refcount, v6.15)",
};

export const readPinVsMunmapOfSecondFile = scenario<World>({
  name: "read-pin-vs-munmap-of-second-file",
  question: "Can a page be pinned for reading whose block two files have?",
  claim:
    "PAGE_MAPPING_DAX_SHARED should not look like PAGE_MAPPING_ANON to anybody who asks (the series that took the mark away).",
  closed: "Nobody stores to the page, and both files keep the block; the second one is only unmapped.",
  *setup(k) {
    const { one, two } = yield* reflinkedFiles(k);
    const mm = createProcess(k, "mm", 1);
    const second = createProcess(k, "second", 1);
    yield* mapFile(k, mm, one, 0, 1);
    const other = yield* mapFile(k, second, two, 0, 1);
    yield* k.touch(mm, 0, false);
    yield* k.touch(second, 0, false);
    return { mm, other };
  },
  threads: {
    pin: {
      title: "pin for reading",
      cpu: 0,
      mm: ({ mm }) => mm,
      *run(k) {
        const pages: readonly Page[] | number = yield* k.pin_user_pages_fast(0, 1, 0);
        if (typeof pages !== "number") yield* k.unpin_user_pages(pages);
      },
    },
    munmap: {
      title: "munmap of the second file",
      cpu: 1,
      *run(k, { other }) {
        yield* k.munmap(other);
      },
    },
  },
  invariants: [noPinOnFreeBlock, referencesAddUp, noWarning],
  expected: {
    "v6.1": {
      verdict: "invariant",
      rule: "no-warning",
      because:
        "a read does not count as shared: the kernel warns of the second file already while setup maps it, before any " +
        "thread runs",
    },
    "v6.12": goesRound,
    "v6.15": pins,
    "v7.2": pins,
  },
  twins: [
    {
      change: "twin/unshare-page-of-no-file",
      kernel: "v7.2",
      expect: "livelock",
      rule: "gup-returns",
      because: "a page that two files have has no mapping, and must not be taken for an anonymous one either",
    },
  ],
});
