// munmap() of a part of a mapping: the mapping is split, and a huge entry that maps pages on both sides is taken apart,
// also for the pages that stay. Up to v6.12 a page of a file counts no mappings.

import { describe, expect, it } from "vitest";
import { assert } from "../../src/base/assert.ts";
import { kernels } from "../../src/changes/kernels.ts";
import type { Code } from "../../src/explore/access.ts";
import { EINVAL } from "../../src/kernel/include/asm-generic/errno-base.ts";
import type { Inode } from "../../src/kernel/include/linux/fs.ts";
import { type MmStruct, VM_WRITE, type VmArea } from "../../src/kernel/include/linux/mm_types.ts";
import { pmdPages, pudPages } from "../../src/kernel/include/linux/pgtable.ts";
import { rssCountsMappings } from "../../src/kernel/invariants.ts";
import type { Kernel, KernelVersion } from "../../src/kernel/kernel.ts";
import { boot, isBlocked } from "../../src/kernel/sequential.ts";
import {
  addRam,
  createChild,
  createDevDax,
  createFile,
  createProcess,
  FIRST_DEV_DAX_PFN,
  FIRST_PFN,
  FIRST_RAM,
  mapFile,
  mountDax,
} from "../../src/kernel/setup.ts";

const geometry = { PTRS_PER_PTE: 4, PTRS_PER_PMD: 2 };
const isNormalised = ({ release }: KernelVersion): boolean => ["v6.15", "v7.2"].includes(release);

interface Mapped {
  readonly mm: MmStruct;
  readonly vma: VmArea;
  readonly inode: Inode;
}

/** Runs a program in a process that has mapped all of a file, and says what may be looked at afterwards. */
function leftBy(
  version: KernelVersion,
  pages: number,
  flags: number | undefined,
  program: (k: Kernel, m: Mapped) => Code<unknown>,
) {
  const machine = boot(version, { geometry });
  const { see } = machine;
  const made = machine.run(function* (k) {
    yield* addRam(k, 4);
    const inode = yield* createFile(k, mountDax(k, pages), "file", pages);
    const mm = createProcess(k, "mm", pages);
    const vma = yield* mapFile(k, mm, inode, 0, pages, flags);
    k.current.mm = mm;
    yield* program(k, { mm, vma, inode });
    return { mm, inode };
  });
  assert(!isBlocked(made), "munmap waits");
  expect(machine.warning()).toBe(null);
  expect(rssCountsMappings.check(machine.k, see)).toBe(null);
  const counts = (first: number) =>
    Array.from({ length: pages }, (_, i) => {
      const { refcount, mapcount } = machine.counts(first + i);
      return `${refcount}/${mapcount}`;
    }).join(" ");
  const ranges = (vmas: readonly VmArea[]) =>
    vmas.map((v) => `${v.vm_start}+${v.vm_pages}@${v.vm_pgoff}`).join(" ");
  return {
    counts,
    upper: made.mm.pmds.map((pmd) => see(pmd)),
    mapped: ranges(see(made.mm.mm_mt)),
    ofFile: ranges(see(made.inode.i_mapping.i_mmap)),
  };
}

