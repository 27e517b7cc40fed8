// Pages of the window that the host shares with virtio-fs: when a file writes them back, and when others may have them.
import { describe, expect, it } from "vitest";
import { assert } from "../../src/base/assert.ts";
import { kernels } from "../../src/changes/kernels.ts";
import type { Code } from "../../src/explore/index.ts";
import { FALLOC_FL_PUNCH_HOLE, type Inode } from "../../src/kernel/include/linux/fs.ts";
import type { VmArea } from "../../src/kernel/include/linux/mm_types.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import { boot, isBlocked } from "../../src/kernel/sequential.ts";
import { createFile, createProcess, mapFile, mountDax } from "../../src/kernel/setup.ts";

interface World {
  readonly inode: Inode;
  readonly vma: VmArea;
}

/** A file of two pages that is mapped, and of which both pages were stored to. */
function* storedFile(k: Kernel): Code<World> {
  const inode = yield* createFile(k, mountDax(k, 2, "fuse"), "file", 2);
  const mm = createProcess(k, "mm", 2);
  const vma = yield* mapFile(k, mm, inode, 0, 2);
  yield* k.touch(mm, 0, true);
  yield* k.touch(mm, 1, true);
  return { inode, vma };
}

describe.each(kernels)("virtio-fs on $release", (version) => {
  const stateAfter = (work: (k: Kernel, world: World) => Code<unknown>) => {
    const machine = boot(version);
    const inode = machine.run(function* (k) {
      const world = yield* storedFile(k);
      yield* work(k, world);
      return world.inode;
    });
    assert(!isBlocked(inode), "it waits");
    return {
      free: machine.see(inode.i_sb.free_blocks),
      dirty: inode.i_mapping.i_marks.map((marks) => machine.see(marks).dirty),
    };
  };

  it("writes back what follows a hole, before the host punches it", () => {
    const { free, dirty } = stateAfter((k, { inode }) => k.vfs_fallocate(inode, FALLOC_FL_PUNCH_HOLE, 0, 1));
    expect({ free, dirty }).toEqual({ free: [0x40], dirty: [false, false] });
  });

  it("leaves what is before a hole as it is, unless breaking layouts takes all entries", () => {
    const { dirty } = stateAfter((k, { inode }) => k.vfs_fallocate(inode, FALLOC_FL_PUNCH_HOLE, 1, 2));
    const takesAll = version.layers.some((l) => l.change?.name === "break-layout-deletes-entries");
    expect(dirty).toEqual([!takesAll, false]);
  });

  it("gives the pages of a file that is forgotten to others, though it has a name", () => {
    const { free } = stateAfter(function* (k, { inode, vma }) {
      yield* k.munmap(vma);
      yield* k.evict(inode);
    });
    expect(free).toEqual([0x40, 0x41]);
  });

  it("has nobody to give them to once it is unmounted", () => {
    const { free } = stateAfter(function* (k, { inode, vma }) {
      yield* k.munmap(vma);
      yield* k.generic_shutdown_super(inode.i_sb);
    });
    expect(free).toEqual([]);
  });
});
