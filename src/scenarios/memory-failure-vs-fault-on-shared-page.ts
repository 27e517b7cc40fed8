import type { Code } from "../explore/access.ts";
import type { MmStruct, Page } from "../kernel/include/linux/mm_types.ts";
import { noWarning, referencesAddUp } from "../kernel/invariants.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { type Expectation, type ScenarioThread, scenario } from "../kernel/scenario.ts";
import { createProcess, firstPage, mapFile } from "../kernel/setup.ts";
import { reflinkedFiles } from "./reflinked-files.ts";

interface World {
  readonly mm: MmStruct;
  readonly page: Page;
}

/** A process maps one of two files that share a block, and has touched nothing. */
function* mappedShared(k: Kernel): Code<World> {
  const { one } = yield* reflinkedFiles(k);
  const mm = createProcess(k, "mm", 1);
  yield* mapFile(k, mm, one, 0, 1);
  return { mm, page: firstPage(k) };
}

const failure: ScenarioThread<World> = {
  title: "memory failure",
  cpu: 0,
  *run(k, { page }) {
    yield* k.memory_failure_dev_pagemap(page.pfn);
  },
};

const touch = (write: boolean): ScenarioThread<World> => ({
  title: write ? "store" : "load",
  cpu: 1,
  mm: ({ mm }) => mm,
  *run(k, { mm }) {
    yield* k.touch(mm, 0, write);
  },
});

const claim =
  "XFS walks the reverse map with the AGF locked, and waits for the entry of each page there; a fault has the entry " +
  "locked, and asks whether others have the block, for which it waits for the AGF. Found by reading " +
  "xfs_dax_notify_failure() and xfs_reflink_find_shared(), and by search; nobody has seen it on a machine.";
const closed =
  "Memory fails while nobody has touched the page yet; the first fault on it comes at the same time.";
const both = "each waits for what the other has locked: the AGF, and the entry";
const deadlock: Expectation = { verdict: "deadlock", rule: "entry-waiter-is-served", because: both };
const dropped: Expectation = {
  verdict: "holds",
  because: "nothing is waited for while the AGF is locked",
};

export const memoryFailureVsWriteFaultOnSharedPage = scenario<World>({
  name: "memory-failure-vs-write-fault-on-shared-page",
  question: "Do memory failure and a write fault on a page that two files have both come to their end?",
  claim,
  closed,
  setup: mappedShared,
  threads: { failure, store: touch(true) },
  invariants: [referencesAddUp, noWarning],
  expected: {
    "v6.1": deadlock,
    "v6.12": deadlock,
    "v6.15": deadlock,
    "v7.2": deadlock,
    "v6.1+xfs-notify-without-agf": dropped,
    "v7.2+xfs-notify-without-agf": dropped,
  },
  twins: [
    {
      change: "twin/entry-unlock-wakes-nobody",
      kernel: "v7.2+xfs-notify-without-agf",
      expect: "missed-wakeup",
      rule: "entry-waiter-is-served",
      because: "who comes second waits for an entry that nobody has locked any more",
    },
  ],
});

export const memoryFailureVsReadFaultOnSharedPage = scenario<World>({
  name: "memory-failure-vs-read-fault-on-shared-page",
  question: "Do memory failure and a read fault on a page that two files have both come to their end?",
  claim,
  closed,
  setup: mappedShared,
  threads: { failure, load: touch(false) },
  invariants: [referencesAddUp, noWarning],
  expected: {
    "v6.1": { verdict: "holds", because: "a read does not ask whether others have the block" },
    "v6.12": {
      verdict: "deadlock",
      rule: "entry-waiter-is-served",
      because: `since v6.2 reads ask, too; ${both}`,
    },
    "v6.15": deadlock,
    "v7.2": deadlock,
    "v7.2+xfs-notify-without-agf": dropped,
  },
  twins: [
    {
      change: "twin/reads-ask-who-shares",
      kernel: "v6.1",
      expect: "deadlock",
      rule: "entry-waiter-is-served",
      because: "with that question of v6.2 a read waits for the AGF, too",
    },
  ],
});
