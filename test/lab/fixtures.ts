// Lab runs of real kernels, kept so that the subsystem is held against them without a guest: the fixed programs and
// fifty random ones of seed 1.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { kernels } from "../../src/changes/kernels.ts";
import { compare, describeDifference } from "../../src/conformance/compare.ts";
import { modelSubject } from "../../src/conformance/model.ts";
import {
  historiesOf,
  modelFor,
  parseRecorded,
  type RealHistory,
  type Recorded,
} from "../../src/conformance/recorded.ts";
import { simplifications } from "../../src/conformance/simplifications.ts";
import { type Change, withChanges } from "../../src/kernel/kernel.ts";

const directory = join(import.meta.dirname, "../fixtures/lab");

/** The names of the runs. */
export const runs: readonly string[] = readdirSync(directory).filter((f) => f.endsWith(".json.gz"));

const histories = new Map<string, { readonly recorded: Recorded; readonly all: readonly RealHistory[] }>();

/** A run, read once. */
export function read(name: string): { readonly recorded: Recorded; readonly all: readonly RealHistory[] } {
  const known = histories.get(name);
  if (known !== undefined) return known;
  const file = readFileSync(join(directory, name));
  const bytes = name.endsWith(".gz") ? gunzipSync(file) : file;
  const recorded = parseRecorded(JSON.parse(bytes.toString("utf8")), name);
  const made = { recorded, all: historiesOf(recorded) };
  histories.set(name, made);
  return made;
}

const releases = kernels.map((k) => k.release);

/**
 * The programs of a run in which the subsystem, with changes on top, does otherwise than the kernel did.
 *
 * @param options `programs`: how many, from the first; `program`: this one alone; `first`: only the first that differs; `release`: of the kernel
 * that it is taken for.
 */
export function differing(
  run: string,
  changes: readonly Change[],
  options: {
    readonly programs?: number;
    readonly program?: string;
    readonly first?: boolean;
    readonly release?: string;
  } = {},
): string[] {
  const { recorded, all } = read(run);
  const base = kernels.find((k) => k.release === modelFor(options.release ?? recorded.release, releases));
  if (base === undefined) throw new Error("no kernel for this run");
  const subject = modelSubject(withChanges(base, changes));
  const found: string[] = [];
  for (const { program, observations } of all.slice(0, options.programs)) {
    if (program.name !== (options.program ?? program.name)) continue;
    const model = subject.run(program);
    const comparison = compare(program, observations, model, base.release, simplifications);
    if (comparison.difference === null) continue;
    const sides = { real: recorded.release, model: subject.name };
    found.push(describeDifference(comparison, sides, observations, model));
    if (options.first === true) break;
  }
  return found;
}
