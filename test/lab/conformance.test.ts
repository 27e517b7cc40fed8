import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { changes, kernels } from "../../src/changes/kernels.ts";
import { compare, describeDifference } from "../../src/conformance/compare.ts";
import { fixedPrograms } from "../../src/conformance/fixed-programs.ts";
import { modelSubject } from "../../src/conformance/model.ts";
import { historiesOf, modelFor, parseRecorded, type Recorded } from "../../src/conformance/recorded.ts";
import { simplifications } from "../../src/conformance/simplifications.ts";
import { withChanges } from "../../src/kernel/kernel.ts";

// Lab runs of real kernels, kept so that the subsystem is held against them without a guest: the fixed
// programs and fifty random ones of seed 1.
const fixtures = join(import.meta.dirname, "../fixtures/lab");
const read = (name: string): Recorded =>
  parseRecorded(JSON.parse(gunzipSync(readFileSync(join(fixtures, name))).toString("utf8")), name);
const runs = readdirSync(fixtures).filter((f) => f.endsWith(".json.gz"));

const releases = kernels.map((k) => k.release);

/** The programs of a run in which the subsystem, with changes on top, does otherwise than the kernel did. */
function differing(recorded: Recorded, names: readonly string[], programs?: number): string[] {
  const base = kernels.find((k) => k.release === modelFor(recorded.release, releases));
  if (base === undefined) throw new Error("no kernel for this run");
  const version = withChanges(
    base,
    names.map((n) => changes.find((c) => c.name === n)).filter((c) => c !== undefined),
  );
  const subject = modelSubject(version);
  return historiesOf(recorded)
    .slice(0, programs)
    .flatMap(({ program, observations }) => {
      const model = subject.run(program);
      const comparison = compare(program, observations, model, base.release, simplifications);
      return comparison.difference === null
        ? []
        : [
            describeDifference(
              comparison,
              { real: recorded.release, model: subject.name },
              observations,
              model,
            ),
          ];
    });
}

describe("the subsystem does what real kernels did", () => {
  it.each(runs)("in %s", (name) => {
    const recorded = read(name);
    expect(historiesOf(recorded).length).toBe(recorded.programs.length);
    expect(differing(recorded, [])).toEqual([]);
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
    expect(differing(read(run), [twin], fixedPrograms.length).length).toBeGreaterThan(0);
  });

  // These go wrong only when two threads interleave in the middle of an operation, which the lab does
  // not do: their place is `check`.
  it.each(["twin/skip-pte-recheck", "twin/check-before-enqueue"])("misses %s, which needs a race", (twin) => {
    expect(runs.flatMap((name) => differing(read(name), [twin], fixedPrograms.length))).toEqual([]);
  });

  it("knows the kernel of one era from that of another", () => {
    const recorded = { ...read("seed-1.6.12.json.gz"), release: "7.2.0" };
    expect(differing(recorded, [], fixedPrograms.length).length).toBeGreaterThan(0);
  });
});

describe("what the recordings show", () => {
  const woken = (run: string, program: string): readonly (readonly [number, number])[] => {
    const found = historiesOf(read(run)).find((h) => h.program.name === program);
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

  it("6.12: truncate does not wait for a pinned page that nobody maps; 7.2 does", () => {
    const status = (run: string): string | undefined =>
      historiesOf(read(run)).find((h) => h.program.name === "pinned-unmapped-truncate.ext4")?.observations[5]
        ?.status;
    expect(status("seed-1.6.12.json.gz")).toBe("done");
    expect(status("seed-1.7.x.json.gz")).toBe("blocked");
  });
});

it("has every fixed program in each fixture", () => {
  for (const name of runs) {
    const names = read(name).programs.map((p) => p.name);
    expect(fixedPrograms.map((p) => p.name).filter((n) => !names.includes(n))).toEqual([]);
  }
});
