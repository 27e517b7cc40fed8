// Whose an anonymous page is that somebody has pinned: from v5.19 on the page says so itself; before, fork() asks of every
// page whether it may be pinned, and a store copies every page that has more than one reference.
import { describe, expect, it } from "vitest";
import { assert } from "../../src/base/assert.ts";
import { kernels } from "../../src/changes/kernels.ts";
import type { Code } from "../../src/explore/access.ts";
import { type MmStruct, VM_WRITE } from "../../src/kernel/include/linux/mm_types.ts";
import { pinnedAnonPageIsExclusive } from "../../src/kernel/invariants.ts";
import type { Kernel, KernelVersion } from "../../src/kernel/kernel.ts";
import { FOLL_WRITE } from "../../src/kernel/mm/gup-flags.ts";
import { boot, isBlocked } from "../../src/kernel/sequential.ts";
import {
  addRam,
  createChild,
  createFile,
  createProcess,
  FIRST_RAM,
  mapFile,
  mountDax,
} from "../../src/kernel/setup.ts";

interface Family {
  readonly parent: MmStruct;
  readonly first: MmStruct;
  readonly second: MmStruct;
}

/** What the pages of ordinary memory count, which of them each process maps, and what the rule says. */
function leftBy(version: KernelVersion, program: (k: Kernel, family: Family) => Code<unknown>) {
  const machine = boot(version);
  const family = machine.run(function* (k) {
    yield* addRam(k, 4);
    const inode = yield* createFile(k, mountDax(k, 1), "file", 1);
    const parent = createProcess(k, "parent", 1);
    yield* mapFile(k, parent, inode, 0, 1, VM_WRITE);
    const first = yield* createChild(k, parent, "first");
    const second = yield* createChild(k, parent, "second");
    k.current.mm = parent;
    yield* k.touch(parent, 0, true);
    yield* program(k, { parent, first, second });
    return { parent, first, second };
  });
  assert(!isBlocked(family), "somebody waits");
  const { see, k } = machine;
  const page = (mm: MmStruct): string => {
    const pte = mm.page_table[0] === undefined ? null : see(mm.page_table[0]);
    return pte === null || !("write" in pte) ? "-" : `${pte.pfn - FIRST_RAM}${pte.write ? "w" : "r"}`;
  };
  return {
    counts: [0, 1, 2].map((i) => machine.counts(FIRST_RAM + i).refcount),
    maps: [family.parent, family.first, family.second].map(page),
    rule: pinnedAnonPageIsExclusive.check(k, see),
  };
}

describe.each(kernels)("pins of anonymous pages on $release", (version) => {
  const knows = !["v5.10", "v5.18"].includes(version.release);

  it("leaves a pinned page to its process, which may still write to it", () => {
    const found = leftBy(version, function* (k, { parent, first }) {
      yield* k.pin_user_pages_fast(0, 1, FOLL_WRITE);
      yield* k.dup_mmap(parent, first);
    });
    expect(found).toEqual({ counts: [1025, 1, 0], maps: ["0w", "1w", "-"], rule: null });
  });

  it("pins for reading what fork() has shared, before v5.19; and copies it for the next child", () => {
    const found = leftBy(version, function* (k, { parent, first, second }) {
      yield* k.dup_mmap(parent, first);
      yield* k.pin_user_pages_fast(0, 1, 0);
      yield* k.dup_mmap(parent, second);
    });
    if (knows) expect(found).toEqual({ counts: [1, 1025, 1], maps: ["1r", "0r", "2w"], rule: null });
    else {
      expect(found).toMatchObject({ counts: [1026, 1, 0], maps: ["0r", "0r", "1w"] });
      expect(found.rule).toMatch(/a store to it would go to a copy/);
    }
  });

  it("copies a page for a store, before v5.19, though only a pin keeps its count up", () => {
    const found = leftBy(version, function* (k, { parent, first }) {
      yield* k.dup_mmap(parent, first);
      yield* k.pin_user_pages_fast(0, 1, 0);
      for (const vma of first.vmas) yield* k.munmap(vma);
      yield* k.touch(parent, 0, true);
    });
    // Since v5.19 the pin has made the process a page of its own, and that is written to in place.
    if (knows) expect(found).toEqual({ counts: [0, 1025, 0], maps: ["1w", "-", "-"], rule: null });
    else expect(found).toMatchObject({ counts: [1024, 1, 0], maps: ["1w", "-", "-"] });
  });
});
