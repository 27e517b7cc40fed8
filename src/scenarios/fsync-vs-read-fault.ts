import { fail } from "../explore/access.ts";
import type { Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct, Page } from "../kernel/include/linux/mm_types.ts";
import { entryLockIsHeld, noWarning, referencesAddUp, unflushedPageIsDirty } from "../kernel/invariants.ts";
import { READ_ONCE } from "../kernel/lib/atomic.ts";
import { scenario } from "../kernel/scenario.ts";
import { createProcess, firstPage, mapFile } from "../kernel/setup.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly page: Page;
  readonly other: MmStruct;
}

export const fsyncVsReadFault = scenario<World>({
  name: "fsync-vs-read-fault",
  question: "Is a page flushed when fsync() returns, if another process faults on it meanwhile?",
  claim:
    "dax_writeback_one() looks for a locked entry again with an iterator that stands on it already, which " +
    "finds nothing; the scan of break-layouts had the same fault until v6.15. Our reading; a prediction, " +
    "not yet seen on a kernel.",
  closed: "A power cut matters only where CPU caches are lost in it.",
  *setup(k) {
    const { inode, mm } = yield* mappedFile(k, "ext4", 1);
    yield* k.store(mm, 0);
    const other = createProcess(k, "other", 1);
    yield* mapFile(k, other, inode, 0, 1);
    return { inode, page: firstPage(k), other };
  },
  threads: {
    fsync: {
      title: "fsync",
      cpu: 0,
      *run(k, { inode, page }) {
        yield* k.vfs_fsync(inode);
        if (yield* READ_ONCE(page.unflushed)) {
          fail(
            "fsync-flushes-what-was-stored",
            "fsync() has returned, and what was stored before it is not flushed",
          );
        }
      },
    },
    read: {
      title: "load by another process",
      cpu: 1,
      mm: ({ other }) => other,
      *run(k, { other }) {
        yield* k.touch(other, 0, false);
      },
    },
  },
  invariants: [entryLockIsHeld, unflushedPageIsDirty, referencesAddUp, noWarning],
  expected: {
    "v5.10": {
      verdict: "assertion",
      rule: "fsync-flushes-what-was-stored",
      because: "the entry is locked by the fault, and passed over",
    },
    "v5.18": {
      verdict: "assertion",
      rule: "fsync-flushes-what-was-stored",
      because: "the entry is locked by the fault, and passed over",
    },
    "v6.1": {
      verdict: "assertion",
      rule: "fsync-flushes-what-was-stored",
      because: "the entry is locked by the fault, and passed over",
    },
    "v6.12": {
      verdict: "assertion",
      rule: "fsync-flushes-what-was-stored",
      because: "the entry is locked by the fault, and passed over",
    },
    "v6.15": {
      verdict: "assertion",
      rule: "fsync-flushes-what-was-stored",
      because: "the entry is locked by the fault, and passed over",
    },
    "v7.2": {
      verdict: "assertion",
      rule: "fsync-flushes-what-was-stored",
      because: "the entry is locked by the fault, and passed over. No fix known",
    },
  },
  twins: [
    {
      change: "twin/writeback-ignores-entry-lock",
      kernel: "v6.12",
      expect: "invariant",
      rule: "entry-lock-is-held",
      because: "fsync() takes the entry over that the fault has locked, and unlocks it under the fault",
    },
    {
      change: "twin/writeback-ignores-entry-lock",
      kernel: "v7.2",
      expect: "invariant",
      rule: "entry-lock-is-held",
      because: "fsync() takes the entry over that the fault has locked, and unlocks it under the fault",
    },
  ],
});
