// Who may pin what for long, by which path: table 3.4 of the lifecycle reference, a row for each of its cells and each
// kernel.

import { describe, expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import type { Code } from "../../src/explore/access.ts";
import { EFAULT, EINVAL, EOPNOTSUPP, EREMOTEIO } from "../../src/kernel/include/asm-generic/errno-base.ts";
import { GUP_PIN_COUNTING_BIAS } from "../../src/kernel/include/linux/mm.ts";
import type { MmStruct, Page } from "../../src/kernel/include/linux/mm_types.ts";
import { down_read, up_read } from "../../src/kernel/kernel/locking/rwsem.ts";
import type { Kernel, KernelVersion } from "../../src/kernel/kernel.ts";
import { FOLL_LONGTERM, FOLL_PIN, FOLL_WRITE } from "../../src/kernel/mm/gup-flags.ts";
import { boot } from "../../src/kernel/sequential.ts";
import {
  addRam,
  createDevDax,
  createFile,
  createProcess,
  FIRST_DEV_DAX_PFN,
  mapFile,
  mountDax,
} from "../../src/kernel/setup.ts";
import { createP2pmem, mapCoherent, mapPrivate } from "../../src/kernel/setup-device.ts";

const GEOMETRY = { PTRS_PER_PTE: 4, PTRS_PER_PMD: 2 };
const PAGES = 8;

/** A process whose first page is of that memory. */
const memories: Record<string, (k: Kernel, mm: MmStruct) => Code<unknown>> = {
  *"FS-DAX"(k, mm) {
    const inode = yield* createFile(k, mountDax(k, PAGES), "file", PAGES);
    yield* mapFile(k, mm, inode, 0, 1);
  },
  *"device-dax"(k, mm) {
    yield* mapFile(k, mm, yield* createDevDax(k, "dax0.0", PAGES, 1), 0, PAGES);
  },
  *"device-dax, PMD"(k, mm) {
    yield* mapFile(k, mm, yield* createDevDax(k, "dax0.0", PAGES, 4), 0, PAGES);
  },
  *"device-dax, PUD"(k, mm) {
    yield* mapFile(k, mm, yield* createDevDax(k, "dax0.0", PAGES, 8), 0, PAGES);
  },
  *P2PDMA(k, mm) {
    yield* mapFile(k, mm, createP2pmem(k, 2), 0, 1);
  },
  *PRIVATE(k, mm) {
    yield* addRam(k, 1);
    yield* mapPrivate(k, mm, 0);
  },
  *COHERENT(k, mm) {
    yield* addRam(k, 1);
    yield* mapCoherent(k, mm, 0);
  },
};

type Path = "fast" | "slow";

const errors: Readonly<Record<number, string>> = {
  [-EFAULT]: "EFAULT",
  [-EINVAL]: "EINVAL",
  [-EOPNOTSUPP]: "EOPNOTSUPP",
  [-EREMOTEIO]: "EREMOTEIO",
};

/** What a pin for long comes to: `allowed`, `fallback` to the slow path, an error, or `migrated` to RAM and pinned. */
function outcome(version: KernelVersion, memory: string, path: Path, write: boolean): unknown {
  const machine = boot(version, { geometry: GEOMETRY });
  const flags = FOLL_LONGTERM | (write ? FOLL_WRITE : 0);
  return machine.run(function* (k) {
    const mm = createProcess(k, "mm", PAGES);
    yield* memories[memory]?.(k, mm) ?? (function* () {})();
    k.current.mm = mm;
    // A touch would bring it back already.
    if (memory !== "PRIVATE") yield* k.touch(mm, 0, true);
    let pages: readonly Page[] | number;
    if (path === "fast") pages = yield* k.pin_user_pages_fast_only(0, 1, flags);
    else {
      yield* down_read(k, mm.mmap_lock);
      pages = yield* k.__gup_longterm_locked(mm, 0, 1, flags | FOLL_PIN);
      yield* up_read(k, mm.mmap_lock);
    }
    if (typeof pages === "number") return errors[pages] ?? pages;
    const [page] = pages;
    if (page === undefined) return "fallback";
    return page.zone === "ZONE_NORMAL" ? "migrated" : "allowed";
  });
}

// Kernel, memory, then fast and slow, each for reading and for writing. Coherent memory came with v6.0; v6.14 forgot to
// move it (check_and_migrate_movable_pages_or_folios() with list_empty()), which v7.2 does again. v6.15 marks
// huge entries special by mistake, so that its fast path stops there. Programs map P2PDMA from v6.2 on, through a file of
// sysfs, which asks for notice of writes: that is looked at before the page is (v6.5).
const table: readonly (readonly [string, string, string, string, string, string])[] = [
  ["v5.10", "FS-DAX", "fallback", "fallback", "EOPNOTSUPP", "EOPNOTSUPP"],
  ["v5.18", "FS-DAX", "fallback", "fallback", "EOPNOTSUPP", "EOPNOTSUPP"],
  ["v6.1", "FS-DAX", "fallback", "fallback", "EOPNOTSUPP", "EOPNOTSUPP"],
  ["v6.12", "FS-DAX", "fallback", "fallback", "EOPNOTSUPP", "EOPNOTSUPP"],
  ["v6.15", "FS-DAX", "fallback", "fallback", "EOPNOTSUPP", "EOPNOTSUPP"],
  ["v7.2", "FS-DAX", "fallback", "fallback", "EOPNOTSUPP", "EOPNOTSUPP"],
  ["v5.10", "device-dax", "fallback", "fallback", "allowed", "allowed"],
  ["v5.18", "device-dax", "fallback", "fallback", "allowed", "allowed"],
  ["v6.1", "device-dax", "fallback", "fallback", "allowed", "allowed"],
  ["v6.12", "device-dax", "fallback", "fallback", "allowed", "allowed"],
  ["v6.15", "device-dax", "allowed", "fallback", "allowed", "allowed"],
  ["v7.2", "device-dax", "allowed", "fallback", "allowed", "allowed"],
  ["v5.10", "device-dax, PMD", "fallback", "fallback", "allowed", "allowed"],
  ["v5.18", "device-dax, PMD", "fallback", "fallback", "allowed", "allowed"],
  ["v6.1", "device-dax, PMD", "fallback", "fallback", "allowed", "allowed"],
  ["v6.12", "device-dax, PMD", "fallback", "fallback", "allowed", "allowed"],
  ["v6.15", "device-dax, PMD", "fallback", "fallback", "allowed", "allowed"],
  ["v7.2", "device-dax, PMD", "allowed", "fallback", "allowed", "allowed"],
  ["v5.10", "device-dax, PUD", "fallback", "fallback", "allowed", "allowed"],
  ["v5.18", "device-dax, PUD", "fallback", "fallback", "allowed", "allowed"],
  ["v6.1", "device-dax, PUD", "fallback", "fallback", "allowed", "allowed"],
  ["v6.12", "device-dax, PUD", "fallback", "fallback", "allowed", "allowed"],
  ["v6.15", "device-dax, PUD", "fallback", "fallback", "allowed", "allowed"],
  ["v7.2", "device-dax, PUD", "allowed", "fallback", "allowed", "allowed"],
  ["v6.1", "COHERENT", "fallback", "fallback", "migrated", "migrated"],
  ["v6.12", "COHERENT", "fallback", "fallback", "migrated", "migrated"],
  ["v6.15", "COHERENT", "fallback", "fallback", "allowed", "allowed"],
  ["v7.2", "COHERENT", "fallback", "fallback", "migrated", "migrated"],
  ["v6.12", "P2PDMA", "fallback", "fallback", "EREMOTEIO", "EFAULT"],
  ["v6.15", "P2PDMA", "fallback", "fallback", "EREMOTEIO", "EFAULT"],
  ["v5.10", "PRIVATE", "fallback", "fallback", "migrated", "migrated"],
  ["v5.18", "PRIVATE", "fallback", "fallback", "migrated", "migrated"],
  ["v6.1", "PRIVATE", "fallback", "fallback", "migrated", "migrated"],
  ["v6.12", "PRIVATE", "fallback", "fallback", "migrated", "migrated"],
  ["v6.15", "PRIVATE", "fallback", "fallback", "migrated", "migrated"],
  ["v7.2", "PRIVATE", "fallback", "fallback", "migrated", "migrated"],
  ["v7.2", "P2PDMA", "fallback", "fallback", "EREMOTEIO", "EFAULT"],
];

/** The kernels that move coherent memory before it is pinned for long. */
const moving = kernels.filter(({ release }) => ["v6.1", "v6.12", "v7.2"].includes(release));

describe("FOLL_LONGTERM", () => {
  it.each(table)("%s, %s", (release, memory, ...expected) => {
    const version = kernels.find((k) => k.release === release);
    if (version === undefined) throw new Error(`no kernel ${release}`);
    const paths: readonly Path[] = ["fast", "slow"];
    const found = paths.flatMap((path) => [false, true].map((w) => outcome(version, memory, path, w)));
    expect(found).toEqual(expected);
  });

  it.each(moving)("$release: coherent memory is free when its page has moved", (version) => {
    const machine = boot(version, { geometry: GEOMETRY });
    const counts = machine.run(function* (k) {
      const mm = createProcess(k, "mm", PAGES);
      yield* addRam(k, 1);
      const page = yield* mapCoherent(k, mm, 0);
      k.current.mm = mm;
      yield* k.pin_user_pages_fast(0, 1, FOLL_LONGTERM | FOLL_WRITE);
      return page.pfn;
    });
    if (typeof counts !== "number") throw new Error("it waits");
    expect(machine.counts(counts)).toMatchObject({ refcount: 0, mapcount: 0 });
  });

  it.each(moving)("$release: coherent memory that somebody else uses stays, and the pin fails", (version) => {
    const machine = boot(version, { geometry: GEOMETRY });
    const got = machine.run(function* (k) {
      const mm = createProcess(k, "mm", PAGES);
      yield* addRam(k, 1);
      yield* mapCoherent(k, mm, 0);
      k.current.mm = mm;
      yield* k.get_user_pages_fast(0, 1, FOLL_WRITE);
      return yield* k.pin_user_pages_fast(0, 1, FOLL_LONGTERM | FOLL_WRITE);
    });
    expect(got).toBe(-16);
    expect(machine.counts(0x2000)).toMatchObject({ refcount: 2, mapcount: 1 });
  });

  // check_dax_vmas() @ v5.10 looks at all mappings afterwards; later each is looked at when its first page is taken.
  it.each(kernels)("$release: a range that ends in a DAX file", (version) => {
    const machine = boot(version, { geometry: GEOMETRY });
    const got = machine.run(function* (k) {
      const mm = createProcess(k, "mm", PAGES);
      yield* mapFile(k, mm, yield* createDevDax(k, "dax0.0", 1, 1), 0, 1);
      const inode = yield* createFile(k, mountDax(k, 1), "file", 1);
      yield* mapFile(k, mm, inode, 1, 1);
      k.current.mm = mm;
      return yield* k.pin_user_pages_fast(0, 2, FOLL_LONGTERM);
    });
    const taken = Array.isArray(got) ? got.length : got;
    expect(taken).toBe(version.release === "v5.10" ? -EOPNOTSUPP : 1);
    const { refcount } = machine.counts(FIRST_DEV_DAX_PFN);
    expect(refcount >= GUP_PIN_COUNTING_BIAS).toBe(version.release !== "v5.10");
  });
});
