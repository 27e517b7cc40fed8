// A load of a virtio-fs file is given a page of the window as a store is, also where the file has none now: a hole, or a
// page that was taken away from it. Beyond the end there is none to be had.
import { describe, expect, it } from "vitest";
import { assert } from "../../src/base/assert.ts";
import { kernels } from "../../src/changes/kernels.ts";
import type { Code } from "../../src/explore/access.ts";
import { explore } from "../../src/explore/explore.ts";
import { pmd_offset, pte_offset } from "../../src/kernel/include/linux/pgtable.ts";
import { noPinOnFreeBlock } from "../../src/kernel/invariants.ts";
import type { Kernel, KernelVersion } from "../../src/kernel/kernel.ts";
import { programOf, scenario } from "../../src/kernel/scenario.ts";
import { boot, isBlocked } from "../../src/kernel/sequential.ts";
import { createFile, createProcess, mapFile, mountDax } from "../../src/kernel/setup.ts";
import { holdPage, mappedFile } from "../../src/scenarios/furniture.ts";

/** What a page counts, refcount/mapcount: up to v6.12 entries hold no reference, and a page that nobody uses counts 1. */
const entriesCount = ({ release }: KernelVersion): boolean => ["v6.15", "v7.2"].includes(release);

function machineWith<W>(version: KernelVersion, setup: (k: Kernel) => Code<W>, ptrs: number = 512) {
  const machine = boot(version, { geometry: { PTRS_PER_PTE: ptrs, PTRS_PER_PMD: 2 } });
  const w = machine.run(setup);
  assert(!isBlocked(w), "somebody waits");
  const counts = (pfn: number): string => `${machine.counts(pfn).refcount}/${machine.counts(pfn).mapcount}`;
  return { machine, see: machine.see, counts, w };
}

describe.each(kernels)("a load on $release", (version) => {
  const mapped = entriesCount(version) ? "1/1" : "1/0";
  const unused = entriesCount(version) ? "0/0" : "1/0";

  it("of a hole is given a page of the window", () => {
    const { see, counts, w } = machineWith(version, function* (k) {
      const sb = mountDax(k, 2, "fuse");
      const inode = yield* createFile(k, sb, "file", 2, 1);
      const mm = createProcess(k, "mm", 2);
      yield* mapFile(k, mm, inode, 0, 2);
      return { sb, inode, mm, fault: yield* k.touch(mm, 1, false) };
    });
    expect(w.fault).toBe("NOPAGE");
    expect(see(pte_offset(w.mm, 1))?.pfn).toBe(0x41);
    expect(w.inode.i_mapping.i_pages.map((entry) => see(entry)?.kind)).toEqual([undefined, "normal"]);
    expect(see(w.sb.free_blocks)).toEqual([]);
    expect(counts(0x41)).toBe(mapped);
  });

  it("of a huge hole is given as many as a PMD maps", () => {
    const { machine, see, w } = machineWith(
      version,
      function* (k) {
        const inode = yield* createFile(k, mountDax(k, 2, "fuse"), "file", 2, 0);
        const mm = createProcess(k, "mm", 2);
        yield* mapFile(k, mm, inode, 0, 2);
        return { mm, fault: yield* k.touch(mm, 1, false) };
      },
      2,
    );
    expect(w.fault).toBe("NOPAGE");
    const pmd = pmd_offset(machine.k, w.mm, 0);
    expect(pmd === null ? null : see(pmd)).toMatchObject({ kind: "pmd", pfn: 0x40 });
  });

  it("brings what was taken away back, where the window is free", () => {
    const { see, counts, w } = machineWith(version, function* (k) {
      const sb = mountDax(k, 2, "fuse");
      const one = yield* createFile(k, sb, "one", 1);
      const two = yield* createFile(k, sb, "two", 1);
      const mm = createProcess(k, "mm", 2);
      yield* mapFile(k, mm, one, 0, 1);
      yield* mapFile(k, mm, two, 1, 1);
      yield* k.touch(mm, 0, true);
      yield* k.touch(mm, 1, true);
      for (const file of [one, two]) yield* k.lookup_and_reclaim_dmap(file, 0, 1);
      return { mm, two, fault: yield* k.touch(mm, 1, false) };
    });
    expect(w.fault).toBe("NOPAGE");
    // It was in page 0x41, and the lower one is free, too.
    expect([see(pte_offset(w.mm, 0)), see(pte_offset(w.mm, 1))?.pfn]).toEqual([null, 0x40]);
    expect(w.two.i_data.map((block) => see(block))).toEqual([0x40]);
    expect([counts(0x40), counts(0x41)]).toEqual([mapped, unused]);
  });

  it("beyond the end is a SIGBUS, until a write past the window has moved the end", () => {
    const { machine, see, w } = machineWith(version, function* (k) {
      const { sb, inode, mm } = yield* mappedFile(k, "fuse", 2);
      yield* k.do_truncate(inode, 1);
      return { sb, inode, mm, fault: yield* k.touch(mm, 1, false) };
    });
    expect(w.fault).toBe("SIGBUS");
    machine.run((k) => k.vfs_write(w.inode, 1));
    expect(see(w.sb.free_blocks)).toEqual([0x41]);
    expect(machine.run((k) => k.touch(w.mm, 1, false))).toBe("NOPAGE");
    expect(see(w.sb.free_blocks)).toEqual([]);
  });
});

/** Somebody holds a page that a load has brought back, while the inode is forgotten. */
const readHoldVsEvict = scenario({
  name: "read-hold-vs-evict-of-fuse",
  question: "Is a page of the window free that is held, if a load has brought it back?",
  *setup(k) {
    const { inode, mm, vma } = yield* mappedFile(k, "fuse", 1, 1);
    yield* k.touch(mm, 0, true);
    yield* k.lookup_and_reclaim_dmap(inode, 0, 1);
    const pages = yield* holdPage(k, 0);
    yield* k.munmap(vma);
    return { inode, pages };
  },
  threads: {
    evict: {
      title: "evict",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.evict(inode);
      },
    },
    put: {
      title: "put",
      cpu: 1,
      *run(k, { pages: [page] }) {
        if (page !== undefined) yield* k.put_user_page(page);
      },
    },
  },
  invariants: [noPinOnFreeBlock],
});

// fuse-evict-waits-for-pins (v6.16) mends it, as in umount-of-fuse-vs-pin.
it.each(kernels)("what a load brought back is free while it is held on $release, up to v6.15", (version) => {
  const { property } = explore(programOf(readHoldVsEvict, version));
  expect(property).toBe(version.release === "v7.2" ? null : "no-pin-on-free-block");
});
