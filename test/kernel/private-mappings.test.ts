// Private mappings and fork(): what the page of the file counts, and what the copies do. The recordings show a child
// that inherits a private mapping: 1/0 on 6.12, 2/2 on 7.2.
import { describe, expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import type { Code } from "../../src/explore/access.ts";
import { type MmStruct, VM_WRITE } from "../../src/kernel/include/linux/mm_types.ts";
import { rssCountsMappings } from "../../src/kernel/invariants.ts";
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

interface Situation {
  readonly parent: MmStruct;
  readonly child: MmStruct;
}

/** `refcount/mapcount` of the two pages of the file, and of the first pages of ordinary memory. */
function countsAfter(version: KernelVersion, program: (k: Kernel, s: Situation) => Code<unknown>): string {
  const machine = boot(version);
  const done = machine.run(function* (k) {
    const sb = mountDax(k, 2);
    yield* addRam(k, 4);
    const inode = yield* createFile(k, sb, "file", 2);
    const parent = createProcess(k, "parent", 2);
    yield* mapFile(k, parent, inode, 0, 2, VM_WRITE);
    const child = yield* createChild(k, parent, "child");
    k.current.mm = parent;
    yield* program(k, { parent, child });
  });
  expect(isBlocked(done)).toBe(false);
  expect(machine.warning()).toBe(null);
  expect(rssCountsMappings.check(machine.k, machine.see)).toBe(null);
  const show = (pfn: number): string => {
    const { refcount, mapcount } = machine.counts(pfn);
    return `${refcount}/${mapcount}`;
  };
  const anon = [0, 1, 2, 3].map((i) => show(FIRST_RAM + i)).filter((c) => c !== "0/0");
  return `${show(0x40)} ${show(0x41)}, ${anon.join(" ") || "no copies"}`;
}

const table: readonly {
  readonly what: string;
  readonly program: (k: Kernel, s: Situation) => Code<unknown>;
  readonly oneBased: string;
  readonly normalised: string;
}[] = [
  {
    what: "read",
    *program(k, { parent }) {
      yield* k.touch(parent, 0, false);
    },
    oneBased: "1/0 1/0, no copies",
    normalised: "1/1 0/0, no copies",
  },
  {
    what: "stored to",
    *program(k, { parent }) {
      yield* k.touch(parent, 0, true);
    },
    oneBased: "1/0 1/0, 1/1",
    normalised: "0/0 0/0, 1/1",
  },
  {
    what: "read, then stored to",
    *program(k, { parent }) {
      yield* k.touch(parent, 0, false);
      yield* k.touch(parent, 0, true);
    },
    oneBased: "1/0 1/0, 1/1",
    normalised: "0/0 0/0, 1/1",
  },
  {
    what: "read, and inherited without a page of one's own: the entries are not copied",
    *program(k, { parent, child }) {
      yield* k.touch(parent, 0, false);
      yield* k.dup_mmap(parent, child);
    },
    oneBased: "1/0 1/0, no copies",
    normalised: "1/1 0/0, no copies",
  },
  {
    what: "read, and inherited by a child that reads too",
    *program(k, { parent, child }) {
      yield* k.touch(parent, 0, false);
      yield* k.dup_mmap(parent, child);
      yield* k.touch(child, 0, false);
    },
    oneBased: "1/0 1/0, no copies",
    normalised: "2/2 0/0, no copies",
  },
  {
    what: "read, with a copy of the page beside it, and inherited: the entries are copied",
    *program(k, { parent, child }) {
      yield* k.touch(parent, 0, false);
      yield* k.touch(parent, 1, true);
      yield* k.dup_mmap(parent, child);
    },
    oneBased: "1/0 1/0, 2/2",
    normalised: "2/2 0/0, 2/2",
  },
  {
    what: "stored to by both after fork: the child copies, the parent keeps",
    *program(k, { parent, child }) {
      yield* k.touch(parent, 1, true);
      yield* k.dup_mmap(parent, child);
      yield* k.touch(child, 1, true);
      yield* k.touch(parent, 1, true);
    },
    oneBased: "1/0 1/0, 1/1 1/1",
    normalised: "0/0 0/0, 1/1 1/1",
  },
  {
    what: "pinned before fork: the child gets a copy at once",
    *program(k, { parent, child }) {
      yield* k.pin_user_pages_fast(1, 1, FOLL_WRITE);
      yield* k.dup_mmap(parent, child);
    },
    oneBased: "1/0 1/0, 1025/1 1/1",
    normalised: "0/0 0/0, 1025/1 1/1",
  },
];

describe.each(kernels)("$release: a private mapping", (version) => {
  it.each(table)("$what", ({ program, oneBased, normalised }) => {
    const expected = ["v6.15", "v7.2"].includes(version.release) ? normalised : oneBased;
    expect(countsAfter(version, program)).toBe(expected);
  });
});