describe.each(kernels)("munmap of a part on $release", (version) => {
  const normalised = isNormalised(version);

  it.each([
    { what: "head", first: 0, end: 1, mapped: "1+2@1", counts: "0/0 1/1 1/1" },
    { what: "tail", first: 2, end: 3, mapped: "0+2@0", counts: "1/1 1/1 0/0" },
    { what: "middle", first: 1, end: 2, mapped: "0+1@0 2+1@2", counts: "1/1 0/0 1/1" },
    { what: "more than there is", first: 2, end: 9, mapped: "0+2@0", counts: "1/1 1/1 0/0" },
    { what: "nothing", first: 5, end: 7, mapped: "0+3@0", counts: "1/1 1/1 1/1" },
  ])("leaves the rest: $what", ({ first, end, mapped, counts }) => {
    const found = leftBy(version, 3, undefined, function* (k, { mm }) {
      for (let i = 0; i < 3; i++) yield* k.touch(mm, i, true);
      yield* k.vm_munmap(mm, first, end);
    });
    expect(found.mapped).toBe(mapped);
    expect(found.ofFile).toBe(mapped);
    expect(found.counts(FIRST_PFN)).toBe(normalised ? counts : "1/0 1/0 1/0");
  });

  it("takes a huge entry apart, and the pages that stay come back one by one", () => {
    const split = leftBy(version, 4, undefined, function* (k, { mm }) {
      yield* k.touch(mm, 0, true);
      yield* k.vm_munmap(mm, 1, 2);
    });
    expect(split.upper).toEqual([null]);
    expect(split.counts(FIRST_PFN)).toBe(normalised ? "0/0 0/0 0/0 0/0" : "1/0 1/0 1/0 1/0");
    const back = leftBy(version, 4, undefined, function* (k, { mm }) {
      yield* k.touch(mm, 0, true);
      yield* k.vm_munmap(mm, 1, 2);
      for (const page of [0, 2, 3]) yield* k.touch(mm, page, true);
    });
    expect(back.upper).toEqual(["table"]);
    // The file has one folio of four pages still, of which three entries map a part.
    expect(back.counts(FIRST_PFN)).toBe(normalised ? "3/3 3/3 3/3 3/3" : "1/0 1/0 1/0 1/0");
  });

  it("leaves a huge entry alone that ends where the mapping is split", () => {
    const found = leftBy(version, 8, undefined, function* (k, { mm }) {
      yield* k.touch(mm, 0, true);
      yield* k.touch(mm, 4, true);
      yield* k.vm_munmap(mm, 4, 8);
    });
    expect(found.upper).toMatchObject([{ kind: "pmd", pfn: FIRST_PFN }, null]);
    const [whole, none] = normalised ? ["1/1", "0/0"] : ["1/0", "1/0"];
    expect(found.counts(FIRST_PFN)).toBe([...Array(4).fill(whole), ...Array(4).fill(none)].join(" "));
  });

  it("takes away what is left when all is unmapped after a part", () => {
    const found = leftBy(version, 3, undefined, function* (k, { mm, vma }) {
      for (let i = 0; i < 3; i++) yield* k.touch(mm, i, true);
      yield* k.vm_munmap(mm, 1, 2);
      yield* k.munmap(vma);
    });
    expect([found.mapped, found.ofFile]).toEqual(["", ""]);
    expect(found.counts(FIRST_PFN)).toBe(normalised ? "0/0 0/0 0/0" : "1/0 1/0 1/0");
  });

  it("gives each part an anon_vma of its own, of which fork() asks", () => {
    const found = leftBy(version, 3, VM_WRITE, function* (k, { mm }) {
      const child = yield* createChild(k, mm, "child");
      yield* k.touch(mm, 2, false);
      yield* k.vm_munmap(mm, 1, 2);
      yield* k.touch(mm, 0, true);
      yield* k.dup_mmap(mm, child);
    });
    // The page of the first part is shared now. That of the second, of the file, the child does not have yet.
    expect(found.counts(FIRST_RAM).split(" ")[0]).toBe("2/2");
    expect(found.counts(FIRST_PFN)).toBe(normalised ? "0/0 0/0 1/1" : "1/0 1/0 1/0");
  });

  it("gives both parts the anon_vma that the mapping had", () => {
    const found = leftBy(version, 3, VM_WRITE, function* (k, { mm }) {
      const child = yield* createChild(k, mm, "child");
      yield* k.touch(mm, 0, true);
      yield* k.touch(mm, 2, false);
      yield* k.vm_munmap(mm, 1, 2);
      yield* k.dup_mmap(mm, child);
    });
    expect(found.counts(FIRST_PFN)).toBe(normalised ? "0/0 0/0 2/2" : "1/0 1/0 1/0");
  });

  it("splits the mapping of a device between its entries only", () => {
    const { k, run, counts } = boot(version, { geometry });
    const results = run(function* () {
      const errors: number[] = [];
      for (const align of [pmdPages(k), pudPages(k)]) {
        const first = FIRST_DEV_DAX_PFN + errors.length * 0x100;
        const inode = yield* createDevDax(k, `dax${align}`, 2 * align, align, first);
        const mm = createProcess(k, `mm${align}`, 2 * align);
        yield* mapFile(k, mm, inode, 0, 2 * align);
        yield* k.touch(mm, 0, true);
        yield* k.touch(mm, align, true);
        const within = yield* k.vm_munmap(mm, 1, align);
        const between = yield* k.vm_munmap(mm, align, 2 * align);
        errors.push(within, between);
      }
      return errors;
    });
    expect(results).toEqual([-EINVAL, 0, -EINVAL, 0]);
    const [kept, gone] = normalised ? [2, 1] : [1, 1];
    expect(counts(FIRST_DEV_DAX_PFN).refcount).toBe(kept);
    expect(counts(FIRST_DEV_DAX_PFN + pmdPages(k)).refcount).toBe(gone);
  });
});
