// Who works on an inode that somebody forgets meanwhile: XFS when it is told of bad memory, virtio-fs when it reclaims, and
// the flush of a freeze have a reference (igrab()), or pass it over.
import { describe, expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import type { Code } from "../../src/explore/access.ts";
import { explore } from "../../src/explore/explore.ts";
import type { FileSystemName, Inode } from "../../src/kernel/include/linux/fs.ts";
import { entryLockIsHeld, noMappingOfFreeBlock, noWarning } from "../../src/kernel/invariants.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import { programOf, scenario } from "../../src/kernel/scenario.ts";
import { boot } from "../../src/kernel/sequential.ts";
import {
  createFile,
  createProcess,
  FIRST_PFN,
  firstPage,
  mapFile,
  mountDax,
} from "../../src/kernel/setup.ts";

/** A file that was stored to, which nobody maps any more, and which has no name. */
function* storedFile(k: Kernel, type: FileSystemName): Code<Inode> {
  const freezes = type !== "fuse";
  const inode = yield* createFile(k, mountDax(k, 2, type, FIRST_PFN, { freezes }), "file", 1);
  const mm = createProcess(k, "mm", 1);
  const vma = yield* mapFile(k, mm, inode, 0, 1);
  yield* k.store(mm, 0);
  yield* k.munmap(vma);
  yield* k.vfs_unlink(inode);
  return inode;
}

const evictVs = (type: FileSystemName, other: (k: Kernel, inode: Inode) => Code<unknown>) =>
  scenario<{ readonly inode: Inode }>({
    name: "evict-vs-other",
    question: "Do both come to their end, and nothing goes wrong?",
    *setup(k) {
      return { inode: yield* storedFile(k, type) };
    },
    threads: {
      evict: {
        title: "evict",
        cpu: 0,
        *run(k, { inode }) {
          yield* k.evict(inode);
        },
      },
      other: {
        title: "other",
        cpu: 1,
        *run(k, { inode }) {
          yield* other(k, inode);
        },
      },
    },
    invariants: [noMappingOfFreeBlock, entryLockIsHeld, noWarning],
  });

const others: readonly {
  readonly name: string;
  readonly type: FileSystemName;
  readonly run: (k: Kernel, inode: Inode) => Code<unknown>;
  /** Does evict() of v6.15 warn there with nobody beside it? */
  readonly warnsOnV615?: boolean;
}[] = [
  { name: "memory failure on XFS", type: "xfs", run: (k) => k.memory_failure_dev_pagemap(firstPage(k).pfn) },
  { name: "a device that goes", type: "xfs", run: (k, { i_sb }) => k.kill_dax(i_sb) },
  {
    name: "reclaim on virtio-fs",
    type: "fuse",
    run: (k, inode) => k.lookup_and_reclaim_dmap(inode, 0, 1),
    warnsOnV615: true,
  },
  {
    name: "a freeze of ext4",
    type: "ext4",
    *run(k, { i_sb }) {
      yield* k.freeze_super(i_sb);
      yield* k.thaw_super(i_sb);
    },
  },
];

describe.each(others)("evict beside $name", ({ type, run, warnsOnV615 }) => {
  it.each(kernels)("$release", (version) => {
    const { verdict, search } = explore(programOf(evictVs(type, run), version));
    const warns = warnsOnV615 === true && version.release === "v6.15";
    expect([search.complete, verdict]).toEqual([true, warns ? "violation" : "holds"]);
  });
});

it.each(
  kernels.filter(({ release }) => !["v5.10", "v5.18"].includes(release)),
)("$release: XFS cannot tell an inode that has been forgotten", (version) => {
  const said = boot(version).run(function* (k) {
    const inode = yield* storedFile(k, "xfs");
    yield* k.evict(inode);
    return yield* k.xfs_dax_failure_fn(inode, 0, "");
  });
  expect(said).toBe(false);
});
