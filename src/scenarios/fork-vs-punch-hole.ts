import type { Inode } from "../kernel/include/linux/fs.ts";
import { type MmStruct, type Page, VM_WRITE } from "../kernel/include/linux/mm_types.ts";
import {
  chargesAddUp,
  mapcountCountsMappings,
  noMappingOfFreeBlock,
  noPinOnFreeBlock,
  noWarning,
  referencesAddUp,
  rssCountsMappings,
} from "../kernel/invariants.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { addRam, createChild, createFile, createProcess, mapFile, mountDax } from "../kernel/setup.ts";
import { pinDroppedWithoutHook } from "./expectations.ts";
import { pinPage } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly parent: MmStruct;
  readonly child: MmStruct;
  readonly pages: readonly Page[];
}

const holds: Expectation = {
  verdict: "holds",
  because: "the file learns of the child's mapping after the parent's, and before entries are copied to it",
};

export const forkVsPunchHole = scenario<World>({
  name: "fork-vs-punch-hole",
  question: "Can a child inherit the mapping of a page that is being punched out?",
  claim:
    "Truncation walks the mappings of a file from the parent to the child, and fork() copies in that order (our reading " +
    "of dup_mmap()); counts need not enter into it.",
  closed:
    "Nobody touches the page again. The mapping is private, and has a page of its own beside, so that it is copied.",
  *setup(k) {
    const sb = mountDax(k, 2);
    yield* addRam(k, 2);
    const inode = yield* createFile(k, sb, "file", 2);
    const parent = createProcess(k, "parent", 2);
    yield* mapFile(k, parent, inode, 0, 2, VM_WRITE);
    const child = yield* createChild(k, parent, "child");
    k.current.mm = parent;
    yield* k.touch(parent, 0, false);
    yield* k.touch(parent, 1, true);
    const pages = yield* pinPage(k, 0, 0);
    return { inode, parent, child, pages };
  },
  threads: {
    punch: {
      title: "punch hole",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.ext4_punch_hole(inode, 0, 1);
      },
    },
    fork: {
      title: "fork",
      cpu: 1,
      mm: ({ parent }) => parent,
      *run(k, { parent, child }) {
        yield* k.dup_mmap(parent, child);
      },
    },
    unpin: {
      title: "unpin",
      cpu: 2,
      *run(k, { pages }) {
        yield* k.unpin_user_pages(pages);
      },
    },
  },
  invariants: [
    noPinOnFreeBlock,
    noMappingOfFreeBlock,
    mapcountCountsMappings,
    rssCountsMappings,
    chargesAddUp,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": holds,
    "v5.18": pinDroppedWithoutHook,
    "v6.1": holds,
    "v6.12": holds,
    "v6.15": holds,
    "v7.2": holds,
  },
  twins: [
    {
      change: "twin/child-is-linked-late",
      kernel: "v6.12",
      expect: "invariant",
      rule: "no-mapping-of-free-block",
      because:
        "the punch hole does not see the child's mapping, and the child has the entry when the block is free",
    },
    {
      change: "twin/free-uncharges-always",
      kernel: "v7.2",
      expect: "invariant",
      rule: "charges-add-up",
      because: "a page of a file, which nobody was charged with, is freed",
    },
  ],
});
