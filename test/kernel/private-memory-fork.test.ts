// fork() of a process that has a page which only a device reaches: both have it, read-only, until a processor wants it or
// they give it up.
import { describe, expect, it } from "vitest";
import { assert } from "../../src/base/assert.ts";
import { kernels } from "../../src/changes/kernels.ts";
import type { Code } from "../../src/explore/access.ts";
import type { MmStruct } from "../../src/kernel/include/linux/mm_types.ts";
import { isSwpEntry } from "../../src/kernel/include/linux/swapops.ts";
import { chargesAddUp, mapcountCountsMappings, referencesAddUp } from "../../src/kernel/invariants.ts";
import type { Kernel, KernelVersion } from "../../src/kernel/kernel.ts";
import { boot, isBlocked } from "../../src/kernel/sequential.ts";
import { addRam, createChild, createProcess, FIRST_RAM } from "../../src/kernel/setup.ts";
import { FIRST_PRIVATE_PFN, mapPrivate } from "../../src/kernel/setup-device.ts";

interface Family {
  readonly parent: MmStruct;
  readonly child: MmStruct;
}

/** Counts of the page and of two pages of ordinary memory, and what both processes have, after a fork and a program. */
function leftBy(version: KernelVersion, program: (k: Kernel, family: Family) => Code<unknown>) {
  const machine = boot(version);
  const { k, see, counts } = machine;
  const family = machine.run(function* () {
    yield* addRam(k, 2);
    const parent = createProcess(k, "parent", 1);
    yield* mapPrivate(k, parent, 0);
    const child = yield* createChild(k, parent, "child");
    yield* k.dup_mmap(parent, child);
    yield* program(k, { parent, child });
    return { parent, child };
  });
  assert(!isBlocked(family), "somebody waits");
  expect(machine.warning()).toBe(null);
  for (const rule of [referencesAddUp, mapcountCountsMappings, chargesAddUp]) {
    expect(rule.check(k, see)).toBe(null);
  }
  const shown = (pfn: number): string => `${counts(pfn).refcount}/${counts(pfn).mapcount}`;
  const entryOf = (mm: MmStruct): string => {
    const entry = mm.page_table[0] === undefined ? null : see(mm.page_table[0]);
    if (entry === null) return "none";
    const what = isSwpEntry(entry) ? entry.kind : `RAM ${entry.pfn - FIRST_RAM}`;
    return `${what}${entry.write ? ", writable" : ""}`;
  };
  return {
    page: shown(FIRST_PRIVATE_PFN),
    ram: [shown(FIRST_RAM), shown(FIRST_RAM + 1)],
    entries: [entryOf(family.parent), entryOf(family.child)],
    rss: [see(family.parent.rss_anon), see(family.child.rss_anon)],
  };
}

function* unmap(k: Kernel, mm: MmStruct): Code {
  yield* k.vm_munmap(mm, 0, 1);
}

describe.each(kernels)("a page that only a device reaches, and fork(), on $release", (version) => {
  // v5.10 has a base reference beyond the users; a page in the pool of v5.18 has one, too.
  const used = (n: number): string => `${version.release === "v5.10" ? n + 1 : n}/${n}`;
  const pooled = ["v5.10", "v5.18"].includes(version.release) ? "1/0" : "0/0";

  it("is shared, and neither may write to it", () => {
    const found = leftBy(version, function* () {});
    expect(found).toEqual({
      page: used(2),
      ram: ["0/0", "0/0"],
      entries: ["device-private", "device-private"],
      rss: [1, 1],
    });
  });

  it("comes back for both when one of them reads it", () => {
    const found = leftBy(version, (k, { child }) => k.touch(child, 0, false));
    expect(found).toEqual({ page: pooled, ram: ["2/2", "0/0"], entries: ["RAM 0", "RAM 0"], rss: [1, 1] });
  });

  it("is copied for the one that stores to it", () => {
    const found = leftBy(version, function* (k, { child }) {
      yield* k.touch(child, 0, true);
      yield* k.touch(child, 0, true);
    });
    expect(found).toEqual({
      page: pooled,
      ram: ["1/1", "1/1"],
      entries: ["RAM 0", "RAM 1, writable"],
      rss: [1, 1],
    });
  });

  it("stays with the one when the other gives it up, and is given back by the last", () => {
    expect(leftBy(version, (k, { parent }) => unmap(k, parent))).toMatchObject({
      page: used(1),
      entries: ["none", "device-private"],
      rss: [0, 1],
    });
    const both = leftBy(version, function* (k, { parent, child }) {
      yield* unmap(k, child);
      yield* unmap(k, parent);
    });
    expect(both).toMatchObject({ page: pooled, entries: ["none", "none"], rss: [0, 0] });
  });
});
