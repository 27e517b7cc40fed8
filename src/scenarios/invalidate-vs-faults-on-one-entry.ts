import type { Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import {
  associationsCountEntries,
  entryLockIsHeld,
  mapcountCountsMappings,
  referencesAddUp,
} from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { createProcess, mapFile } from "../kernel/setup.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly mm: MmStruct;
  readonly other: MmStruct;
}

export const invalidateVsFaultsOnOneEntry = scenario<World>({
  name: "invalidate-vs-faults-on-one-entry",
  question: "Is everybody who waits for the lock of an entry served?",
  claim:
    "An unlock wakes one waiter; a waiter that leaves the entry as it is must wake the next (comment of " +
    "get_unlocked_entry()).",
  closed: "The page is dirty, so that its invalidation leaves the entry.",
  *setup(k) {
    const { inode, mm } = yield* mappedFile(k, "ext4", 1);
    yield* k.store(mm, 0);
    yield* k.unmap_mapping_pages(inode.i_mapping, 0, 1);
    const other = createProcess(k, "other", 1);
    yield* mapFile(k, other, inode, 0, 1);
    return { inode, mm, other };
  },
  threads: {
    one: {
      title: "load",
      cpu: 0,
      mm: ({ mm }) => mm,
      *run(k, { mm }) {
        yield* k.touch(mm, 0, false);
      },
    },
    two: {
      title: "load by another process",
      cpu: 1,
      mm: ({ other }) => other,
      *run(k, { other }) {
        yield* k.touch(other, 0, false);
      },
    },
    invalidate: {
      title: "invalidate",
      cpu: 2,
      *run(k, { inode }) {
        yield* k.dax_invalidate_mapping_entry_sync(inode.i_mapping, 0);
      },
    },
  },
  invariants: [entryLockIsHeld, associationsCountEntries, mapcountCountsMappings, referencesAddUp],
  expected: {
    "v5.10": { verdict: "holds", because: "who does not take the entry wakes the next" },
    "v5.18": { verdict: "holds", because: "who does not take the entry wakes the next" },
    "v6.1": { verdict: "holds", because: "who does not take the entry wakes the next" },
    "v6.12": { verdict: "holds", because: "who does not take the entry wakes the next" },
    "v6.15": { verdict: "holds", because: "who does not take the entry wakes the next" },
    "v7.2": { verdict: "holds", because: "who does not take the entry wakes the next" },
  },
  twins: [
    {
      change: "twin/entry-wakeup-is-not-passed-on",
      kernel: "v6.12",
      expect: "lost-exclusive-wakeup",
      rule: "entry-waiter-is-served",
      because: "the invalidation is woken, leaves the dirty entry, and the other fault sleeps on",
    },
    {
      change: "twin/entry-wakeup-is-not-passed-on",
      kernel: "v7.2",
      expect: "lost-exclusive-wakeup",
      rule: "entry-waiter-is-served",
      because: "the invalidation is woken, leaves the dirty entry, and the other fault sleeps on",
    },
  ],
});
