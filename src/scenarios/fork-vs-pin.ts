import { type MmStruct, VM_WRITE } from "../kernel/include/linux/mm_types.ts";
import { noWarning, pinnedAnonPageIsExclusive, rssCountsMappings } from "../kernel/invariants.ts";
import { FOLL_WRITE } from "../kernel/mm/gup-flags.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { addRam, createChild, createFile, createProcess, mapFile, mountDax } from "../kernel/setup.ts";

interface World {
  readonly parent: MmStruct;
  readonly child: MmStruct;
}

const looksForFork: Expectation = {
  verdict: "holds",
  because: "mm/gup: prevent gup_fast from racing with COW during fork (v5.11)",
};

export const forkVsPin = scenario<World>({
  name: "fork-vs-pin",
  question: "Does fork() leave a page to its owner that is being pinned without locks?",
  claim:
    "GUP without locks may pin a page after fork() has looked for pins (changelog of mm/gup: prevent gup_fast from racing with COW during fork).",
  closed:
    "The page is a private copy of a page of a DAX file. The caller gives up where the kernel would fall back to the slow path.",
  *setup(k) {
    const sb = mountDax(k, 1);
    yield* addRam(k, 2);
    const inode = yield* createFile(k, sb, "file", 1);
    const parent = createProcess(k, "parent", 1);
    yield* mapFile(k, parent, inode, 0, 1, VM_WRITE);
    const child = yield* createChild(k, parent, "child");
    k.current.mm = parent;
    yield* k.touch(parent, 0, true);
    return { parent, child };
  },
  threads: {
    fork: {
      title: "fork",
      cpu: 0,
      mm: ({ parent }) => parent,
      *run(k, { parent, child }) {
        yield* k.dup_mmap(parent, child);
      },
    },
    pin: {
      title: "pin by another thread of the parent",
      cpu: 1,
      mm: ({ parent }) => parent,
      *run(k) {
        yield* k.pin_user_pages_fast_only(0, 1, FOLL_WRITE);
      },
    },
  },
  invariants: [pinnedAnonPageIsExclusive, rssCountsMappings, noWarning],
  expected: {
    "v5.10": {
      verdict: "invariant",
      rule: "pinned-anon-page-is-exclusive",
      because:
        "the pin comes between the look for pins and the loss of the right to write: the next store goes to a copy, " +
        "since the page has more than one reference (do_wp_page())",
    },
    "v5.18": looksForFork,
    "v6.1": looksForFork,
    "v6.12": looksForFork,
    "v6.15": looksForFork,
    "v7.2": looksForFork,
  },
  twins: [
    {
      change: "twin/gup-ignores-fork",
      kernel: "v7.2",
      expect: "invariant",
      rule: "pinned-anon-page-is-exclusive",
      because:
        "as in v5.10: the page becomes shared between the look for pins and the loss of the right to write",
    },
    {
      change: "twin/gup-ignores-fork",
      kernel: "v5.18",
      expect: "invariant",
      rule: "pinned-anon-page-is-exclusive",
      because:
        "as in v5.10: the pinned page has lost the right to write, and with more than one reference it is copied",
    },
  ],
});
