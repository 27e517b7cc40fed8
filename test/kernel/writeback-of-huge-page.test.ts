// fsync() of pages that stand under one PMD entry: all of them are flushed, from v5.19 on through every mapping of the
// file, and also where the range begins in the middle of the entry.
import { describe, expect, it } from "vitest";
import { assert } from "../../src/base/assert.ts";
import { kernels } from "../../src/changes/kernels.ts";
import { FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_PUNCH_HOLE } from "../../src/kernel/include/linux/fs.ts";
import { VM_SHARED, VM_WRITE } from "../../src/kernel/include/linux/mm_types.ts";
import { unflushedPageIsDirty } from "../../src/kernel/invariants.ts";
import type { KernelVersion } from "../../src/kernel/kernel.ts";
import { boot, isBlocked } from "../../src/kernel/sequential.ts";
import { createFile, createProcess, firstPage, mapFile, mountDax } from "../../src/kernel/setup.ts";

const PAGES = 4;

/** A machine on which a program has stored to every page of a file, through one PMD entry. */
function storedTo(version: KernelVersion, type: "ext4" | "xfs" | "fuse" = "xfs") {
  const machine = boot(version, { geometry: { PTRS_PER_PTE: PAGES, PTRS_PER_PMD: 2 } });
  const { k, see } = machine;
  const made = machine.run(function* (k) {
    const inode = yield* createFile(k, mountDax(k, PAGES, type), "file", PAGES);
    const mm = createProcess(k, "mm", PAGES);
    yield* mapFile(k, mm, inode, 0, PAGES);
    k.current.mm = mm;
    for (let page = 0; page < PAGES; page++) yield* k.store(mm, page);
    return { inode, mm };
  });
  assert(!isBlocked(made), "the stores wait");
  const { inode, mm } = made;
  return {
    machine,
    inode,
    pmd: () => mm.pmds.map((pmd) => see(pmd)),
    marks: () => inode.i_mapping.i_marks.map((marks) => see(marks)),
    unflushed: () => Array.from({ length: PAGES }, (_, i) => see(firstPage(k, 0x40 + i).unflushed)),
  };
}

const clean = Array(PAGES).fill({ dirty: false, towrite: false });

describe.each(kernels)("writeback of a huge page on $release", (version) => {
  it("finds the mark of the whole entry at its first page", () => {
    const { machine, pmd, unflushed } = storedTo(version);
    expect(pmd()).toMatchObject([{ kind: "pmd", write: true, dirty: true }]);
    expect(unflushed()).toEqual([true, true, true, true]);
    expect(unflushedPageIsDirty.check(machine.k, machine.see)).toBe(null);
  });

  it.each([0, 2])("flushes every page if the range begins at page %i", (first) => {
    const { machine, inode, pmd, marks, unflushed } = storedTo(version);
    machine.run((k) => k.vfs_fsync_range(inode, first, PAGES));
    expect(unflushed()).toEqual([false, false, false, false]);
    expect(pmd()).toMatchObject([{ write: false, dirty: false }]);
    expect(marks()).toEqual(clean);
  });

  it("takes the right to write from a mapping that begins within the PMD, since v5.19", () => {
    const { machine, inode, unflushed } = storedTo(version);
    const pte = machine.run(function* (k) {
      const mm = createProcess(k, "other", 1);
      yield* mapFile(k, mm, inode, 0, 1, VM_SHARED | VM_WRITE, 2);
      yield* k.store(mm, 0);
      yield* k.vfs_fsync(inode);
      return mm.page_table[0] ?? null;
    });
    assert(pte !== null && !isBlocked(pte), "the process has no page");
    // Until v5.19 fsync() looked at the entry of the first page alone.
    const writable = ["v5.10", "v5.18"].includes(version.release);
    expect(machine.see(pte)).toMatchObject({ pfn: 0x42, write: writable, dirty: writable });
    expect(unflushed()).toEqual([false, false, false, false]);
  });

  it("clears the marks of an entry that begins before the range", () => {
    const { machine, inode, marks } = storedTo(version);
    machine.run((k) => k.__dax_clear_dirty_range(inode.i_mapping, 2, 3));
    expect(marks()).toEqual(clean);
  });

  // ext4 up to v6.13; xfs_flush_unmap_range() and fuse_writeback_range() on every kernel. From v6.15 on, break-layouts
  // has taken the entries with their marks before.
  it.each(["ext4", "xfs", "fuse"] as const)("a hole in the middle of it, on %s", (type) => {
    const { machine, inode, unflushed } = storedTo(version, type);
    machine.run((k) => k.vfs_fallocate(inode, FALLOC_FL_PUNCH_HOLE, 1, 2));
    const entriesGoFirst = ["v6.15", "v7.2"].includes(version.release);
    const writesBack = !entriesGoFirst && (type !== "ext4" || version.release !== "v6.12");
    expect(unflushed()[3]).toBe(!writesBack);
  });

  // The first of two calls of filemap_write_and_wait_range() goes one byte too far, into the range that is to go.
  it("a range behind its first page is taken out, on ext4", () => {
    const machine = boot(version, { geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 } });
    const done = machine.run(function* (k) {
      const inode = yield* createFile(k, mountDax(k, 3, "ext4"), "file", 3);
      const mm = createProcess(k, "mm", 4);
      yield* mapFile(k, mm, inode, 0, 3);
      yield* k.store(mm, 0);
      return yield* k.vfs_fallocate(inode, FALLOC_FL_COLLAPSE_RANGE, 1, 2);
    });
    expect(done).toBe(0);
    const entriesGoFirst = ["v6.15", "v7.2"].includes(version.release);
    expect(machine.see(firstPage(machine.k, 0x40).unflushed)).toBe(entriesGoFirst);
  });
});
