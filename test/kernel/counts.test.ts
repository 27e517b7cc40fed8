// What a page counts in each situation, as section 2 of the lifecycle reference and the recordings of
// real kernels state it: 2.3 (FS-DAX), "Refcount values observed" (lab).
import { describe, expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import type { Code } from "../../src/explore/access.ts";
import type { Inode } from "../../src/kernel/include/linux/fs.ts";
import {
  type Geometry,
  type MmStruct,
  type Page,
  VM_NOHUGEPAGE,
  VM_SHARED,
  VM_WRITE,
  type VmArea,
} from "../../src/kernel/include/linux/mm_types.ts";
import type { Kernel, KernelVersion } from "../../src/kernel/kernel.ts";
import { FOLL_WRITE } from "../../src/kernel/mm/gup-flags.ts";
import { boot, isBlocked } from "../../src/kernel/sequential.ts";
import { createFile, createProcess, mapFile, mountDax } from "../../src/kernel/setup.ts";

const GEOMETRY = { PTRS_PER_PTE: 4, PTRS_PER_PMD: 2 };
const FIRST = 0x40;

interface Situation {
  readonly inode: Inode;
  readonly a: MmStruct;
  readonly b: MmStruct;
  /** A process that maps the file with small entries only. */
  readonly c: MmStruct;
  readonly vmas: readonly [VmArea, VmArea];
}

/** `refcount/mapcount/pincount` of each page of the file, in order. */
function countsAfter(
  version: KernelVersion,
  pages: number,
  program: (k: Kernel, s: Situation) => Code<unknown>,
  geometry: Geometry = GEOMETRY,
): string[] {
  const machine = boot(version, { geometry });
  const start = pages === 512 ? 512 : FIRST;
  const done = machine.run(function* (k) {
    const sb = mountDax(k, 2 * pages, "ext4", start);
    const inode = yield* createFile(k, sb, "file", pages);
    const a = createProcess(k, "a", pages);
    const b = createProcess(k, "b", pages);
    const c = createProcess(k, "c", pages);
    const first = yield* mapFile(k, a, inode, 0, pages);
    const second = yield* mapFile(k, b, inode, 0, pages);
    yield* mapFile(k, c, inode, 0, pages, VM_SHARED | VM_WRITE | VM_NOHUGEPAGE);
    k.current.mm = a;
    yield* program(k, { inode, a, b, c, vmas: [first, second] });
  });
  expect(isBlocked(done)).toBe(false);
  expect(machine.warning()).toBe(null);
  return Array.from({ length: pages }, (_, i) => {
    const { refcount, mapcount, pincount } = machine.counts(start + i);
    return `${refcount}/${mapcount}/${pincount}`;
  });
}

function* pinned(k: Kernel, first: number, n: number): Code<readonly Page[]> {
  const pages = yield* k.pin_user_pages_fast(first, n, FOLL_WRITE);
  return typeof pages === "number" ? [] : pages;
}

function* gotten(k: Kernel, first: number, n: number): Code<readonly Page[]> {
  const pages = yield* k.get_user_pages_fast(first, n, FOLL_WRITE);
  return typeof pages === "number" ? [] : pages;
}

function* nothing(): Code {}

const programs: Record<string, (k: Kernel, s: Situation) => Code<unknown>> = {
  *"in a file, never touched"() {},
  *"mapped once"(k, { a }) {
    yield* k.touch(a, 0, true);
  },
  *"mapped twice"(k, { a, b }) {
    yield* k.touch(a, 0, true);
    yield* k.touch(b, 0, false);
  },
  *"munmapped, still in the file"(k, { a, vmas }) {
    yield* k.touch(a, 0, true);
    yield* k.munmap(vmas[0]);
  },
  *"pinned and mapped"(k, { a }) {
    yield* k.touch(a, 0, true);
    yield* pinned(k, 0, 1);
  },
  *"pinned without a fault before"(k) {
    yield* pinned(k, 0, 1);
  },
  *"pinned, then unmapped"(k, { inode, a }) {
    yield* k.touch(a, 0, true);
    yield* pinned(k, 0, 1);
    yield* k.unmap_mapping_pages(inode.i_mapping, 0, 1);
  },
  *"pinned and unpinned"(k) {
    const pages = yield* pinned(k, 0, 1);
    yield* k.unpin_user_pages(pages);
  },
  *"gotten and mapped"(k) {
    yield* gotten(k, 0, 1);
  },
  *"gotten, munmapped"(k, { vmas }) {
    yield* gotten(k, 0, 1);
    yield* k.munmap(vmas[0]);
  },
  *punched(k, { inode, a }) {
    yield* k.touch(a, 0, true);
    yield* k.ext4_punch_hole(inode, 0, 1);
  },
};

const huge: Record<string, (k: Kernel, s: Situation) => Code<unknown>> = {
  *"mapped by one PMD"(k, { a }) {
    yield* k.touch(a, 1, true);
  },
  *"mapped by two PMDs"(k, { a, b }) {
    yield* k.touch(a, 0, true);
    yield* k.touch(b, 0, true);
  },
  *"mapped by a PMD, and by two PTEs"(k, { a, c }) {
    yield* k.touch(a, 0, true);
    yield* k.touch(c, 0, true);
    yield* k.touch(c, 2, true);
  },
  *"two of four pages pinned"(k, { a }) {
    yield* k.touch(a, 0, true);
    yield* pinned(k, 1, 2);
  },
  *"pinned without a fault before"(k) {
    yield* pinned(k, 1, 2);
  },
  *"pinned and unpinned"(k) {
    const pages = yield* pinned(k, 1, 2);
    yield* k.unpin_user_pages(pages);
  },
  *"gotten, munmapped"(k, { vmas }) {
    yield* gotten(k, 1, 2);
    yield* k.munmap(vmas[0]);
  },
  *"one page of the PMD entry punched"(k, { inode, a }) {
    yield* k.touch(a, 0, true);
    yield* k.ext4_punch_hole(inode, 1, 2);
  },
};

// One-based kernels count no mappings; from v6.15 on a mapping holds a reference, and an idle page has none.
// Columns: situation, one-based, normalised.
const smallTable: readonly (readonly [string, string, string])[] = [
  ["in a file, never touched", "1/0/0", "0/0/0"],
  ["mapped once", "1/0/0", "1/1/0"],
  ["mapped twice", "1/0/0", "2/2/0"],
  ["munmapped, still in the file", "1/0/0", "0/0/0"],
  ["pinned and mapped", "1025/0/0", "1025/1/0"],
  ["pinned without a fault before", "1025/0/0", "1025/1/0"],
  ["pinned, then unmapped", "1025/0/0", "1024/0/0"],
  ["pinned and unpinned", "1/0/0", "1/1/0"],
  ["gotten and mapped", "2/0/0", "2/1/0"],
  ["gotten, munmapped", "2/0/0", "1/0/0"],
  ["punched", "1/0/0", "0/0/0"],
];

// Four pages: an array of small ones, or one folio whose pins are counted apart.
const hugeTable: readonly (readonly [string, string, string])[] = [
  ["mapped by one PMD", "1/0/0 1/0/0 1/0/0 1/0/0", "1/1/0 1/1/0 1/1/0 1/1/0"],
  ["mapped by two PMDs", "1/0/0 1/0/0 1/0/0 1/0/0", "2/2/0 2/2/0 2/2/0 2/2/0"],
  ["mapped by a PMD, and by two PTEs", "1/0/0 1/0/0 1/0/0 1/0/0", "3/3/0 3/3/0 3/3/0 3/3/0"],
  ["two of four pages pinned", "1/0/0 1025/0/0 1025/0/0 1/0/0", "3/1/2 3/1/2 3/1/2 3/1/2"],
  ["pinned without a fault before", "1/0/0 1025/0/0 1025/0/0 1/0/0", "3/1/2 3/1/2 3/1/2 3/1/2"],
  ["pinned and unpinned", "1/0/0 1/0/0 1/0/0 1/0/0", "1/1/0 1/1/0 1/1/0 1/1/0"],
  ["gotten, munmapped", "1/0/0 2/0/0 2/0/0 1/0/0", "2/0/0 2/0/0 2/0/0 2/0/0"],
  ["one page of the PMD entry punched", "1/0/0 1/0/0 1/0/0 1/0/0", "0/0/0 0/0/0 0/0/0 0/0/0"],
];

const normalised = ["v6.15", "v7.2"];

describe.each(kernels)("$release: refcount/mapcount/pincount", (version) => {
  const column = normalised.includes(version.release) ? 2 : 1;
  it.each(smallTable)("a page %s", (...row) => {
    expect(countsAfter(version, 1, programs[row[0]] ?? nothing).join(" ")).toBe(row[column]);
  });
  it.each(hugeTable)("a PMD entry %s", (...row) => {
    expect(countsAfter(version, 4, huge[row[0]] ?? nothing).join(" ")).toBe(row[column]);
  });
});

// Recordings of real kernels: pmd.ext4.* and what the lab saw ("Refcount values observed"). There a PMD entry maps
// 512 pages.
describe.each(kernels)("$release: as recorded, with 512 entries in a table", (version) => {
  const counted = normalised.includes(version.release);
  it.each([
    { what: "mapped by one PMD", pins: 0, oneBased: "1/0/0 1/0/0", folio: "1/1/0 1/1/0" },
    {
      what: "64 of its pages read into with O_DIRECT",
      pins: 64,
      oneBased: "1025/0/0 1/0/0",
      folio: "65/1/64 65/1/64",
    },
  ])("$what", ({ pins, oneBased, folio }) => {
    const all = countsAfter(
      version,
      512,
      function* (k, { a }) {
        yield* k.touch(a, 0, true);
        if (pins > 0) yield* pinned(k, 0, pins);
      },
      { PTRS_PER_PTE: 512, PTRS_PER_PMD: 512 },
    );
    expect(`${all[0]} ${all[64]}`).toBe(counted ? folio : oneBased);
  });

  it("a second mapping whose PMD was split and that touched two pages again", () => {
    const small = { PTRS_PER_PTE: 512, PTRS_PER_PMD: 512 };
    const all = countsAfter(
      version,
      512,
      function* (k, { a, c }) {
        yield* k.touch(a, 0, true);
        yield* k.touch(c, 0, false);
        yield* k.touch(c, 2, false);
      },
      small,
    );
    expect(all[0]).toBe(counted ? "3/3/0" : "1/0/0");
  });
});
