// A fault on as many pages as a PMD entry maps, and write(2), which does not hold invalidate_lock: the fault looks at its
// whole range in one step, as under the lock of the block map.
import { describe, expect, it } from "vitest";
import { v6_12, v7_2 } from "../../src/changes/kernels.ts";
import { explore } from "../../src/explore/explore.ts";
import { mappingShowsBlockOfFile, noMappingOfFreeBlock } from "../../src/kernel/invariants.ts";
import { programOf, scenario } from "../../src/kernel/scenario.ts";
import { createFile, createProcess, mapFile, mountDax } from "../../src/kernel/setup.ts";

const meeting = (type: "ext4" | "xfs" | "fuse", write: boolean) =>
  scenario({
    name: "pmd-fault-vs-write",
    question: "Does a huge entry map a block that the file does not have?",
    geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
    *setup(k) {
      const sb = mountDax(k, 4, type);
      const inode = yield* createFile(k, sb, "file", 2, 0);
      const mm = createProcess(k, "mm", 2);
      yield* mapFile(k, mm, inode, 0, 2);
      return { inode, mm };
    },
    threads: {
      fault: {
        title: "touch",
        cpu: 0,
        mm: ({ mm }) => mm,
        *run(k, { mm }) {
          yield* k.touch(mm, 0, write);
        },
      },
      write: {
        title: "write(2)",
        cpu: 1,
        *run(k, { inode }) {
          yield* k.vfs_write(inode, 0);
        },
      },
    },
    invariants: [noMappingOfFreeBlock, mappingShowsBlockOfFile],
  });

const kinds = (["ext4", "xfs", "fuse"] as const).flatMap((type) =>
  [false, true].map((write) => ({ type, write, what: write ? "stores to" : "reads" })),
);

describe.each([v6_12, v7_2])("on $release", (version) => {
  it.each(kinds)("a fault that $what a hole of $type maps what the file has", ({ type, write }) => {
    expect(explore(programOf(meeting(type, write), version)).verdict).toBe("holds");
  });
});
