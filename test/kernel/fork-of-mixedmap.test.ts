// fork() copies the entries of a mapping with VM_MIXEDMAP, shared or not: of virtio-fs, and of memory of PCI devices.
import { describe, expect, it } from "vitest";
import { assert } from "../../src/base/assert.ts";
import { kernels } from "../../src/changes/kernels.ts";
import type { Code } from "../../src/explore/access.ts";
import type { Inode } from "../../src/kernel/include/linux/fs.ts";
import { pte_present } from "../../src/kernel/include/linux/swapops.ts";
import { mapcountCountsMappings, referencesAddUp, rssCountsMappings } from "../../src/kernel/invariants.ts";
import type { Kernel, KernelVersion } from "../../src/kernel/kernel.ts";
import { boot, isBlocked } from "../../src/kernel/sequential.ts";
import {
  createChild,
  createFile,
  createProcess,
  FIRST_PFN,
  mapFile,
  mountDax,
} from "../../src/kernel/setup.ts";
import { createP2pmem, FIRST_P2PMEM_PFN } from "../../src/kernel/setup-device.ts";

/** What a child has of a file that its parent maps and has read, and what the page counts: refcount/mapcount. */
function forked(version: KernelVersion, pfn: number, file: (k: Kernel) => Code<Inode>) {
  const machine = boot(version);
  const { see, counts } = machine;
  const shown = (): string => `${counts(pfn).refcount}/${counts(pfn).mapcount}`;
  const found = machine.run(function* (k) {
    const parent = createProcess(k, "parent", 1);
    const vma = yield* mapFile(k, parent, yield* file(k), 0, 1);
    yield* k.touch(parent, 0, true);
    const child = yield* createChild(k, parent, "child");
    yield* k.dup_mmap(parent, child);
    const entry = child.page_table[0] === undefined ? null : see(child.page_table[0]);
    const afterFork = shown();
    yield* k.munmap(vma);
    const fault = yield* k.touch(child, 0, false);
    const afterMunmap = shown();
    yield* k.vm_munmap(child, 0, 1);
    return {
      has: pte_present(entry) ? (entry.dirty ? "dirty" : "clean") : "none",
      afterFork,
      afterMunmap,
      fault,
      afterExit: shown(),
    };
  });
  assert(!isBlocked(found), "somebody waits");
  expect(machine.warning()).toBe(null);
  for (const rule of [referencesAddUp, mapcountCountsMappings, rssCountsMappings]) {
    expect(rule.check(machine.k, see)).toBe(null);
  }
  return found;
}

describe.each(kernels)("fork() on $release", (version) => {
  // Up to v6.12 entries of DAX pages hold no reference, and a page that nobody uses counts 1.
  const counted = ["v6.15", "v7.2"].includes(version.release);
  const mapped = (n: number): string => (counted ? `${n}/${n}` : "1/0");

  it("copies entries of virtio-fs", () => {
    const found = forked(version, FIRST_PFN, (k) => createFile(k, mountDax(k, 1, "fuse"), "file", 1));
    expect(found).toEqual({
      has: "clean",
      afterFork: mapped(2),
      afterMunmap: mapped(1),
      fault: "NOPAGE",
      afterExit: mapped(0),
    });
  });

  it.each(["ext4", "xfs"] as const)("leaves entries of %s to faults", (type) => {
    const found = forked(version, FIRST_PFN, (k) => createFile(k, mountDax(k, 1, type), "file", 1));
    expect(found).toEqual({
      has: "none",
      afterFork: mapped(1),
      afterMunmap: mapped(1),
      fault: "NOPAGE",
      afterExit: mapped(0),
    });
  });
});

describe.each(kernels.slice(3))("fork() on $release", (version) => {
  it("copies entries of a PCI device's memory, which comes back with the child's", () => {
    const found = forked(version, FIRST_P2PMEM_PFN, function* (k) {
      return createP2pmem(k, 1);
    });
    const pooled = version.release === "v6.12" ? "1/0" : "0/0";
    expect(found).toEqual({
      has: "clean",
      afterFork: "2/2",
      afterMunmap: "1/1",
      fault: "NOPAGE",
      afterExit: pooled,
    });
  });
});
