import { describe, expect, it } from "vitest";
import { fsdaxReflink } from "../../src/changes/fsdax-reflink.ts";
import { kernels } from "../../src/changes/kernels.ts";
import { checkCell } from "../../src/cli/check-cell.ts";
import type { Change, Code, Kernel } from "../../src/kernel/kernel.ts";
import { scenario } from "../../src/kernel/scenario.ts";
import { createFile, createProcess, mountDax } from "../../src/kernel/setup.ts";
import { mapCoherent } from "../../src/kernel/setup-device.ts";
import type { Verdict } from "../../src/report/verdict.ts";

// Which kernel has what: XFS takes reflink and DAX together since v6.0, folios came with v5.16, coherent memory with v6.0.

type Setup = (k: Kernel) => Code<object>;
type Act = (k: Kernel, w: never) => Code;

const world = function* setup(k: Kernel): Code<object> {
  const sb = mountDax(k, 2, "xfs");
  const one = yield* createFile(k, sb, "one", 1);
  const two = yield* createFile(k, sb, "two", 1, 0);
  return { one, two };
};
const nothing = function* run(): Code {};

async function check(
  release: string,
  setup: Setup,
  run: Act,
  changes: Change[] = [],
  onto?: string[],
): Promise<Verdict> {
  const kernel = kernels.find((k) => k.release === release);
  if (kernel === undefined) throw new Error(`no kernel ${release}`);
  const thread = { title: "thread", cpu: 0, run: run as never };
  const only = onto === undefined ? {} : { onto };
  const s = scenario({
    name: "one-vs-none",
    question: "?",
    setup,
    threads: { thread },
    invariants: [],
    ...only,
  });
  const { verdict } = await checkCell({ scenario: s, kernel, changes, tlb: undefined, memory: "sc" }, {});
  return verdict;
}

/** What each kernel says, in order. */
const verdicts = (setup: Setup, run: Act): Promise<string[]> =>
  Promise.all(kernels.map(async ({ release }) => (await check(release, setup, run)).verdict));

const clone: Act = function* run(k, { one, two }): Code {
  yield* k.vfs_clone_file_range(one, two, 1);
};
const no = "not-applicable";

describe("a scenario that does what a kernel does not have", () => {
  it("is not applicable to it, by its setup", async () => {
    const coherent: Setup = function* setup(k) {
      const mm = createProcess(k, "mm", 1);
      yield* mapCoherent(k, mm, 0);
      return {};
    };
    expect(await verdicts(coherent, nothing)).toEqual([no, no, "holds", "holds", "holds", "holds"]);
  });

  it("is not applicable to it, by a thread, and says why", async () => {
    expect(await verdicts(world, clone)).toEqual([no, no, "holds", "holds", "holds", "holds"]);
    expect((await check("v5.18", world, clone)).detail).toBe(
      "v5.18 has no vfs_clone_file_range(): XFS refuses DAX with shared blocks before v6.0",
    );
  });

  it("is applicable with the change that brings it", async () => {
    expect((await check("v5.18", world, clone, [fsdaxReflink])).verdict).toBe("holds");
  });

  it("is applicable where only the kernel itself calls the function", async () => {
    const write: Act = function* run(k, { one }): Code {
      yield* k.vfs_write(one, 0);
    };
    expect((await check("v5.10", world, write)).verdict).toBe("holds");
  });
});

it("a scenario is not applicable to kernels that it is not for", async () => {
  const { verdict, detail } = await check("v6.1", world, nothing, [], ["v6.12", "v7.2"]);
  expect([verdict, detail]).toEqual([no, "the scenario is for v6.12, v7.2"]);
  expect((await check("v6.12", world, nothing, [], ["v6.12", "v7.2"])).verdict).toBe("holds");
});
