import type { Inode } from "../kernel/include/linux/fs.ts";
import type { Page } from "../kernel/include/linux/mm_types.ts";
import { noWarning, referencesAddUp } from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { createProcess, mapFile } from "../kernel/setup.ts";
import { dropPages, holdPage } from "./furniture.ts";
import { reflinkedFiles } from "./reflinked-files.ts";

interface World {
  readonly one: Inode;
  readonly pages: readonly Page[];
}

export const unpinVsPunchOfSharedExtent = scenario<World>({
  name: "unpin-vs-punch-of-shared-extent",
  question: "Does a punch hole end after the last reference is dropped if another file maps the same block?",
  claim:
    "Break-layouts unmaps its own file only; the mapping of the other file holds a reference that no put " +
    "drops. Seen on 7.2.13 with XFS.",
  closed: "Nobody munmaps the other file, nobody touches a page again, no signal arrives.",
  *setup(k) {
    const { one, two } = yield* reflinkedFiles(k);
    const mmOne = createProcess(k, "mm1", 1);
    yield* mapFile(k, mmOne, one, 0, 1);
    yield* k.touch(mmOne, 0, false);
    const mmTwo = createProcess(k, "mm2", 1);
    yield* mapFile(k, mmTwo, two, 0, 1);
    k.current.mm = mmTwo;
    yield* k.touch(mmTwo, 0, false);
    return { one, pages: yield* holdPage(k, 0) };
  },
  threads: {
    punch: {
      title: "punch hole in one file",
      cpu: 0,
      *run(k, { one }) {
        yield* k.xfs_file_fallocate(one, "punch-hole", 0, 1);
      },
    },
    unpin: {
      title: "put of a reference",
      cpu: 1,
      *run(k, { pages }) {
        yield* dropPages(k, pages);
      },
    },
  },
  invariants: [referencesAddUp, noWarning],
  expected: {
    "v6.1": {
      verdict: "invariant",
      rule: "no-warning",
      because:
        "the second file to read finds the page associated with the first: the kernel warns, already while setup maps " +
        "the second file, before any thread runs. A recording of 6.1 has it",
    },
    "v6.12": { verdict: "holds", because: "idle is 1, mapped or not, and the last put wakes" },
    "v6.15": {
      verdict: "stuck-wait",
      rule: "layout-break-returns",
      because: "the wait is for 0, and the mapping of the other file keeps 1",
    },
    "v7.2": {
      verdict: "stuck-wait",
      rule: "layout-break-returns",
      because: "the wait is for 0, and the mapping of the other file keeps 1. No fix known",
    },
  },
});
