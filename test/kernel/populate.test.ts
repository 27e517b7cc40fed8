// What mlock() brings in, and what GUP gives of a hole: mm/gup.c:populate_vma_page_range() and follow_page_mask().

import { describe, expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import { EFAULT, EREMOTEIO } from "../../src/kernel/include/asm-generic/errno-base.ts";
import { type MmStruct, type Page, VM_SHARED, VM_WRITE } from "../../src/kernel/include/linux/mm_types.ts";
import { referencesAddUp, rssCountsMappings } from "../../src/kernel/invariants.ts";
import { boot, isBlocked, type Machine } from "../../src/kernel/sequential.ts";
import {
  addRam,
  createDevDax,
  createFile,
  createProcess,
  FIRST_RAM,
  mapFile,
  mountDax,
} from "../../src/kernel/setup.ts";
import { createP2pmem } from "../../src/kernel/setup-device.ts";

const SMALL = { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 };

/** The entries of a process, each as the number of its page and whether it may be written through. */
const entriesOf = (machine: Machine, mm: MmStruct): string[] =>
  mm.page_table.map((ptep) => {
    const entry = machine.see(ptep);
    return entry === null
      ? "none"
      : `0x${entry.pfn.toString(16)}${"write" in entry && entry.write ? " rw" : ""}`;
  });

function mlocked(machine: Machine, flags: number, filled = 2): { error: number; entries: string[] } {
  const done = machine.run(function* (k) {
    yield* addRam(k, 2);
    const inode = yield* createFile(k, mountDax(k, 2), "file", 2, filled);
    const mm = createProcess(k, "mm", 2);
    const vma = yield* mapFile(k, mm, inode, 0, 2, flags);
    const error = yield* k.do_mlock(vma);
    return { mm, error };
  });
  if (isBlocked(done)) throw new Error(done.blocked);
  for (const rule of [referencesAddUp, rssCountsMappings]) {
    expect(rule.check(machine.k, machine.see)).toBe(null);
  }
  expect(machine.warning()).toBe(null);
  return { error: done.error, entries: entriesOf(machine, done.mm) };
}

describe.each(kernels)("mlock() on $release", (version) => {
  it("copies the pages of a private mapping that may be written to", () => {
    const own = [`0x${FIRST_RAM.toString(16)} rw`, `0x${(FIRST_RAM + 1).toString(16)} rw`];
    expect(mlocked(boot(version), VM_WRITE)).toEqual({ error: 0, entries: own });
  });

  it("reads those of others, and fills no hole", () => {
    const machine = boot(version);
    const zero = `0x${machine.k.world.zero_page.pfn.toString(16)}`;
    const read = ["0x40", zero];
    expect(mlocked(machine, VM_SHARED | VM_WRITE, 1)).toEqual({ error: 0, entries: read });
    expect(mlocked(boot(version), 0, 1)).toEqual({ error: 0, entries: read });
  });

  it("is content with pages that are there already, huge or not", () => {
    for (const flags of [VM_SHARED | VM_WRITE, VM_WRITE]) {
      const machine = boot(version, { geometry: SMALL });
      const errors = machine.run(function* (k) {
        yield* addRam(k, 2);
        const inode = yield* createFile(k, mountDax(k, 2), "file", 2);
        const mm = createProcess(k, "mm", 2);
        const vma = yield* mapFile(k, mm, inode, 0, 2, flags);
        yield* k.touch(mm, 0, false);
        const first = yield* k.do_mlock(vma);
        const again = yield* k.do_mlock(vma);
        return [first, again];
      });
      expect(errors).toEqual([0, 0]);
      expect(referencesAddUp.check(machine.k, machine.see)).toBe(null);
    }
  });

  it("brings in memory of a DAX device, by entries of each size", () => {
    for (const align of [1, 2, 4]) {
      const machine = boot(version, { geometry: SMALL });
      const errors = machine.run(function* (k) {
        const dev = yield* createDevDax(k, "dax0.0", 4, align);
        const mm = createProcess(k, "mm", 4);
        const vma = yield* mapFile(k, mm, dev, 0, 4);
        const first = yield* k.do_mlock(vma);
        const again = yield* k.do_mlock(vma);
        return [first, again];
      });
      expect(errors).toEqual([0, 0]);
      expect(referencesAddUp.check(machine.k, machine.see)).toBe(null);
    }
  });

  it("stops at the end of the file", () => {
    const machine = boot(version);
    const error = machine.run(function* (k) {
      const inode = yield* createFile(k, mountDax(k, 1), "file", 1);
      const vma = yield* mapFile(k, createProcess(k, "mm", 2), inode, 0, 2);
      return yield* k.do_mlock(vma);
    });
    expect(error).toBe(-EFAULT);
  });
});

it.each(
  kernels.slice(3),
)("$release: mlock() of PCI memory is refused, as GUP is without FOLL_PCI_P2PDMA", (version) => {
  const error = boot(version).run(function* (k) {
    const p2pmem = createP2pmem(k, 1);
    const vma = yield* mapFile(k, createProcess(k, "mm", 1), p2pmem, 0, 1);
    return yield* k.do_mlock(vma);
  });
  expect(error).toBe(-EREMOTEIO);
});

describe.each(kernels)("a hole that a huge page of zeroes is read from on $release", (version) => {
  it("may be got, pinned and mapped as any", () => {
    const machine = boot(version, { geometry: SMALL });
    const done = machine.run(function* (k) {
      const inode = yield* createFile(k, mountDax(k, 2), "file", 2, 0);
      const mm = createProcess(k, "mm", 2);
      const vma = yield* mapFile(k, mm, inode, 0, 2);
      k.current.mm = mm;
      yield* k.touch(mm, 0, false);
      const got = yield* k.get_user_pages_fast(1, 1, 0);
      const pinned = yield* k.pin_user_pages_fast(0, 2, 0);
      yield* k.smap_gather_stats(vma);
      const locked = yield* k.do_mlock(vma);
      for (const page of got as readonly Page[]) yield* k.put_user_page(page);
      yield* k.unpin_user_pages(pinned as readonly Page[]);
      yield* k.munmap(vma);
      return { got, pinned, locked };
    });
    if (isBlocked(done)) throw new Error(done.blocked);
    const { huge_zero_page } = machine.k.world;
    expect(done.got).toEqual([huge_zero_page]);
    expect(done.pinned).toEqual([huge_zero_page, huge_zero_page]);
    expect(done.locked).toBe(0);
    expect(machine.see(huge_zero_page._refcount)).toBe(1);
    expect(machine.warning()).toBe(null);
  });
});
