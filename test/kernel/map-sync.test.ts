// Which files mmap() maps with MAP_SYNC, and what the flag does to a private mapping: nothing.

import { describe, expect, it } from "vitest";
import { assert } from "../../src/base/assert.ts";
import { kernels } from "../../src/changes/kernels.ts";
import type { Code } from "../../src/explore/access.ts";
import { EOPNOTSUPP } from "../../src/kernel/include/asm-generic/errno-base.ts";
import type { FileSystemName, Inode } from "../../src/kernel/include/linux/fs.ts";
import { VM_SHARED, VM_SYNC, VM_WRITE } from "../../src/kernel/include/linux/mm_types.ts";
import { pte_offset } from "../../src/kernel/include/linux/pgtable.ts";
import type { Kernel, KernelVersion } from "../../src/kernel/kernel.ts";
import { boot, isBlocked } from "../../src/kernel/sequential.ts";
import {
  addRam,
  createDevDax,
  createFile,
  createProcess,
  FIRST_RAM,
  mapFile,
  mountDax,
} from "../../src/kernel/setup.ts";
import { createP2pmem } from "../../src/kernel/setup-device.ts";
import { mayFail } from "../../src/kernel/setup-errors.ts";

type File = (k: Kernel) => Code<Inode>;
const dax =
  (type: FileSystemName): File =>
  (k) =>
    createFile(k, mountDax(k, 1, type), "file", 1);

/** What mapping a file comes to: the mapping, or an error; and who maps it. */
function mapped(version: KernelVersion, file: File, flags: number) {
  const machine = boot(version);
  const made = machine.run(function* (k) {
    yield* addRam(k, 1);
    const mm = createProcess(k, "mm", 1);
    const vma = yield* mayFail<unknown>(mapFile(k, mm, yield* file(k), 0, 1, flags));
    return { mm, vma };
  });
  assert(!isBlocked(made), "mmap waits");
  return { machine, ...made };
}

const SHARED = VM_SHARED | VM_WRITE | VM_SYNC;

describe.each(kernels)("MAP_SYNC on $release", (version) => {
  it.each<{ of: string; file: File }>([
    { of: "ext4", file: dax("ext4") },
    { of: "XFS", file: dax("xfs") },
    { of: "a DAX device", file: (k) => createDevDax(k, "dax0.0", 1, 1) },
  ])("maps a file of $of", ({ file }) => {
    const { machine, mm, vma } = mapped(version, file, SHARED);
    expect(machine.see(mm.mm_mt)).toEqual([vma]);
  });

  it("does not map a file of fuse", () => {
    const { machine, mm, vma } = mapped(version, dax("fuse"), SHARED);
    expect([vma, machine.see(mm.mm_mt)]).toEqual([-EOPNOTSUPP, []]);
  });

  it.runIf(version.lacks.createP2pmem === undefined)("does not map a PCI device's memory", () => {
    const p2pmem: File = function* (k) {
      return createP2pmem(k, 1);
    };
    expect(mapped(version, p2pmem, SHARED).vma).toBe(-EOPNOTSUPP);
  });

  it.each(["ext4", "xfs", "fuse"] as const)("does nothing to a private mapping of %s", (type) => {
    const { machine, mm } = mapped(version, dax(type), VM_WRITE | VM_SYNC);
    expect(machine.run((k) => k.touch(mm, 0, true))).toBe("NOPAGE");
    expect(machine.see(pte_offset(mm, 0))?.pfn).toBe(FIRST_RAM);
  });
});
