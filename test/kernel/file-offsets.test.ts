import { expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import { pte_offset } from "../../src/kernel/include/linux/pgtable.ts";
import { boot, isBlocked } from "../../src/kernel/sequential.ts";
import { createFile, createProcess, FIRST_PFN, mapFile, mountDax } from "../../src/kernel/setup.ts";

it.each(
  kernels.map((k) => [k.release, k] as const),
)("on %s, two mappings side by side show a file as one", (_, version) => {
  const machine = boot(version);
  const made = machine.run(function* setup(k) {
    const sb = mountDax(k, 2);
    const inode = yield* createFile(k, sb, "file", 2);
    const mm = createProcess(k, "mm", 2);
    const first = yield* mapFile(k, mm, inode, 0, 1);
    const second = yield* mapFile(k, mm, inode, 1, 1, first.vm_flags, 1);
    k.current.mm = mm;
    yield* k.touch(mm, 0, true);
    yield* k.touch(mm, 1, true);
    return { inode, mm, second };
  });
  if (isBlocked(made)) throw new Error(made.blocked);
  const { inode, mm, second } = made;
  const mapped = (): (number | undefined)[] => [0, 1].map((i) => machine.see(pte_offset(mm, i))?.pfn);

  expect(mapped()).toEqual([FIRST_PFN, FIRST_PFN + 1]);
  machine.run((k) => k.munmap(second), mm);
  expect(mapped()).toEqual([FIRST_PFN, undefined]);
  machine.run((k) => k.ext4_punch_hole(inode, 1, 2));
  expect(machine.see(inode.i_data[1] as never)).toBeNull();
});

it.each(
  kernels.map((k) => [k.release, k] as const),
)("on %s, a write beyond the end makes a file longer", (_, version) => {
  const machine = boot(version);
  const inode = machine.run(function* setup(k) {
    const sb = mountDax(k, 3, "xfs");
    const file = yield* createFile(k, sb, "file", 3);
    yield* k.do_truncate(file, 1);
    yield* k.vfs_write(file, 0);
    return file;
  });
  if (isBlocked(inode)) throw new Error(inode.blocked);
  expect(machine.see(inode.i_size)).toBe(1);
  machine.run((k) => k.vfs_write(inode, 1));
  expect(machine.see(inode.i_size)).toBe(2);
});
