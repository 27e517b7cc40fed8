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

export const unpinVsEvictOfSharedExtent = scenario<World>({
  name: "unpin-vs-evict-of-shared-extent",
  question:
    "Can a file be removed after the last reference is dropped while another file maps the same block?",
  claim:
    "Eviction waits for the page as break-layouts does, and no signal ends that wait. Seen on 7.2.13 with " +
    "XFS: the process that closed the file stayed in state D.",
  closed: "Nobody munmaps the other file, nobody touches a page again.",
  *setup(k) {
    const { one, two } = yield* reflinkedFiles(k);
    const mmOne = createProcess(k, "mm1", 1);
    const vma = yield* mapFile(k, mmOne, one, 0, 1);
    yield* k.touch(mmOne, 0, false);
    yield* k.munmap(vma);
    const mmTwo = createProcess(k, "mm2", 1);
    yield* mapFile(k, mmTwo, two, 0, 1);
    k.current.mm = mmTwo;
    yield* k.touch(mmTwo, 0, false);
    const pages = yield* holdPage(k, 0);
    yield* k.vfs_unlink(one);
    return { one, pages };
  },
  threads: {
    close: {
      title: "close of the removed file",
      cpu: 0,
      *run(k, { one }) {
        yield* k.evict(one);
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
    "v6.12": {
      verdict: "invariant",
      rule: "no-warning",
      because:
        "eviction does not wait, and warns that a truncated page is referenced, though the block stays with the other file",
    },
    "v6.15": {
      verdict: "stuck-wait",
      rule: "evict-returns",
      because: "the wait is for 0, and the mapping of the other file keeps 1",
    },
    "v7.2": {
      verdict: "stuck-wait",
      rule: "evict-returns",
      because: "the wait is for 0, and the mapping of the other file keeps 1. No fix known",
    },
  },
});
