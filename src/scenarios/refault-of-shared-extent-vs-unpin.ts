import type { MmStruct, Page } from "../kernel/include/linux/mm_types.ts";
import {
  associationsCountEntries,
  mapcountCountsMappings,
  noWarning,
  referencesAddUp,
} from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { createProcess, mapFile } from "../kernel/setup.ts";
import { noReflink, pinPage } from "./furniture.ts";
import { reflinkedFiles } from "./reflinked-files.ts";

interface World {
  readonly other: MmStruct;
  readonly pages: readonly Page[];
}

export const refaultOfSharedExtentVsUnpin = scenario<World>({
  name: "refault-of-shared-extent-vs-unpin",
  question: "May another process fault on a page of a shared block while it is pinned?",
  claim:
    "A read fault on a shared block takes the page away from the file and gives it back, whoever uses it. " +
    "Our reading; a prediction, not yet seen on a kernel.",
  closed: "Nobody writes, nobody takes blocks away.",
  *setup(k) {
    const { one } = yield* reflinkedFiles(k);
    const mm = createProcess(k, "mm1", 1);
    yield* mapFile(k, mm, one, 0, 1);
    k.current.mm = mm;
    yield* k.touch(mm, 0, false);
    const pages = yield* pinPage(k, 0, 0);
    const other = createProcess(k, "mm2", 1);
    yield* mapFile(k, other, one, 0, 1);
    return { other, pages };
  },
  threads: {
    read: {
      title: "load by another process",
      cpu: 0,
      mm: ({ other }) => other,
      *run(k, { other }) {
        yield* k.touch(other, 0, false);
      },
    },
    unpin: {
      title: "unpin",
      cpu: 1,
      *run(k, { pages }) {
        yield* k.unpin_user_pages(pages);
      },
    },
  },
  invariants: [associationsCountEntries, mapcountCountsMappings, referencesAddUp, noWarning],
  expected: {
    "v5.18": noReflink,
    "v6.12": {
      verdict: "holds",
      because: "the words of the page are written again, and its count is not looked at",
    },
    "v7.2": {
      verdict: "invariant",
      because: "the folio leaves its file with the pin: the kernel warns; its count stays right",
    },
  },
});
