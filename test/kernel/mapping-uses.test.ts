// What cannot be done with the mappings of a process.
import { expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import type { Code } from "../../src/explore/access.ts";
import type { Inode } from "../../src/kernel/include/linux/fs.ts";
import type { MmStruct } from "../../src/kernel/include/linux/mm_types.ts";
import type { Kernel, KernelVersion } from "../../src/kernel/kernel.ts";
import { boot } from "../../src/kernel/sequential.ts";
import { createChild, createFile, createProcess, mapFile, mountDax } from "../../src/kernel/setup.ts";
import { mapPrivate } from "../../src/kernel/setup-device.ts";

interface World {
  readonly mm: MmStruct;
  readonly inode: Inode;
}

it.each<{ name: string; says: string; code: (k: Kernel, w: World) => Code<unknown> }>([
  {
    name: "a mapping beyond the process",
    says: 'mm has no room for 2 pages from page 3 on: createProcess(k, "mm", 4) made it',
    code: (k, { mm, inode }) => mapFile(k, mm, inode, 3, 2),
  },
  {
    name: "a mapping of no page",
    says: "mm has no room for 0 pages",
    code: (k, { mm, inode }) => mapFile(k, mm, inode, 3, 0),
  },
  {
    name: "a mapping over another",
    says: "mm maps pages 1 to 2, of which some are mapped already",
    code: (k, { mm, inode }) => mapFile(k, mm, inode, 1, 2),
  },
  {
    name: "private device memory over a mapping",
    says: "mm maps pages 1 to 1, of which some are mapped already",
    code: (k, { mm }) => mapPrivate(k, mm, 1),
  },
  {
    name: "a fork into the process itself",
    says: 'mm is no child of mm; setup makes one with createChild(k, mm, "child")',
    code: (k, { mm }) => k.dup_mmap(mm, mm),
  },
  {
    name: "a fork into a process that is no child",
    says: "other is no child of mm",
    code: (k, { mm }) => k.dup_mmap(mm, createProcess(k, "other", 4)),
  },
  {
    name: "two forks into one child",
    says: "child maps pages 0 to 1, of which some are mapped already",
    *code(k, { mm }) {
      const child = yield* createChild(k, mm, "child");
      yield* k.dup_mmap(mm, child);
      yield* k.dup_mmap(mm, child);
    },
  },
])("$name", ({ says, code }) => {
  const newest = kernels[kernels.length - 1] as KernelVersion;
  const used = () =>
    boot(newest).run(function* (k) {
      const inode = yield* createFile(k, mountDax(k, 2), "file", 2);
      const mm = createProcess(k, "mm", 4);
      yield* mapFile(k, mm, inode, 0, 2);
      yield* code(k, { mm, inode });
    });
  expect(used).toThrow(/^PL210: /);
  expect(used).toThrow(says);
});

it("boot() says what it takes where it is given the name of a kernel", () => {
  expect(() => boot("v7.2" as never)).toThrow(
    "PL210: boot() takes one of kernels, from pagelife/kernels, and was given v7.2",
  );
});
