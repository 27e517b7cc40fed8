import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import {
  associationsCountEntries,
  entryLockIsHeld,
  noWarning,
  referencesAddUp,
} from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { createProcess, mapFile } from "../kernel/setup.ts";
import { reflinkedFiles } from "./reflinked-files.ts";

interface World {
  readonly mmOne: MmStruct;
  readonly mmTwo: MmStruct;
}

export const twoFilesFaultOnSharedExtent = scenario<World>({
  name: "two-files-fault-on-shared-extent",
  question: "Is the number of files that share a page right if two of them fault on it at once?",
  claim:
    "The lock of an entry is that of one file; nothing serialises two files that count in the same page. Our " +
    "reading; a prediction, not yet seen on a kernel.",
  closed: "Nobody writes, nobody takes blocks away.",
  *setup(k) {
    const { one, two } = yield* reflinkedFiles(k);
    const mmOne = createProcess(k, "mm1", 1);
    yield* mapFile(k, mmOne, one, 0, 1);
    const mmTwo = createProcess(k, "mm2", 1);
    yield* mapFile(k, mmTwo, two, 0, 1);
    return { mmOne, mmTwo };
  },
  threads: {
    one: {
      title: "load from one file",
      cpu: 0,
      mm: ({ mmOne }) => mmOne,
      *run(k, { mmOne }) {
        yield* k.touch(mmOne, 0, false);
      },
    },
    two: {
      title: "load from the other",
      cpu: 1,
      mm: ({ mmTwo }) => mmTwo,
      *run(k, { mmTwo }) {
        yield* k.touch(mmTwo, 0, false);
      },
    },
  },
  invariants: [entryLockIsHeld, associationsCountEntries, referencesAddUp, noWarning],
  expected: {
    "v6.1": {
      verdict: "invariant",
      rule: "no-warning",
      because: "a read does not count as shared: the second file overwrites the association with the first",
    },
    "v6.12": {
      verdict: "invariant",
      rule: "associations-count-entries",
      because: "share is read and written in two steps by both, and one is lost",
    },
    "v6.15": {
      verdict: "invariant",
      rule: "associations-count-entries",
      because: "both find the folio without a mapping, and the second overwrites the first",
    },
    "v7.2": {
      verdict: "invariant",
      rule: "associations-count-entries",
      because: "both find the folio without a mapping, and the second overwrites the first",
    },
  },
});
