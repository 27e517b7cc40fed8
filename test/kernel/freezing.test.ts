// A frozen file system: who waits, at which level, and who does not.

import { describe, expect, it } from "vitest";
import { assert } from "../../src/base/assert.ts";
import { changes, kernels } from "../../src/changes/kernels.ts";
import { checkCell } from "../../src/cli/check-cell.ts";
import { type Code, fail } from "../../src/explore/index.ts";
import { EBUSY, EINVAL } from "../../src/kernel/include/asm-generic/errno-base.ts";
import { FALLOC_FL_PUNCH_HOLE, type Inode, type SuperBlock } from "../../src/kernel/include/linux/fs.ts";
import { type MmStruct, VM_WRITE, type VmArea } from "../../src/kernel/include/linux/mm_types.ts";
import { pte_offset } from "../../src/kernel/include/linux/pgtable.ts";
import { unflushedPageIsDirty } from "../../src/kernel/invariants.ts";
import type { Kernel, KernelVersion } from "../../src/kernel/kernel.ts";
import { READ_ONCE } from "../../src/kernel/lib/atomic.ts";
import { FOLL_WRITE } from "../../src/kernel/mm/gup-flags.ts";
import { type Scenario, scenario } from "../../src/kernel/scenario.ts";
import { boot, isBlocked } from "../../src/kernel/sequential.ts";
import { addRam, createFile, createProcess, FIRST_PFN, mapFile, mountDax } from "../../src/kernel/setup.ts";

interface World {
  readonly sb: SuperBlock;
  readonly inode: Inode;
  readonly mm: MmStruct;
  readonly vma: VmArea;
}

const types = ["ext4", "xfs"] as const;
type Type = (typeof types)[number];

/** A file that is mapped and was stored to; what was stored has to be written back. */
const world = (type: Type) =>
  function* (k: Kernel): Code<World> {
    const sb = mountDax(k, 2, type, FIRST_PFN, { freezes: true });
    const inode = yield* createFile(k, sb, "file", 1);
    const mm = createProcess(k, "mm", 2);
    const vma = yield* mapFile(k, mm, inode, 0, 1);
    k.current.mm = mm;
    yield* k.touch(mm, 0, true);
    return { sb, inode, mm, vma };
  };

/** What an operation waits for on a frozen file system, or `nothing`. */
function waitsFor(
  version: KernelVersion,
  type: Type,
  operation: (k: Kernel, w: World) => Code<unknown>,
  before: (k: Kernel, w: World) => Code<unknown> = function* () {},
): string {
  const done = boot(version).run(function* (k) {
    const w = yield* world(type)(k);
    yield* before(k, w);
    yield* k.freeze_super(w.sb);
    yield* operation(k, w);
    return null;
  });
  return isBlocked(done) ? done.blocked : "nothing";
}

const unlink = (k: Kernel, { inode }: World): Code => k.vfs_unlink(inode);

const unmap = (k: Kernel, { vma }: World): Code => k.munmap(vma);

function* unmapAndUnlink(k: Kernel, w: World): Code {
  yield* unmap(k, w);
  yield* unlink(k, w);
}

describe.each(types)("on a frozen %s", (type) => {
  it.each<[string, string, (k: Kernel, w: World) => Code<unknown>, ((k: Kernel, w: World) => Code)?]>([
    ["a store to a page that was writable", "sb_pagefaults", (k, { mm }) => k.touch(mm, 0, true)],
    ["a pin for writing", "sb_pagefaults", (k) => k.pin_user_pages_fast(0, 1, FOLL_WRITE)],
    ["write(2)", "sb_writers", (k, { inode }) => k.vfs_write(inode, 0)],
    ["truncate(2)", "sb_writers", (k, { inode }) => k.do_truncate(inode, 0)],
    ["fallocate(2)", "sb_writers", (k, { inode }) => k.vfs_fallocate(inode, FALLOC_FL_PUNCH_HOLE, 0, 1)],
    ["unlink(2)", "sb_writers", unlink],
    [
      "the last close of a file without a name",
      "sb_internal",
      (k, { inode }) => k.evict(inode),
      unmapAndUnlink,
    ],
    ["the last close of a file with a name", "nothing", (k, { inode }) => k.evict(inode), unmap],
    ["a load", "nothing", (k, { mm }) => k.touch(mm, 0, false)],
    ["a pin for reading", "nothing", (k) => k.pin_user_pages_fast(0, 1, 0)],
    ["fsync(2)", "nothing", (k, { inode }) => k.vfs_fsync(inode)],
    [
      "a store to a private mapping",
      "nothing",
      function* (k, { inode, mm }) {
        yield* addRam(k, 1);
        yield* mapFile(k, mm, inode, 1, 1, VM_WRITE);
        expect(yield* k.touch(mm, 1, true)).toBe("NOPAGE");
      },
    ],
  ])("%s waits for %s", (_what, waits, operation, before) => {
    for (const kernel of kernels) {
      expect(waitsFor(kernel, type, operation, before), kernel.release).toBe(waits);
    }
  });
});

