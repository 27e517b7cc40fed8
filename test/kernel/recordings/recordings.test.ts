// What real kernels said of their pages, beside what the subsystem says of its own in the same operations: every
// look at a struct page, and the counts of each page one after the other. docs/recordings.md lists them.
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { changes, kernels } from "../../../src/changes/kernels.ts";
import type { FileSystemName } from "../../../src/kernel/include/linux/fs.ts";
import { type KernelVersion, withChanges } from "../../../src/kernel/kernel.ts";
import { type Look, type Recording, readRecording } from "./recording.ts";
import { Replay } from "./replay.ts";
import { workloads } from "./workloads.ts";

const folder = new URL("../../fixtures/traces/replayed/", import.meta.url);
const names = readdirSync(folder).map((file) => file.replace(".txt.gz", ""));

/** The parts of a recording's name: `reflink.xfs.6.12-pageref`. */
function partsOf(name: string): { workload: string; fs: FileSystemName; release: string; counts: boolean } {
  const [, workload = "", fs = "ext4", release = "", counts] =
    /^([a-z_]+)(?:-stack)?(?:\.(ext4|xfs))?\.(\d+\.\d+)(-pageref)?$/.exec(name) ?? [];
  return { workload, fs: fs as FileSystemName, release: `v${release}`, counts: counts !== undefined };
}

const kernelOf = (release: string): KernelVersion => {
  const found = kernels.find((k) => k.release === release);
  if (found === undefined) throw new Error(`there is no kernel ${release}`);
  return found;
};

type Replayed = ReturnType<Replay["result"]>;

function replay(name: string, version: KernelVersion): Replayed {
  const { workload, fs, release } = partsOf(name);
  const body = workloads[workload];
  if (body === undefined) throw new Error(`${name} is of an unknown workload`);
  const run = new Replay(version);
  body(run, { release, fs, punchIsQuick: name === "punch_refault.ext4.6.12" });
  return run.result();
}

/** Recordings of one workload on one release are replayed once. */
const replayed = new Map<string, Replayed>();

function replayedOnce(name: string): Replayed {
  const { workload, fs, release } = partsOf(name);
  const key = [workload, fs, release].join();
  const result = replayed.get(key) ?? replay(name, kernelOf(release));
  replayed.set(key, result);
  return result;
}

/** Where a count turned: a kernel may take or drop at once what another takes or drops one by one. */
const turns = (counts: readonly number[]): number[] =>
  counts.filter((n, i) => {
    const [before, after] = [counts[i - 1] ?? 1, counts[i + 1]];
    return after === undefined || n > before !== after > n;
  });

/**
 * The subsystem takes the pages of a folio of a DAX device one by one; v7.2 takes the first, and then all others at
 * once.
 */
const countsOf = (name: string, { counts }: Recording): readonly (readonly number[])[] =>
  partsOf(name).workload === "devdax" ? counts.map(turns) : counts;

/** Without the counts that a recording does not have. */
const asRecorded = (ours: readonly Look[], real: readonly Look[]): Look[] =>
  ours.map((look, i) => (real[i]?.counts === null ? { ...look, counts: null } : look));

describe("every look at a page, and every count, is as in the recording", () => {
  it.each(names)("%s", (name) => {
    const real = readRecording(name);
    const ours = replayedOnce(name);
    expect(real.looks.length).toBeGreaterThan(0);
    expect(asRecorded(ours.looks, real.looks)).toEqual(real.looks);
    if (partsOf(name).counts) expect(countsOf(name, ours)).toEqual(countsOf(name, real));
  });

  it.each([
    { twin: "twin/entry-goes-without-its-page", name: "reflink.xfs.6.12" },
    { twin: "twin/unmap-leaves-entries", name: "vmsplice_punch.ext4.7.2" },
    { twin: "twin/unpin-with-bias", name: "devdax.6.12" },
  ])("and is not with $twin, in $name", ({ twin, name }) => {
    const broken = withChanges(
      kernelOf(partsOf(name).release),
      changes.filter((c) => c.name === twin),
    );
    const real = readRecording(name).looks;
    // A wrong kernel may also not come to the end of the workload.
    expect(() => expect(asRecorded(replay(name, broken).looks, real)).toEqual(real)).toThrow();
  });

  // Where real kernels warned, at fs/dax.c:dax_insert_entry() and dax_disassociate_entry().
  it("the kernel warns of the same", () => {
    const warned = names.flatMap((name) => {
      const { warning } = replayedOnce(name);
      return warning === null ? [] : [`${name}: ${warning.split(":")[0]}`];
    });
    expect(warned).toEqual([
      "reflink.xfs.6.1: no-double-association",
      "vmsplice_munmap.ext4.6.1: no-truncation-of-referenced-page",
      "vmsplice_munmap.ext4.6.12-pageref: no-truncation-of-referenced-page",
      "vmsplice_munmap.ext4.6.12: no-truncation-of-referenced-page",
    ]);
  });

  it("docs/recordings.md lists them", () => {
    const text = readFileSync(new URL("../../../docs/recordings.md", import.meta.url), "utf8");
    const rows = [...text.matchAll(/^\| `([a-z_]+)` +\| ([^|]+?) +\|/gm)];
    const listed = rows.flatMap(([, workload, where = ""]) =>
      where.split("; ").map((fs) => `${workload}: ${fs}`),
    );
    const there = new Map<string, Set<string>>();
    for (const name of names) {
      const { workload, release } = partsOf(name);
      const fs = /\.(ext4|xfs)\./.exec(name)?.[1] ?? "device";
      const key = `${workload}: ${fs}`;
      there.set(key, (there.get(key) ?? new Set()).add(release.slice(1)));
    }
    expect(listed.sort()).toEqual(
      [...there].map(([key, releases]) => `${key} ${[...releases].sort().join(", ")}`).sort(),
    );
  });
});
