import { describe, expect, it } from "vitest";
import { changes } from "../../src/changes/kernels.ts";
import { fixedPrograms } from "../../src/conformance/fixed-programs.ts";
import type { Change } from "../../src/kernel/kernel.ts";
import { differing, read, runs } from "./fixtures.ts";

const named = (name: string): readonly Change[] => changes.filter((c) => c.name === name);
const fixed = fixedPrograms.length;

describe("the subsystem does what real kernels did", () => {
  it.each(runs)("in %s", (name) => {
    const { recorded, all } = read(name);
    expect(all.length).toBe(recorded.programs.length);
    expect(differing(name, [])).toEqual([]);
  }, 120_000);
});

describe("a wrong subsystem is caught by real histories", () => {
  it.each([
    { run: "seed-1.6.12.json.gz", twin: "twin/busy-ignores-pins" },
    { run: "seed-1.6.12.json.gz", twin: "twin/hook-tests-zero" },
    { run: "seed-1.7.x.json.gz", twin: "twin/busy-ignores-pins" },
    { run: "seed-1.7.x.json.gz", twin: "twin/busy-counts-mappings" },
    { run: "seed-1.7.x.json.gz", twin: "twin/free-does-not-wake" },
    { run: "seed-1.7.x.json.gz", twin: "twin/sleep-with-invalidate-lock" },
  ])("$twin, by $run", ({ run, twin }) => {
    expect(differing(run, named(twin), { programs: fixed, first: true })).toHaveLength(1);
  });

  it("6.12 goes round for ever in a pin for reading of a page that two files have, and without unsharing it would not", () => {
    const run = "pin-of-shared-page.6.12.json";
    expect(differing(run, [])).toEqual([]);
    expect(differing(run, named("twin/pin-without-unshare"))).toHaveLength(1);
  });

  // These go wrong only when two threads interleave in the middle of an operation, which the lab does
  // not do: their place is `check`.
  it.each(["twin/skip-pte-recheck", "twin/check-before-enqueue"])("misses %s, which needs a race", (twin) => {
    expect(differing("seed-1.7.x.json.gz", named(twin), { programs: fixed })).toEqual([]);
  });

  it("knows the kernel of one era from that of another", () => {
    const options = { programs: fixed, first: true, release: "7.2.0" };
    expect(differing("seed-1.6.12.json.gz", [], options)).toHaveLength(1);
  });
});

describe("what the recordings show", () => {
  const woken = (run: string, program: string): readonly (readonly [number, number])[] => {
    const found = read(run).all.find((h) => h.program.name === program);
    return (found?.observations ?? []).flatMap((o) => o.woken.map((w) => [o.op, w.op] as const));
  };

  it("6.12: a punch hole ends with the last unpin, although the page was touched again", () => {
    expect(woken("seed-1.6.12.json.gz", "refault-during-wait.ext4")).toEqual([[5, 3]]);
    expect(woken("seed-1.6.12.json.gz", "refault-during-wait.xfs")).toEqual([[5, 3]]);
  });

  it("7.2: it sleeps on until the page is unmapped", () => {
    expect(woken("seed-1.7.x.json.gz", "refault-during-wait.ext4")).toEqual([[6, 3]]);
    expect(woken("seed-1.7.x.json.gz", "refault-during-wait.xfs")).toEqual([[6, 3]]);
  });

  const status = (run: string, program: string, op: number): string | undefined =>
    read(run)
      .all.find((h) => h.program.name === program)
      ?.observations.find((o) => o.op === op)?.status;

  it("6.12: truncate does not wait for a pinned page that nobody maps; 7.2 does", () => {
    expect(status("seed-1.6.12.json.gz", "pinned-unmapped-truncate.ext4", 4)).toBe("done");
    expect(status("seed-1.7.x.json.gz", "pinned-unmapped-truncate.ext4", 4)).toBe("blocked");
  });

  it("6.12: a file system is unmounted under a pin; 7.2 waits", () => {
    expect(status("seed-1.6.12.json.gz", "umount-vs-pin.ext4", 4)).toBe("done");
    expect(status("seed-1.7.x.json.gz", "umount-vs-pin.ext4", 4)).toBe("blocked");
    expect(woken("seed-1.7.x.json.gz", "umount-vs-pin.ext4")).toEqual([[5, 4]]);
  });

  it("6.1: the end of direct I/O wakes nobody who waits for the page; the end of a splice does", () => {
    expect(woken("seed-1.6.1.json.gz", "unpin-vs-punch-hole.ext4")).toEqual([]);
    expect(woken("seed-1.6.1.json.gz", "get-vs-punch-hole.ext4")).toEqual([[4, 3]]);
  });
});

it("has every fixed program in each fixture", () => {
  for (const name of runs) {
    const names = read(name).recorded.programs.map((p) => p.name);
    expect(fixedPrograms.map((p) => p.name).filter((n) => !names.includes(n))).toEqual([]);
  }
});