it.each(
  kernels.filter((k) => k.lacks.vfs_clone_file_range === undefined),
)("FICLONE waits, too ($release)", (kernel) => {
  const clone = (k: Kernel, { inode }: World): Code<unknown> => k.vfs_clone_file_range(inode, inode, 1);
  expect(waitsFor(kernel, "xfs", clone)).toBe("sb_writers");
});

function named(release: string): KernelVersion {
  const kernel = kernels.find((k) => k.release === release);
  assert(kernel !== undefined, `there is no ${release}`);
  return kernel;
}

/** Whose freezes are kept apart, and who may thaw: fs/super.c of the versions. */
const holders: Readonly<Record<string, readonly number[]>> = {
  // Frozen once, and thawed by whoever comes.
  "v5.10": [-EINVAL, 0, -EBUSY, -EBUSY, 0, -EINVAL, -EINVAL],
  // freeze_dec() says that another has it frozen, which counts as success.
  "v6.12": [-EINVAL, 0, -EBUSY, 0, 0, 0, 0],
  // may_unfreeze()
  "v7.2": [-EINVAL, 0, -EBUSY, 0, 0, -EINVAL, 0],
};

it.each([
  ["v5.10", "v5.10"],
  ["v5.18", "v5.10"],
  ["v6.1", "v5.10"],
  ["v6.12", "v6.12"],
  ["v6.15", "v6.12"],
  ["v7.2", "v7.2"],
] as const)("is thawed by those who froze it (%s)", (release, as) => {
  const said = boot(named(release)).run(function* (k) {
    const { sb, mm } = yield* world("xfs")(k);
    const results = [yield* k.thaw_super(sb)];
    results.push(yield* k.freeze_super(sb));
    results.push(yield* k.freeze_super(sb));
    results.push(yield* k.freeze_super(sb, "kernel"));
    results.push(yield* k.thaw_super(sb, "kernel"));
    results.push(yield* k.thaw_super(sb, "kernel"));
    results.push(yield* k.thaw_super(sb));
    return [...results, yield* k.touch(mm, 0, true)];
  });
  expect(said).toEqual([...(holders[as] ?? []), "NOPAGE"]);
});

/** What a second freezer hears who comes while the first waits for a writer. */
it.each([
  ["v6.1", "-16"],
  ["v6.12", "waits"],
] as const)("%s: who comes while another freezes hears or does %s", (release, says) => {
  const said = boot(named(release)).run(function* (k) {
    const { sb } = yield* world("xfs")(k);
    yield* k.freeze_begins(sb, "userspace");
    return yield* k.freeze_super(sb);
  });
  expect(isBlocked(said) ? "waits" : `${said}`).toBe(says);
});

describe("is refused with what to do", () => {
  const frozen = (type: "ext4" | "fuse"): unknown =>
    boot(kernels[0] as KernelVersion).run((k) => k.freeze_super(mountDax(k, 1, type)));

  it("where writers are not counted", () => {
    expect(() => frozen("ext4")).toThrow('mountDax(k, blocks, "ext4", FIRST_PFN, { freezes: true })');
  });

  it("where the file system cannot be frozen", () => {
    expect(() => frozen("fuse")).toThrow("fuse cannot be frozen");
  });
});

/** Nothing is writable while it is frozen, and what was stored before has been written back. */
const freezeVsStore = (type: Type): Scenario =>
  scenario<World>({
    name: `freeze-vs-store-${type}`,
    question: "Can a program store to a file of a frozen file system?",
    setup: world(type),
    threads: {
      freeze: {
        title: "freeze, thaw",
        cpu: 0,
        *run(k, { sb, mm }) {
          yield* k.freeze_super(sb);
          const pte = yield* READ_ONCE(pte_offset(mm, 0));
          if (pte?.kind === "pte" && pte.write) fail("frozen-is-not-written", "there is a writable entry");
          yield* k.thaw_super(sb);
        },
      },
      store: {
        title: "store",
        cpu: 1,
        mm: ({ mm }) => mm,
        *run(k, { mm }) {
          yield* k.store(mm, 0);
        },
      },
    },
    invariants: [unflushedPageIsDirty],
  });

describe.each(types)("a store to %s while it is frozen", (type) => {
  const verdictOf = async (kernel: KernelVersion, broken: boolean): Promise<string | null> => {
    const twin = changes.filter((c) => broken && c.name === "twin/freeze-holds-nobody-off");
    assert(twin.length === Number(broken), "there is no such twin");
    const { verdict } = await checkCell(
      { scenario: freezeVsStore(type), kernel, changes: twin, tlb: undefined, memory: "sc" },
      { maxStates: 100_000 },
    );
    return verdict.verdict === "violation" ? `${verdict.property}` : verdict.verdict;
  };

  it.each(kernels)("waits until it is thawed ($release)", async (kernel) => {
    expect(await verdictOf(kernel, false)).toBe("holds");
  });

  it("does not wait where it is not asked to", async () => {
    expect(await verdictOf(kernels[3] as KernelVersion, true)).toBe("frozen-is-not-written");
  });
});
