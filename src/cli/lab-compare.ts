// `pagelife lab compare`: the same programs on real kernels and on the subsystem.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { PagelifeError } from "../base/errors.ts";
import { kernels } from "../changes/kernels.ts";
import { compare, describeDifference } from "../conformance/compare.ts";
import { fixedPrograms } from "../conformance/fixed-programs.ts";
import { modelFeatures, modelSubject } from "../conformance/model.ts";
import { type Program, parseProgram } from "../conformance/program.ts";
import { historiesOf, modelFor, parseRecorded, type Recorded } from "../conformance/recorded.ts";
import { simplifications } from "../conformance/simplifications.ts";
import { conformanceDocument, describePrograms, Tally } from "../conformance/tally.ts";
import type { KernelVersion } from "../kernel/kernel.ts";
import { runBatch } from "../lab/batch.ts";
import { exitCode } from "./exit.ts";
import { type KernelOptions, kernelsOf, progress, wholeNumber } from "./lab-kernels.ts";
import { buildKernel, kernelOf, selectChanges } from "./select.ts";

export interface CompareOptions extends KernelOptions {
  readonly seed?: string;
  readonly count: string;
  readonly fixed: boolean;
  readonly with?: string;
  readonly model?: string;
  readonly recorded?: string[];
  readonly document?: string;
  readonly json?: boolean;
  readonly record?: boolean;
  readonly all?: boolean;
}

/** The subsystem's kernel that a real one is held against. */
async function versionOf(release: string, options: CompareOptions): Promise<KernelVersion> {
  const releases = kernels.map((k) => k.release);
  const changes = options.with === undefined ? [] : await selectChanges([options.with]);
  return buildKernel(kernelOf(options.model ?? modelFor(release, releases)), changes);
}

function readJson(path: string): unknown {
  try {
    const bytes = readFileSync(path);
    return JSON.parse((path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8"));
  } catch (error) {
    throw new PagelifeError("PL102", `${path} could not be read: ${(error as Error).message}`);
  }
}

async function programsOf(
  files: readonly string[],
  options: CompareOptions,
): Promise<{ programs: Program[]; seed: number }> {
  const seed = options.seed === undefined ? 1 : wholeNumber(options.seed, "--seed");
  if (files.length > 0) return { programs: files.map((f) => parseProgram(readJson(f), f)), seed };
  // fast-check takes a tenth of a second to load, which no other command should pay.
  const { randomPrograms } = await import("../conformance/random-arbitrary.ts");
  const random = randomPrograms(seed, wholeNumber(options.count, "--count"), modelFeatures);
  return { programs: [...(options.fixed ? fixedPrograms : []), ...random], seed };
}

interface Judged {
  readonly recorded: Recorded;
  readonly version: KernelVersion;
  readonly source: string;
}

/** Prints the comparison of each run, and returns the exit status. */
function judge(runs: readonly Judged[], options: CompareOptions): number {
  const tally = new Tally();
  let failures = 0;
  for (const { recorded, version, source } of runs) {
    const subject = modelSubject(version);
    const real = `Linux ${recorded.release}`;
    const differing: string[] = [];
    let compared = 0;
    let operations = 0;
    for (const { program, observations, troubles, complete } of historiesOf(recorded)) {
      const model = subject.run(program);
      const comparison = compare(program, observations, model, version.release, simplifications);
      tally.add(comparison, recorded.release);
      compared++;
      operations += comparison.compared.length;
      const trouble = [...troubles, ...(complete ? [] : ["the guest died here"])];
      if (comparison.difference !== null) {
        differing.push(describeDifference(comparison, { real, model: subject.name }, observations, model));
      } else if (trouble.some((t) => !t.startsWith("stuck"))) {
        differing.push(`${program.name}: ${trouble.join("; ")}\n`);
      }
    }
    failures += differing.length;
    if (options.json === true) {
      const data = {
        schemaVersion: 1,
        kernel: recorded.release,
        model: version.release,
        programs: compared,
        comparisons: operations,
        differences: differing.length,
        first: differing[0] ?? null,
      };
      process.stdout.write(`${JSON.stringify({ type: "comparison", data })}\n`);
      continue;
    }
    const verdict =
      differing.length === 0
        ? "no unexplained difference"
        : `${differing.length} programs differ${options.all === true ? "" : "; the first"}:`;
    process.stdout.write(
      `${real} against ${subject.name} (${source}): ${compared} programs, ${operations} comparisons, ${verdict}\n`,
    );
    for (const text of options.all === true ? differing : differing.slice(0, 1)) {
      process.stdout.write(`\n${text}\n`);
    }
  }
  if (options.document !== undefined) {
    const rows = runs.map((r) => ({
      kernel: r.recorded.release,
      model: r.version.release,
      source: describePrograms(r.recorded.programs.map((p) => p.name)),
    }));
    writeFileSync(options.document, conformanceDocument(tally, rows, simplifications));
  }
  return failures === 0 ? exitCode.holds : exitCode.finding;
}

/** Runs or reads programs, prints how they compare, and returns the exit status. */
export async function labCompare(files: readonly string[], options: CompareOptions): Promise<number> {
  if (options.recorded !== undefined) {
    const runs: Judged[] = [];
    for (const path of options.recorded) {
      const recorded = parseRecorded(readJson(path), path);
      runs.push({ recorded, version: await versionOf(recorded.release, options), source: path });
    }
    return judge(runs, options);
  }
  const { programs, seed } = await programsOf(files, options);
  const scratch = mkdtempSync(join(tmpdir(), "pagelife-lab-"));
  try {
    const runs: Judged[] = [];
    for (const kernel of await kernelsOf(options, scratch)) {
      const directory =
        options.out === undefined ? join(scratch, kernel.name) : resolve(options.out, kernel.name);
      mkdirSync(directory, { recursive: true });
      progress(`booting ${kernel.release} for ${programs.length} programs`);
      const batch = await runBatch(kernel, programs, {
        directory,
        record: options.record === true,
        timeoutSeconds: wholeNumber(options.timeout, "--timeout"),
      });
      progress(`${kernel.release} took ${(batch.wallMillis / 1000).toFixed(1)} s`);
      const source = files.length > 0 ? `${files.length} given` : `${programs.length} programs, seed ${seed}`;
      runs.push({
        recorded: batch.recorded,
        version: await versionOf(batch.recorded.release, options),
        source,
      });
    }
    return judge(runs, options);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
