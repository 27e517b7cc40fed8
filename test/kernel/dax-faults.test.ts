// Faults on DAX files at their edges: the second half of a MAP_SYNC fault when the entry is of another size by then,
// and a copy on write that does not come to its end.
import { describe, expect, it } from "vitest";
import { assert } from "../../src/base/assert.ts";
import { pfn } from "../../src/base/brand.ts";
import { kernels, v6_1, v6_12, v7_2 } from "../../src/changes/kernels.ts";
import { down_write } from "../../src/kernel/kernel/locking/rwsem.ts";
import { WRITE_ONCE } from "../../src/kernel/lib/atomic.ts";
import { boot, isBlocked } from "../../src/kernel/sequential.ts";
import { createFile, createProcess, mapFile, mountDax } from "../../src/kernel/setup.ts";
import { reflinkedFiles } from "../../src/scenarios/reflinked-files.ts";

const geometry = { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 };
const PMD_ORDER = 1;

describe.each(kernels)("the second half of a MAP_SYNC fault on $release", (version) => {
  it.each([
    { what: "a small fault finds a PMD entry", entryOf: "pmd", order: 0 },
    { what: "a PMD fault finds a small entry", entryOf: "page", order: PMD_ORDER },
    { what: "a PMD fault finds no entry", entryOf: "none", order: PMD_ORDER },
  ])("maps nothing if $what", ({ entryOf, order }) => {
    const machine = boot(version, { geometry });
    const mm = machine.run(function* (k) {
      const inode = yield* createFile(k, mountDax(k, 2), "file", 2);
      const small = createProcess(k, "small", 1);
      const huge = createProcess(k, "huge", 2);
      const mm = createProcess(k, "mm", 2);
      yield* mapFile(k, small, inode, 0, 1);
      yield* mapFile(k, huge, inode, 0, 2);
      const vma = yield* mapFile(k, mm, inode, 0, 2);
      if (entryOf === "page") yield* k.touch(small, 0, false);
      if (entryOf === "pmd") yield* k.touch(huge, 0, false);
      const fault = yield* k.dax_insert_pfn_mkwrite(
        { vma, address: 0, pgoff: 0, write: true, order },
        pfn(0x40),
      );
      assert(fault === "NOPAGE", `the fault ends with ${fault}`);
      return mm;
    });
    assert(!isBlocked(mm), "the fault waits");
    expect(mm.page_table.map((pte) => machine.see(pte))).toEqual([null, null]);
    expect(mm.pmds.map((pmd) => machine.see(pmd))).toEqual([null]);
    expect(machine.warning()).toBe(null);
  });

  it("holds the page frame that it found, where the entry is of another by now", () => {
    const machine = boot(version);
    const mm = machine.run(function* (k) {
      const inode = yield* createFile(k, mountDax(k, 2), "file", 1);
      const other = createProcess(k, "other", 1);
      const mm = createProcess(k, "mm", 1);
      yield* mapFile(k, other, inode, 0, 1);
      const vma = yield* mapFile(k, mm, inode, 0, 1);
      yield* k.touch(other, 0, false);
      yield* k.dax_insert_pfn_mkwrite({ vma, address: 0, pgoff: 0, write: true, order: 0 }, pfn(0x41));
      return mm;
    });
    assert(!isBlocked(mm), "the fault waits");
    expect(mm.page_table.map((pte) => machine.see(pte))).toMatchObject([{ pfn: 0x41, write: true }]);
    expect(machine.counts(0x41).refcount).toBe(1);
  });
});

describe.each(
  kernels.filter(({ release }) => !["v5.10", "v5.18"].includes(release)),
)("a write fault on a shared block on $release", (version) => {
  it("gives the copy back if the device has gone", () => {
    const machine = boot(version);
    const made = machine.run(function* (k) {
      const { sb, two } = yield* reflinkedFiles(k);
      const mm = createProcess(k, "mm", 1);
      yield* mapFile(k, mm, two, 0, 1);
      yield* WRITE_ONCE(sb.s_dax_dev.alive, false);
      return { fault: yield* k.touch(mm, 0, true), sb, two };
    });
    assert(!isBlocked(made), "the fault waits");
    expect(made.fault).toBe("SIGBUS");
    expect(made.two.i_cow.map((copy) => machine.see(copy))).toEqual([null]);
    expect(machine.see(made.sb.free_blocks)).toEqual([0x41]);
  });
});

