import { describe, expect, it } from "vitest";
import { pfn } from "../../src/base/brand.ts";
import { kernels } from "../../src/changes/kernels.ts";
import type { Code } from "../../src/explore/access.ts";
import type { SuperBlock } from "../../src/kernel/include/linux/fs.ts";
import type { LowerEntry, MmStruct, UpperEntry } from "../../src/kernel/include/linux/mm_types.ts";
import { isLeaf, pmd_offset, pte_offset, pud_offset } from "../../src/kernel/include/linux/pgtable.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import { READ_ONCE } from "../../src/kernel/lib/atomic.ts";
import { boot, isBlocked, type Machine } from "../../src/kernel/sequential.ts";
import {
  createDevDax,
  createFile,
  createProcess,
  FIRST_DEV_DAX_PFN,
  firstPage,
  mapFile,
  mountDax,
} from "../../src/kernel/setup.ts";

// Who loses a bad page: mm/memory-failure.c kills the process that met it (task_early_kill()), and unmaps
// from everybody who maps that file, but only if one of the killed maps it (unmap_and_kill()).

interface Two {
  readonly machine: Machine;
  readonly sb: SuperBlock;
  readonly one: MmStruct;
  readonly two: MmStruct;
  readonly other: MmStruct;
}

/** Two processes that map one page: of one file, or each of its own file that shares the block. */
function twoMap(release: string, fs: "ext4" | "xfs", files: 1 | 2): Two {
  const version = kernels.find((k) => k.release === release);
  if (version === undefined) throw new Error(`no kernel ${release}`);
  const machine = boot(version);
  const made = machine.run(function* setup(k: Kernel): Code<Omit<Two, "machine">> {
    const sb = mountDax(k, 2, fs);
    const one = createProcess(k, "one", 1);
    const two = createProcess(k, "two", 1);
    const other = createProcess(k, "other", 1);
    const first = yield* createFile(k, sb, "first", 1);
    const second = files === 1 ? first : yield* createFile(k, sb, "second", 1, 0);
    if (files === 2) yield* k.vfs_clone_file_range(first, second, 1);
    yield* mapFile(k, one, first, 0, 1);
    yield* mapFile(k, two, second, 0, 1);
    yield* k.touch(one, 0, false);
    yield* k.touch(two, 0, false);
    return { sb, one, two, other };
  });
  if (isBlocked(made)) throw new Error(made.blocked);
  return { machine, ...made };
}

/** Who maps the page. */
const mappers = ({ machine, one, two }: Two): string[] =>
  [one, two].filter((mm) => machine.see(pte_offset(mm, 0)) !== null).map((mm) => mm.name);

/** Who maps the page after a process has met the failure; null is a kernel thread. */
function mappersAfterFailure(world: Two, mm: MmStruct | null): string[] {
  const { machine } = world;
  expect(mappers(world)).toEqual(["one", "two"]);
  expect(machine.run((k) => k.memory_failure_dev_pagemap(firstPage(k).pfn), mm)).toBe(0);
  return mappers(world);
}

describe.each(["v6.1", "v6.12", "v7.2"])("a page of one file that two processes map, on %s", (release) => {
  it("is taken from both if one of them meets the failure", () => {
    const world = twoMap(release, "ext4", 1);
    expect(mappersAfterFailure(world, world.two)).toEqual([]);
  });

  it("stays where it is if a process meets it that does not map it", () => {
    const world = twoMap(release, "ext4", 1);
    expect(mappersAfterFailure(world, world.other)).toEqual(["one", "two"]);
  });

  it("is taken from both if a kernel thread meets it", () => {
    expect(mappersAfterFailure(twoMap(release, "ext4", 1), null)).toEqual([]);
  });
});

describe.each(["v6.1", "v6.12", "v7.2"])("a page that two files share, on %s", (release) => {
  it("is taken from those who map the file of the process that meets the failure, and from no others", () => {
    const world = twoMap(release, "xfs", 2);
    expect(mappersAfterFailure(world, world.one)).toEqual(["two"]);
  });
});

// collect_procs_fsdax() looks for everybody there: MF_MEM_PRE_REMOVE, from v6.7 on.
it.each(["v6.12", "v7.2"])("everybody loses the pages of a device that goes, on %s", (release) => {
  const world = twoMap(release, "xfs", 2);
  world.machine.run((k) => k.kill_dax(world.sb), world.other);
  expect(mappers(world)).toEqual([]);
});

describe.each(kernels.map((k) => k.release))("memory of a DAX device, on %s", (release) => {
  it.each([
    1, 2, 4,
  ])("is taken from a process with the whole of the entry that maps it: %i pages", (align) => {
    const version = kernels.find((k) => k.release === release);
    if (version === undefined) throw new Error(`no kernel ${release}`);
    const machine = boot(version, { geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 } });
    const made = machine.run(function* setup(k: Kernel): Code<{ mm: MmStruct }> {
      const dev = yield* createDevDax(k, "dax0.0", 8, align);
      const mm = createProcess(k, "mm", 8);
      yield* mapFile(k, mm, dev, 0, 8);
      k.current.mm = mm;
      for (let address = 0; address < 8; address++) yield* k.touch(mm, address, true);
      return { mm };
    });
    if (isBlocked(made)) throw new Error(made.blocked);

    const bad = pfn(FIRST_DEV_DAX_PFN + 5);
    expect(machine.run((k) => k.memory_failure_dev_pagemap(bad), made.mm)).toBe(0);

    const mapped = machine.run(function* look(k: Kernel): Code<number[]> {
      const there: number[] = [];
      for (let address = 0; address < 8; address++) {
        const ptep = pte_offset(made.mm, address);
        for (const entryp of [pud_offset(k, made.mm, address), pmd_offset(k, made.mm, address), ptep]) {
          if (entryp !== null && isLeaf(yield* READ_ONCE<LowerEntry | UpperEntry>(entryp)))
            there.push(address);
        }
      }
      return there;
    }, made.mm);
    const first = 5 - (5 % align);
    expect(mapped).toEqual([0, 1, 2, 3, 4, 5, 6, 7].filter((i) => i < first || i >= first + align));
  });
});

// The pgmap is looked up by page frame (mm/memory-failure.c:memory_failure() calls get_dev_pagemap()), a tail's too.
it.each(
  kernels,
)("$release: the failure of the second page of a huge mapping takes the mapping away", (version) => {
  const machine = boot(version, { geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 } });
  const done = machine.run(function* (k) {
    const inode = yield* createFile(k, mountDax(k, 2), "file", 2);
    const mm = createProcess(k, "mm", 2);
    yield* mapFile(k, mm, inode, 0, 2);
    k.current.mm = mm;
    yield* k.touch(mm, 0, true);
    const error = yield* k.memory_failure_dev_pagemap(pfn(0x41));
    return { mm, error };
  });
  if (isBlocked(done)) throw new Error(done.blocked);
  expect(done.error).toBe(0);
  expect(done.mm.pmds.map((pmdp) => machine.see(pmdp))).toEqual([null]);
  expect(machine.warning()).toBe(null);
});
