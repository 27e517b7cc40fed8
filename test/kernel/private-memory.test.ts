// Memory that only a device reaches: what a page counts while a process has it, and where it is when a processor wanted
// it, or the process gave it up. Table 2.1 of the lifecycle reference.
import { describe, expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import { isTail } from "../../src/kernel/include/linux/mm.ts";
import type { MmStruct } from "../../src/kernel/include/linux/mm_types.ts";
import { isSwpEntry } from "../../src/kernel/include/linux/swapops.ts";
import { chargesAddUp, referencesAddUp, rssCountsMappings } from "../../src/kernel/invariants.ts";
import type { Code, Kernel, KernelVersion } from "../../src/kernel/kernel.ts";
import { FOLL_WRITE } from "../../src/kernel/mm/gup-flags.ts";
import { boot, isBlocked, type Machine } from "../../src/kernel/sequential.ts";
import { addRam, createChild, createProcess, FIRST_RAM } from "../../src/kernel/setup.ts";
import {
  FIRST_COHERENT_PFN,
  FIRST_PRIVATE_PFN,
  mapCoherent,
  mapPrivate,
} from "../../src/kernel/setup-device.ts";

/** Count and mapcount of the page, whether the driver has it, and references of the pgmap. */
function stateOf(machine: Machine): string {
  const page = [...machine.k.world.mem_map.values()].find((p) => p.pfn === FIRST_PRIVATE_PFN);
  const pgmap = page === undefined ? null : machine.see(page.pgmap);
  if (pgmap === null || isTail(pgmap)) return "no pgmap";
  const { refcount, mapcount } = machine.counts(FIRST_PRIVATE_PFN);
  const where = machine.see(pgmap.pool).length === 1 ? "pooled" : "out";
  return `${refcount}/${mapcount} ${where}, ${machine.see(pgmap.ref).count}`;
}

/** The page before and after something is done with it, and page 0 of ordinary memory afterwards. */
function around(
  version: KernelVersion,
  ram: number,
  what: (k: Kernel, mm: MmStruct) => Code<unknown>,
): string[] {
  const machine = boot(version);
  const before = machine.run(function* (k) {
    const mm = createProcess(k, "mm", 1);
    if (ram > 0) yield* addRam(k, ram);
    yield* mapPrivate(k, mm, 0);
    k.current.mm = mm;
    const state = stateOf(machine);
    yield* what(k, mm);
    return state;
  });
  if (isBlocked(before)) return [before.blocked];
  expect(machine.warning()).toBe(null);
  for (const rule of [referencesAddUp, chargesAddUp, rssCountsMappings]) {
    expect(rule.check(machine.k, machine.see)).toBe(null);
  }
  const [mm] = machine.k.world.mms;
  const ptep = mm?.page_table[0];
  const entry = ptep === undefined ? null : machine.see(ptep);
  const kind = isSwpEntry(entry) ? entry.kind : entry === null ? "none" : `pfn 0x${entry.pfn.toString(16)}`;
  return [before, stateOf(machine), kind];
}

// A page that a process has, and one that it has no more. v5.10 keeps a base reference; until v6.1 the pool keeps one,
// and nothing keeps the device.
const table: Readonly<Record<string, readonly [string, string]>> = {
  "v5.10": ["2/1 out, 1", "1/0 pooled, 1"],
  "v5.18": ["1/1 out, 1", "1/0 pooled, 1"],
  "v6.1": ["1/1 out, 2", "0/0 pooled, 1"],
  "v6.12": ["1/1 out, 2", "0/0 pooled, 1"],
  "v6.15": ["1/1 out, 2", "0/0 pooled, 1"],
  "v7.2": ["1/1 out, 2", "0/0 pooled, 1"],
};

describe.each(kernels)("$release: a page that only a device reaches", (version) => {
  const [mapped, free] = table[version.release] ?? [];

  it("goes back to the driver when a processor wants it", () => {
    const got = around(version, 1, function* (k, mm) {
      const fault = yield* k.touch(mm, 0, false);
      expect(fault).toBe("NOPAGE");
    });
    expect(got).toEqual([mapped, free, `pfn 0x${FIRST_RAM.toString(16)}`]);
  });

  it("stays where there is no memory to bring it to", () => {
    const got = around(version, 0, function* (k, mm) {
      const fault = yield* k.touch(mm, 0, true);
      // v7.2 ends the fault with VM_FAULT_OOM; before, the access is tried again.
      expect(fault).toBe(version.release === "v7.2" ? "SIGBUS" : "NOPAGE");
    });
    expect(got).toEqual([mapped, mapped, "device-private"]);
  });

  it("goes back with its mapping", () => {
    const got = around(version, 0, function* (k, mm) {
      const vma = yield* k.vma_lookup(mm, 0);
      if (vma !== null) yield* k.munmap(vma);
    });
    expect(got).toEqual([mapped, free, "none"]);
  });
});

it.each(kernels.slice(2))("$release: a page of coherent memory goes back with its mapping", (version) => {
  const machine = boot(version);
  const anon = machine.run(function* (k) {
    const mm = createProcess(k, "mm", 1);
    yield* mapCoherent(k, mm, 0);
    const vma = yield* k.vma_lookup(mm, 0);
    if (vma !== null) yield* k.munmap(vma);
    return mm.rss_anon;
  });
  expect(machine.counts(FIRST_COHERENT_PFN)).toMatchObject({ refcount: 0, mapcount: 0 });
  expect(isBlocked(anon) ? anon : machine.see(anon)).toBe(0);
  for (const rule of [referencesAddUp, chargesAddUp, rssCountsMappings]) {
    expect(rule.check(machine.k, machine.see)).toBe(null);
  }
});

// It is anonymous: copy_present_ptes() and do_wp_page() ask for that, and not for where the memory is.
describe.each(kernels.slice(2))("$release: fork of coherent memory", (version) => {
  interface Forked {
    readonly machine: Machine;
    readonly rss: (mm: "parent" | "child") => string;
    readonly counts: string;
  }
  function fork(pinned: boolean, after: (k: Kernel, parent: MmStruct) => Code<unknown>): Forked {
    const machine = boot(version);
    const made = machine.run(function* (k) {
      yield* addRam(k, 2);
      const parent = createProcess(k, "parent", 1);
      k.current.mm = parent;
      yield* mapCoherent(k, parent, 0);
      if (pinned) yield* k.pin_user_pages_fast(0, 1, FOLL_WRITE);
      const child = yield* createChild(k, parent, "child");
      yield* k.dup_mmap(parent, child);
      yield* after(k, parent);
      return { parent, child };
    });
    if (isBlocked(made)) throw new Error(made.blocked);
    for (const rule of [referencesAddUp, rssCountsMappings]) {
      expect(rule.check(machine.k, machine.see)).toBe(null);
    }
    const { refcount, mapcount } = machine.counts(FIRST_COHERENT_PFN);
    const rss = (mm: "parent" | "child"): string =>
      `${machine.see(made[mm].rss_anon)}/${machine.see(made[mm].rss_file)}`;
    return { machine, rss, counts: `${refcount}/${mapcount}` };
  }
  const nothing = function* (): Code {};

  it("is shared with the child, who counts it as anonymous", () => {
    const { rss, counts } = fork(false, nothing);
    expect([counts, rss("parent"), rss("child")]).toEqual(["2/2", "1/0", "1/0"]);
  });

  it("is copied to ordinary memory by the parent's next store", () => {
    const { rss, counts } = fork(false, (k, parent) => k.touch(parent, 0, true));
    expect([counts, rss("parent"), rss("child")]).toEqual(["1/1", "1/0", "1/0"]);
  });

  it("stays with the parent if it is pinned: the child gets a copy at once", () => {
    const { rss, counts } = fork(true, nothing);
    expect([counts, rss("parent"), rss("child")]).toEqual(["1025/1", "1/0", "1/0"]);
  });
});