describe.each([v6_1, v6_12, v7_2])("copies for a huge entry on $release", (version) => {
  it("are given back if they are not in one piece", () => {
    const machine = boot(version, { geometry: { PTRS_PER_PTE: 4, PTRS_PER_PMD: 4 } });
    const made = machine.run(function* (k) {
      const { sb, two } = yield* reflinkedFiles(k, 4);
      yield* createFile(k, sb, "other", 2);
      const mm = createProcess(k, "mm", 4);
      yield* mapFile(k, mm, two, 0, 4);
      return { fault: yield* k.touch(mm, 0, true), sb, two };
    });
    assert(!isBlocked(made), "the fault waits");
    // The copies were for two pages; the page that was touched has one of its own.
    expect(made.two.i_cow.map((copy) => machine.see(copy))).toEqual([null, null, null, null]);
    expect(made.two.i_data.map((block) => machine.see(block))).toEqual([0x46, 0x41, 0x42, 0x43]);
    expect(machine.see(made.sb.free_blocks)).toEqual([0x47]);
  });
});

describe.each(kernels)("a store to a page that was read before on $release", (version) => {
  it("leaves a dirty entry, and nothing when that goes", () => {
    const machine = boot(version);
    const made = machine.run(function* (k) {
      const inode = yield* createFile(k, mountDax(k, 1), "file", 1);
      const mm = createProcess(k, "mm", 1);
      const vma = yield* mapFile(k, mm, inode, 0, 1);
      yield* k.touch(mm, 0, false);
      yield* k.store(mm, 0);
      return { mm, vma };
    });
    assert(!isBlocked(made), "the store waits");
    const { mm, vma } = made;
    expect(mm.page_table.map((pte) => machine.see(pte))).toMatchObject([{ write: true, dirty: true }]);
    machine.run((k) => k.munmap(vma));
    expect(machine.counts(0x40)).toMatchObject({ refcount: machine.k.fsdax_idle_count(), mapcount: 0 });
  });
});

// Only v6.1 marks what a read put there. fsync() writes it back as anything else that is marked.
describe.each(kernels)("a hole that was read on $release", (version) => {
  it("is marked as v6.1 does, and not any more after fsync()", () => {
    const machine = boot(version);
    const mapping = machine.run(function* (k) {
      const inode = yield* createFile(k, mountDax(k, 1), "file", 1, 0);
      const mm = createProcess(k, "mm", 1);
      yield* mapFile(k, mm, inode, 0, 1);
      yield* k.touch(mm, 0, false);
      return inode.i_mapping;
    });
    assert(!isBlocked(mapping), "the fault waits");
    const [entry, marks] = [mapping.i_pages[0], mapping.i_marks[0]];
    assert(entry !== undefined && marks !== undefined, "the file has no page");
    expect(machine.see(entry)).toMatchObject({ kind: "zero", locked: false });
    expect(machine.see(marks)).toEqual({ dirty: version === v6_1, towrite: false });
    machine.run((k) => k.vfs_fsync(mapping.host));
    expect(machine.see(entry)).toMatchObject({ kind: "zero", locked: false });
    expect(machine.see(marks)).toEqual({ dirty: false, towrite: false });
  });
});

// mapping_empty() comes first in mm/truncate.c:invalidate_inode_pages2_range(): here somebody else has what unmapping takes.
it.each(kernels)("invalidation unmaps nothing of a file without entries on $release", (version) => {
  for (const touched of [false, true]) {
    const machine = boot(version);
    const invalidated = machine.run(function* (k) {
      const inode = yield* createFile(k, mountDax(k, 1), "file", 1);
      const mm = createProcess(k, "mm", 1);
      yield* mapFile(k, mm, inode, 0, 1);
      if (touched) yield* k.touch(mm, 0, false);
      yield* down_write(k, inode.i_mapping.i_mmap_rwsem);
      return yield* k.invalidate_inode_pages2_range(inode.i_mapping, 0, 1);
    });
    expect(isBlocked(invalidated)).toBe(touched);
  }
});
