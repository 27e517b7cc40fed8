// What a pin for reading gets: the page as it is, one of the process's own, or nothing ever.
import { describe, expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import type { Code } from "../../src/explore/access.ts";
import { VM_SHARED, VM_WRITE } from "../../src/kernel/include/linux/mm_types.ts";
import type { Kernel, KernelVersion } from "../../src/kernel/kernel.ts";
import { boot, isBlocked } from "../../src/kernel/sequential.ts";
import {
  addRam,
  createChild,
  createFile,
  createProcess,
  FIRST_RAM,
  mapFile,
  mountDax,
} from "../../src/kernel/setup.ts";

/** What a pin for reading of page 0 is of, after a program: `file`, `ram 1`, or that it goes on without end. */
function pinned(version: KernelVersion, program: (k: Kernel) => Code<unknown>): string {
  const machine = boot(version);
  const got = machine.run(function* (k) {
    yield* program(k);
    const pages = yield* k.pin_user_pages_fast(0, 1, 0);
    return typeof pages === "number" ? pages : (pages[0]?.pfn ?? null);
  });
  if (isBlocked(got)) return got.blocked;
  if (got === null || got < 0) return "nothing";
  expect(machine.counts(got).refcount).toBeGreaterThanOrEqual(1024);
  return got >= FIRST_RAM ? `ram ${got - FIRST_RAM}` : "file";
}

/** A child that has inherited the parent's copy of a page. */
function* inherited(k: Kernel): Code {
  yield* addRam(k, 3);
  const inode = yield* createFile(k, mountDax(k, 1), "file", 1);
  const parent = createProcess(k, "parent", 1);
  yield* mapFile(k, parent, inode, 0, 1, VM_WRITE);
  const child = yield* createChild(k, parent, "child");
  k.current.mm = parent;
  yield* k.touch(parent, 0, true);
  yield* k.dup_mmap(parent, child);
  k.current.mm = child;
}

/** A page of a block that two files have, seen through a mapping of one. */
const shared = (flags: number) =>
  function* (k: Kernel): Code {
    yield* addRam(k, 1);
    const sb = mountDax(k, 2, "xfs");
    const one = yield* createFile(k, sb, "one", 1);
    const two = yield* createFile(k, sb, "two", 1, 0);
    yield* k.vfs_clone_file_range(one, two, 1);
    const mm = createProcess(k, "mm", 1);
    yield* mapFile(k, mm, one, 0, 1, flags);
    k.current.mm = mm;
    yield* k.touch(mm, 0, false);
  };

const endless = "nothing: it goes on without end";
// Of a page that fork() has shared; of a page of two files, through a shared and a private mapping. v6.1 marks no page
// as shared that is only read.
const table: Readonly<Record<string, readonly [string, string | null, string | null]>> = {
  "v5.10": ["ram 0", null, null],
  "v5.18": ["ram 0", null, null],
  "v6.1": ["ram 1", "file", "file"],
  "v6.12": ["ram 1", endless, "ram 0"],
  "v6.15": ["ram 1", "file", "file"],
  "v7.2": ["ram 1", "file", "file"],
};

describe.each(kernels)("$release: a pin for reading is of", (version) => {
  const [ofFork, throughShared, throughPrivate] = table[version.release] ?? [];

  it(`${ofFork}, where fork() has shared the page`, () => {
    expect(pinned(version, inherited)).toBe(ofFork);
  });

  it.runIf(throughShared !== null)(`${throughShared}, where two files have the block`, () => {
    expect(pinned(version, shared(VM_SHARED | VM_WRITE))).toBe(throughShared);
  });

  it.runIf(throughPrivate !== null)(
    `${throughPrivate}, where two files have the block and the mapping is private`,
    () => {
      expect(pinned(version, shared(VM_WRITE))).toBe(throughPrivate);
    },
  );
});
