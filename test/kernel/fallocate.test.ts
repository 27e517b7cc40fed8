// fallocate() where it is refused, and where it moves what is in a file.

import { describe, expect, it } from "vitest";
import { assert } from "../../src/base/assert.ts";
import { kernels } from "../../src/changes/kernels.ts";
import { EFBIG, EINVAL } from "../../src/kernel/include/asm-generic/errno-base.ts";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_PUNCH_HOLE,
  type FallocMode,
  type FileSystemName,
} from "../../src/kernel/include/linux/fs.ts";
import type { KernelVersion } from "../../src/kernel/kernel.ts";
import { boot, isBlocked } from "../../src/kernel/sequential.ts";
import { mappedFile } from "../../src/scenarios/furniture.ts";

/** A file of two pages, which has room for a third, and is mapped and touched; what fallocate() makes of it. */
function fallocated(
  version: KernelVersion,
  type: FileSystemName,
  mode: FallocMode,
  first: number,
  end: number,
) {
  const machine = boot(version);
  const made = machine.run(function* (k) {
    const { inode, mm } = yield* mappedFile(k, type, 3);
    yield* k.do_truncate(inode, 2);
    yield* k.touch(mm, 1, true);
    const rc = yield* k.vfs_fallocate(inode, mode, first, end);
    return { rc, inode, mm };
  });
  assert(!isBlocked(made), "fallocate() waits");
  const { rc, inode, mm } = made;
  return {
    rc,
    size: machine.see(inode.i_size),
    blocks: inode.i_data.map((block) => machine.see(block)),
    mapped: mm.page_table.some((pte) => machine.see(pte) !== null),
  };
}

/** Is the first page of a file in the page cache, that was touched, after a hole was made at the second? */
function staysInCache(version: KernelVersion, type: FileSystemName): boolean {
  const machine = boot(version);
  const mapping = machine.run(function* (k) {
    const { inode, mm } = yield* mappedFile(k, type, 3);
    yield* k.do_truncate(inode, 2);
    yield* k.touch(mm, 0, true);
    yield* k.vfs_fallocate(inode, FALLOC_FL_INSERT_RANGE, 1, 2);
    return inode.i_mapping;
  });
  assert(!isBlocked(mapping), "fallocate() waits");
  const [first] = mapping.i_pages;
  assert(first !== undefined, "the file has no page");
  return machine.see(first) !== null;
}

const breaksFirst = (version: KernelVersion): boolean =>
  version.layers.some((l) => l.change?.name === "ext4-fallocate");

describe.each(kernels)("fallocate() on $release", (version) => {
  it.each([
    ["a range that reaches the end of the file", FALLOC_FL_COLLAPSE_RANGE, 1, 2, -EINVAL],
    ["a hole beyond the end of the file", FALLOC_FL_INSERT_RANGE, 2, 3, -EINVAL],
    ["more than the longest file", FALLOC_FL_INSERT_RANGE, 0, 2, -EFBIG],
    ["more than the longest file, beyond the end", FALLOC_FL_INSERT_RANGE, 2, 4, -EFBIG],
    ["to punch beyond the end of the file", FALLOC_FL_PUNCH_HOLE, 2, 3, 0],
  ] as const)("leaves an ext4 file as it is that is asked for %s", (_, mode, first, end, rc) => {
    expect(fallocated(version, "ext4", mode, first, end)).toEqual({
      rc,
      size: 2,
      blocks: [0x40, 0x41, null],
      mapped: !breaksFirst(version),
    });
  });

  it.each(["ext4", "xfs"] as const)("moves the blocks of an %s file down and up", (type) => {
    expect(fallocated(version, type, FALLOC_FL_COLLAPSE_RANGE, 0, 1)).toEqual({
      rc: 0,
      size: 1,
      blocks: [0x41, null, null],
      mapped: false,
    });
    expect(fallocated(version, type, FALLOC_FL_INSERT_RANGE, 1, 2)).toEqual({
      rc: 0,
      size: 3,
      blocks: [0x40, null, 0x41],
      mapped: false,
    });
  });

  // xfs_prepare_shift() begins a block before what moves; from v6.15 on, breaking the layouts takes all entries away.
  it("leaves the page before a new hole where it is, unless the file is of XFS", () => {
    const takesAll = version.layers.some((l) => l.change?.name === "break-layout-deletes-entries");
    expect(staysInCache(version, "ext4")).toBe(!takesAll);
    expect(staysInCache(version, "xfs")).toBe(false);
  });
});
