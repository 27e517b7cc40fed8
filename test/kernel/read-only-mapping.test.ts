// A shared mapping that may not be written through, of a file that was opened for reading only, or for both: do_mmap()
// takes VM_SHARED and VM_MAYWRITE away in the first case, and no program can tell.

import { expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import { EFAULT } from "../../src/kernel/include/asm-generic/errno-base.ts";
import { VM_SHARED } from "../../src/kernel/include/linux/mm_types.ts";
import { FOLL_WRITE } from "../../src/kernel/mm/gup-flags.ts";
import { boot } from "../../src/kernel/sequential.ts";
import {
  createChild,
  createFile,
  createProcess,
  FIRST_PFN,
  mapFile,
  mountDax,
} from "../../src/kernel/setup.ts";

it.each(kernels)("$release: read, and not stored to", (version) => {
  const { run, counts, warning } = boot(version);
  const results = run(function* (k) {
    const inode = yield* createFile(k, mountDax(k, 1), "file", 1);
    const parent = createProcess(k, "parent", 1);
    k.current.mm = parent;
    yield* mapFile(k, parent, inode, 0, 1, VM_SHARED);
    const first = yield* k.store(parent, 0);
    const read = yield* k.touch(parent, 0, false);
    const second = yield* k.touch(parent, 0, true);
    const pin = yield* k.pin_user_pages_fast(0, 1, FOLL_WRITE);
    // It is no COW mapping: the child gets its entries with faults of its own.
    const child = yield* createChild(k, parent, "child");
    yield* k.dup_mmap(parent, child);
    return [first, read, second, pin];
  });
  expect(results).toEqual(["SIGSEGV", "NOPAGE", "SIGSEGV", -EFAULT]);
  const { refcount, mapcount } = counts(FIRST_PFN);
  const normalised = ["v6.15", "v7.2"].includes(version.release);
  expect([refcount, mapcount]).toEqual(normalised ? [1, 1] : [1, 0]);
  expect(warning()).toBe(null);
});
