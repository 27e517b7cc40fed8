import type { Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import {
  associationsCountEntries,
  entryLockIsHeld,
  mapcountCountsMappings,
  referencesAddUp,
} from "../kernel/invariants.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly mm: MmStruct;
}

const invalidate = (cpu: number) => ({
  title: "invalidate",
  cpu,
  *run(k: Kernel, { inode }: World) {
    yield* k.dax_invalidate_mapping_entry_sync(inode.i_mapping, 0);
  },
});

const wakesAll: Expectation = {
  verdict: "holds",
  because: "dax: Wake up all waiters after invalidating dax entry (v5.13)",
};

export const threeInvalidationsVsFault = scenario<World>({
  name: "three-invalidations-vs-fault",
  question: "Is everybody who waits for an entry woken when it is gone?",
  claim:
    "With several invalidate_inode_pages2() at once, waiters may sleep that nobody wakes (changelog of dax: Wake up all " +
    "waiters after invalidating dax entry, seen with virtio-fs).",
  closed:
    "The page is read, not written. That from v6.15 on a page leaves its file while it is mapped is not looked at here " +
    "(referenced-folio-stays-in-file, in write-into-hole-vs-read-fault): it would end executions in which somebody is still to be woken.",
  *setup(k) {
    const { inode, mm } = yield* mappedFile(k, "ext4", 1);
    return { inode, mm };
  },
  threads: {
    fault: {
      title: "load",
      cpu: 0,
      mm: ({ mm }) => mm,
      *run(k, { mm }) {
        yield* k.touch(mm, 0, false);
      },
    },
    one: invalidate(1),
    two: invalidate(2),
    three: invalidate(3),
  },
  invariants: [entryLockIsHeld, associationsCountEntries, mapcountCountsMappings, referencesAddUp],
  expected: {
    "v5.10": {
      verdict: "lost-exclusive-wakeup",
      rule: "entry-waiter-is-served",
      because:
        "the fault wakes the first, which removes the entry and wakes the second, which finds none and wakes nobody",
    },
    "v5.18": wakesAll,
    "v6.1": wakesAll,
    "v6.12": wakesAll,
    "v6.15": wakesAll,
    "v7.2": wakesAll,
  },
  twins: [
    {
      change: "twin/entry-wakeup-is-not-passed-on",
      kernel: "v6.12",
      expect: "lost-exclusive-wakeup",
      rule: "entry-waiter-is-served",
      because: "the first removes the entry, and wakes nobody",
    },
  ],
});
