import { describe, expect, it } from "vitest";
import { v6_12, v7_2 } from "../../changes/kernels.ts";
import { VM_NOHUGEPAGE, VM_SHARED, VM_WRITE } from "../include/linux/mm_types.ts";
import { boot } from "../sequential.ts";
import { createFile, createProcess, mapFile, mountDax } from "../setup.ts";

const geometry = { PTRS_PER_PTE: 4, PTRS_PER_PMD: 4 };
const SMALL = VM_SHARED | VM_WRITE | VM_NOHUGEPAGE;

describe("munmap", () => {
  it("does nothing the second time", () => {
    const { k, run, counts } = boot(v7_2);
    run(function* twice(): ReturnType<typeof k.munmap> {
      const inode = yield* createFile(k, mountDax(k, 1), "file", 1);
      const mm = createProcess(k, "mm", 1);
      const vma = yield* mapFile(k, mm, inode, 0, 1);
      yield* k.touch(mm, 0, true);
      yield* k.munmap(vma);
      yield* k.munmap(vma);
    });
    expect(counts(0x40)).toMatchObject({ refcount: 0, mapcount: 0 });
  });

  it.each([v6_12, v7_2])("keeps a table that another mapping reaches into, on $release", (version) => {
    const { k, run, see, counts } = boot(version, { geometry });
    const mm = run(function* neighbours() {
      const inode = yield* createFile(k, mountDax(k, 2), "file", 2);
      const process = createProcess(k, "mm", 4);
      const first = yield* mapFile(k, process, inode, 0, 2, SMALL);
      const second = yield* mapFile(k, process, inode, 2, 2, SMALL);
      yield* k.touch(process, 0, true);
      yield* k.touch(process, 2, true);
      yield* k.munmap(first);
      return { process, second };
    });
    if ("blocked" in mm) throw new Error(mm.blocked);
    const [pmd] = mm.process.pmds;
    expect(pmd && see(pmd)).toBe("table");
    const mapped = counts(0x40).mapcount;
    run(function* last() {
      yield* k.munmap(mm.second);
    });
    expect(pmd && see(pmd)).toBe(null);
    // v6.12 counts no mappings of DAX pages.
    expect([mapped, counts(0x40).mapcount]).toEqual(version === v7_2 ? [1, 0] : [0, 0]);
  });
});
