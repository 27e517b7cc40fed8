// What pages of a DAX device count, as section 2.4 of the lifecycle reference states it, at each size of entry.

import { describe, expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import type { Code } from "../../src/explore/access.ts";
import { EINVAL, ENXIO } from "../../src/kernel/include/asm-generic/errno-base.ts";
import type { Inode } from "../../src/kernel/include/linux/fs.ts";
import {
  type MmStruct,
  type Page,
  VM_SHARED,
  VM_WRITE,
  type VmArea,
} from "../../src/kernel/include/linux/mm_types.ts";
import type { Kernel, KernelVersion } from "../../src/kernel/kernel.ts";
import { FOLL_WRITE } from "../../src/kernel/mm/gup-flags.ts";
import { boot, isBlocked, type Machine } from "../../src/kernel/sequential.ts";
import { createDevDax, createProcess, mapFile } from "../../src/kernel/setup.ts";
import { mayFail } from "../../src/kernel/setup-errors.ts";

// A PMD entry maps four pages, one of a PUD eight.
const GEOMETRY = { PTRS_PER_PTE: 4, PTRS_PER_PMD: 2 };
const FIRST = 0x800;
const PAGES = 8;

interface Situation {
  readonly machine: Machine;
  readonly inode: Inode;
  readonly a: MmStruct;
  readonly b: MmStruct;
  readonly vma: VmArea;
}

function mapped(version: KernelVersion, align: number): Situation {
  const machine = boot(version, { geometry: GEOMETRY });
  const made = machine.run(function* (k) {
    const inode = yield* createDevDax(k, "dax0.0", PAGES, align, FIRST);
    const a = createProcess(k, "a", PAGES);
    const b = createProcess(k, "b", PAGES);
    const vma = yield* mapFile(k, a, inode, 0, PAGES);
    yield* mapFile(k, b, inode, 0, PAGES);
    k.current.mm = a;
    return { machine, inode, a, b, vma };
  });
  if (isBlocked(made)) throw new Error(made.blocked);
  return made;
}

function* pinned(k: Kernel, n: number): Code<readonly Page[]> {
  const pages = yield* k.pin_user_pages_fast(0, n, FOLL_WRITE);
  return typeof pages === "number" ? [] : pages;
}

const programs: Record<string, (k: Kernel, s: Situation) => Code<unknown>> = {
  *"never touched"() {},
  *"mapped once"(k, { a }) {
    yield* k.touch(a, 0, false);
  },
  *"mapped twice"(k, { a, b }) {
    yield* k.touch(a, 0, true);
    yield* k.touch(b, 0, false);
  },
  *"mapped, a part of it zapped"(k, { a, vma }) {
    yield* k.touch(a, 0, true);
    yield* k.zap_page_range(vma, 0, 1);
  },
  *munmapped(k, { a, vma }) {
    yield* k.touch(a, 0, true);
    yield* k.munmap(vma);
  },
  *pinned(k) {
    yield* pinned(k, 1);
  },
  *"pinned, then munmapped"(k, { vma }) {
    yield* pinned(k, 1);
    yield* k.munmap(vma);
  },
  *"pinned and unpinned"(k) {
    const pages = yield* pinned(k, 1);
    yield* k.unpin_user_pages(pages);
  },
  *gotten(k) {
    yield* k.get_user_pages_fast(0, 1, FOLL_WRITE);
  },
  *"its device killed"(k, { a, inode }) {
    yield* k.touch(a, 0, true);
    yield* k.kill_dev_dax(inode);
  },
};

// refcount/mapcount/pincount of the first page. v5.10 makes no folios; from v5.18 (5.17) on a device of larger alignment
// is made of them, whose pins are counted apart; from v6.15 on an entry holds a reference. The base stays throughout.
// Columns: situation; pages of their own, one-based and counted; folios, one-based and counted.
const table: readonly (readonly [string, string, string, string, string])[] = [
  ["never touched", "1/0/0", "1/0/0", "1/0/0", "1/0/0"],
  ["mapped once", "1/0/0", "2/1/0", "1/0/0", "2/1/0"],
  ["mapped twice", "1/0/0", "3/2/0", "1/0/0", "3/2/0"],
  ["mapped, a part of it zapped", "1/0/0", "1/0/0", "1/0/0", "1/0/0"],
  ["munmapped", "1/0/0", "1/0/0", "1/0/0", "1/0/0"],
  ["pinned", "1025/0/0", "1026/1/0", "2/0/1", "3/1/1"],
  ["pinned, then munmapped", "1025/0/0", "1025/0/0", "2/0/1", "2/0/1"],
  ["pinned and unpinned", "1/0/0", "2/1/0", "1/0/0", "2/1/0"],
  ["gotten", "2/0/0", "3/1/0", "2/0/0", "3/1/0"],
  ["its device killed", "1/0/0", "1/0/0", "1/0/0", "1/0/0"],
];

const counted = ["v6.15", "v7.2"];
const sizes = [
  { entry: "PTE", align: 1 },
  { entry: "PMD", align: 4 },
  { entry: "PUD", align: 8 },
];

function run(version: KernelVersion, align: number, situation: string): Situation {
  const s = mapped(version, align);
  const done = s.machine.run((k) => programs[situation]?.(k, s) ?? (function* nothing() {})());
  expect(isBlocked(done)).toBe(false);
  expect(s.machine.warning()).toBe(null);
  return s;
}

describe.each(kernels)("$release: refcount/mapcount/pincount of a DAX device", (version) => {
  const folios = version.release !== "v5.10";
  describe.each(sizes)("mapped with entries of a $entry", ({ align }) => {
    const column = (align > 1 && folios ? 3 : 1) + (counted.includes(version.release) ? 1 : 0);
    it.each(table)("%s", (...row) => {
      const { machine } = run(version, align, row[0]);
      const { refcount, mapcount, pincount } = machine.counts(FIRST);
      expect(`${refcount}/${mapcount}/${pincount}`).toBe(row[column]);
    });
  });

  it.each(sizes)("counts the pages of one entry of a $entry as its process's own", ({ align }) => {
    const { machine, a } = run(version, align, "mapped once");
    expect(machine.see(a.rss_file)).toBe(counted.includes(version.release) ? align : 0);
  });

  it.each(sizes)("makes folios of the order of a $entry, and leaves their tails alone", ({ align }) => {
    const { machine } = run(version, align, "mapped once");
    const { order, own } = machine.counts(FIRST + PAGES - 1);
    expect(order).toBe(folios ? Math.log2(align) : 0);
    expect(own).toBe(align > 1 && folios ? 0 : 1);
  });

  it.each(sizes)("takes all pages of an entry of a $entry at once, and gives them back", ({ align }) => {
    const s = mapped(version, align);
    const got = s.machine.run(function* (k) {
      const pages = yield* pinned(k, align);
      yield* k.unpin_user_pages(pages);
      return pages.map((p) => p.pfn);
    });
    expect(got).toEqual(Array.from({ length: align }, (_, i) => FIRST + i));
    expect(s.machine.counts(FIRST).refcount).toBe(counted.includes(version.release) ? 2 : 1);
  });

  it.each(sizes)("tells smaps of an entry of a $entry what it counts, or splits it", ({ align }) => {
    const s = run(version, align, "mapped once");
    const rss = s.machine.run((k) => k.smap_gather_stats(s.vma));
    const { refcount, mapcount } = s.machine.counts(FIRST);
    // The walk of smaps asks for tables below a PUD entry, and gets them by splitting it: nothing is mapped then.
    const counts = align < 8 && counted.includes(version.release);
    // v6.15 marks PMD entries as special, and smaps passes over them.
    const seen = counts && !(align === 4 && version.release === "v6.15");
    expect([rss, refcount, mapcount]).toEqual([seen ? align : 0, ...(counts ? [2, 1] : [1, 0])]);
  });

  it("answers with SIGBUS once the device has gone", () => {
    const s = mapped(version, 8);
    const fault = s.machine.run(function* (k) {
      yield* k.kill_dev_dax(s.inode);
      return yield* k.touch(s.a, 0, false);
    });
    expect(fault).toBe("SIGBUS");
  });
});

// check_vma() in drivers/dax/device.c.
it.each(
  kernels,
)("$release: a DAX device is mapped shared, in whole entries, while it is there", (version) => {
  const machine = boot(version, { geometry: GEOMETRY });
  const said = machine.run(function* (k) {
    const inode = yield* createDevDax(k, "dax0.0", PAGES, 4);
    const mm = createProcess(k, "mm", PAGES);
    const found: unknown[] = [];
    const shared = VM_SHARED | VM_WRITE;
    for (const [address, pages, flags] of [
      [0, 4, VM_WRITE],
      [2, 4, shared],
      [0, 2, shared],
    ] as const) {
      const error = yield* mayFail<unknown>(mapFile(k, mm, inode, address, pages, flags));
      found.push(error);
    }
    const vma = yield* mapFile(k, mm, inode, 4, 4, shared);
    found.push(vma.vm_pages);
    yield* k.kill_dev_dax(inode);
    const gone = yield* mayFail<unknown>(mapFile(k, mm, inode, 0, 4, shared));
    return [...found, gone];
  });
  expect(said).toEqual([-EINVAL, -EINVAL, -EINVAL, 4, -ENXIO]);
});
