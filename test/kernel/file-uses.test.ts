// What cannot be done with a file, and what Linux says to it.

import { describe, expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import type { Code } from "../../src/explore/access.ts";
import { EBUSY, EINVAL, EXDEV } from "../../src/kernel/include/asm-generic/errno-base.ts";
import type { FileSystemName, Inode } from "../../src/kernel/include/linux/fs.ts";
import { VM_SHARED, VM_WRITE } from "../../src/kernel/include/linux/mm_types.ts";
import { pte_offset } from "../../src/kernel/include/linux/pgtable.ts";
import { up_read, up_write } from "../../src/kernel/kernel/locking/rwsem.ts";
import type { Kernel, KernelVersion } from "../../src/kernel/kernel.ts";
import { READ_ONCE } from "../../src/kernel/lib/atomic.ts";
import { boot, isBlocked } from "../../src/kernel/sequential.ts";
import { createDevDax, createFile, createProcess, mapFile, mountDax } from "../../src/kernel/setup.ts";
import { mappedFile } from "../../src/scenarios/furniture.ts";

const types: readonly FileSystemName[] = ["ext4", "xfs", "fuse"];
const newest = kernels[kernels.length - 1] as KernelVersion;

/** Runs a program alone, on the newest kernel if no other is named. */
function run<T>(program: (k: Kernel) => Code<T>, kernel: KernelVersion = newest): T {
  const result = boot(kernel).run(program);
  if (isBlocked(result)) throw new Error(`waits for ${result.blocked}`);
  return result;
}

describe("a file", () => {
  it("has a block for each page that is to have one, or is not made", () => {
    const made = (pages: number, filled?: number) => () =>
      run((k) => createFile(k, mountDax(k, 1), "file", pages, filled));
    expect(made(2)).toThrow(
      'PL210: file is to have 2 blocks, and only 1 were free: mount more, or leave holes, createFile(k, sb, "file", 2, 1)',
    );
    expect(made(1, 2)).toThrow("PL210: file has 1 pages, of which 2 cannot have a block");
    expect(made(2, 1)).not.toThrow();
  });

  it.each(types)("is not made longer on %s than it was made", (type) => {
    const truncated = (size: number) => () =>
      run(function* (k) {
        const { inode } = yield* mappedFile(k, type, 2);
        yield* k.do_truncate(inode, 1);
        yield* k.do_truncate(inode, size);
      });
    expect(truncated(2)).not.toThrow();
    expect(truncated(3)).toThrow("PL210: do_truncate() of file to 3 pages: it was made with room for 2");
  });

  it.each(types)("that a process maps on %s has a user who is not the last", (type) => {
    for (const flags of [VM_SHARED | VM_WRITE, VM_WRITE]) {
      const evicted = () =>
        run(function* (k) {
          const inode = yield* createFile(k, mountDax(k, 1, type), "file", 1);
          yield* mapFile(k, createProcess(k, "mm", 1), inode, 0, 1, flags);
          yield* k.evict(inode);
        });
      expect(evicted).toThrow("PL210: evict() of file, which a process maps");
    }
  });

  it.each(types)("is forgotten once on %s", (type) => {
    const evicted = (times: number) => () =>
      run(function* (k) {
        const { inode, vma } = yield* mappedFile(k, type, 1);
        yield* k.munmap(vma);
        for (let i = 0; i < times; i++) yield* k.evict(inode);
      });
    expect(evicted(1)).not.toThrow();
    expect(evicted(2)).toThrow("PL210: evict() of file, which is forgotten already");
  });
});

describe.each(kernels)("on $release", (kernel) => {
  it.each(types)("%s is busy while a file is mapped, and nothing happens to it", (type) => {
    const said = run(function* (k) {
      const { sb, mm, inode, vma } = yield* mappedFile(k, type, 1);
      yield* k.touch(mm, 0, true);
      const busy = yield* k.generic_shutdown_super(sb);
      const pte = yield* READ_ONCE(pte_offset(mm, 0));
      yield* k.munmap(vma);
      const gone = yield* k.generic_shutdown_super(sb);
      const entries = [];
      for (const slot of inode.i_mapping.i_pages) {
        const entry = yield* READ_ONCE(slot);
        entries.push(entry);
      }
      return [busy, pte?.kind, gone, ...entries];
    }, kernel);
    expect(said).toEqual([-EBUSY, "pte", 0, null]);
  });

  it.runIf(kernel.lacks.vfs_clone_file_range === undefined)("FICLONE refuses what cannot be shared", () => {
    const said = run(function* (k) {
      const sb = mountDax(k, 2, "xfs");
      const one = yield* createFile(k, sb, "one", 1);
      const two = yield* createFile(k, sb, "two", 2, 1);
      const other = yield* createFile(k, mountDax(k, 1, "xfs", 0x80), "other", 1);
      const itself = yield* k.vfs_clone_file_range(one, one, 1);
      const more = yield* k.vfs_clone_file_range(one, two, 2);
      const foreign = yield* k.vfs_clone_file_range(one, other, 1);
      // The locks are free again.
      const possible = yield* k.vfs_clone_file_range(one, two, 1);
      return [itself, more, foreign, possible];
    }, kernel);
    expect(said).toEqual([-EINVAL, -EINVAL, -EXDEV, 0]);
  });
});

it("what is only mapped can be neither cut, written nor synced; and a lock is dropped by who holds it", () => {
  const said = (code: (k: Kernel, inode: Inode) => Code<unknown>) => () =>
    run(function* (k) {
      const inode = yield* createDevDax(k, "dax0.0", 4, 1);
      yield* code(k, inode);
    });
  expect(said((k, inode) => k.do_truncate(inode, 0))).toThrow(
    "PL210: do_truncate() of dax0.0: it is the file of a device",
  );
  expect(said((k, inode) => k.vfs_write(inode, 0))).toThrow("PL210: vfs_write() of dax0.0");
  expect(said((k, inode) => k.vfs_fsync(inode))).toThrow("PL210: vfs_fsync() of dax0.0");
  expect(said((k, inode) => k.vfs_unlink(inode))).toThrow("PL210: vfs_unlink() of dax0.0");
  expect(said((_, { i_rwsem }) => up_write(i_rwsem))).toThrow(
    "up_write() of dax0.0.i_rwsem, which nobody holds",
  );
  expect(said((k, { i_rwsem }) => up_read(k, i_rwsem))).toThrow("up_read() of dax0.0.i_rwsem, which");
});
