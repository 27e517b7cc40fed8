// pagelife lab: real kernels under QEMU, held against the subsystem.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Command } from "commander";
import { PagelifeError } from "../../base/errors.ts";
import { changes, kernels } from "../../changes/kernels.ts";
import { compare, describeDifference, historyOf } from "../../conformance/compare.ts";
import { fixedPrograms } from "../../conformance/fixed-programs.ts";
import { modelFeatures, modelSubject } from "../../conformance/model.ts";
import { type Program, parseProgram } from "../../conformance/program.ts";
import { historiesOf, modelFor, parseRecorded, type Recorded } from "../../conformance/recorded.ts";
import { eraOf, judge as judgeReproduction, reproductions } from "../../conformance/reproductions.ts";
import { simplifications } from "../../conformance/simplifications.ts";
import { conformanceDocument, describePrograms, Tally } from "../../conformance/tally.ts";
import { prepare } from "../../explore/program.ts";
import { countSwitches } from "../../explore/schedule.ts";
import { functionsOf, type KernelVersion, withChanges } from "../../kernel/kernel.ts";
import { programOf } from "../../kernel/scenario.ts";
import { runBatch } from "../../lab/batch.ts";
import { requireTools } from "../../lab/guest-image.ts";
import { namedKernels, ownKernel, prepareKernel, type RealKernel } from "../../lab/kernels.ts";
import { drawDiagram } from "../../report/diagram.ts";
import { record } from "../../report/recording.ts";
import { sideBySide } from "../../report/side-by-side.ts";
import { catalogue } from "../../scenarios/catalogue.ts";
import { checkCell, type Cell as MatrixCell } from "../check-cell.ts";
import { exitCode } from "../exit.ts";

interface KernelOptions {
  readonly kernel?: string;
  readonly kernelImage?: string;
  readonly modules?: string;
  readonly out?: string;
  readonly timeout: string;
}

interface CompareOptions extends KernelOptions {
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

const progress = (text: string): void => {
  if (process.stderr.isTTY || process.env.CI !== undefined) process.stderr.write(`${text}\n`);
};

function positive(text: string, option: string): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 0) {
    throw new PagelifeError("PL105", `${option} takes a whole number, not "${text}".`);
  }
  return n;
}

/** The kernels that the options name, ready to boot. */
async function kernelsOf(options: KernelOptions, scratch: string): Promise<RealKernel[]> {
  requireTools();
  if (options.kernelImage !== undefined) {
    return [await ownKernel(options.kernelImage, options.modules ?? "none", scratch)];
  }
  const found: RealKernel[] = [];
  for (const name of (options.kernel ?? "6.12,7.x").split(","))
    found.push(await prepareKernel(name, progress));
  return found;
}

function versionOf(release: string, options: CompareOptions): KernelVersion {
  const name =
    options.model ??
    modelFor(
      release,
      kernels.map((k) => k.release),
    );
  const base = kernels.find((k) => k.release === name);
  if (base === undefined) {
    throw new PagelifeError(
      "PL101",
      `there is no kernel "${name}" (known: ${kernels.map((k) => k.release).join(", ")}).`,
    );
  }
  const wanted = (options.with ?? "").split(",").filter((n) => n !== "");
  return withChanges(
    base,
    wanted.map((n) => {
      const found = changes.find((c) => c.name === n);
      if (found === undefined) {
        throw new PagelifeError("PL101", `there is no change "${n}"; \`pagelife list changes\` prints them.`);
      }
      return found;
    }),
  );
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
  const seed = options.seed === undefined ? 1 : positive(options.seed, "--seed");
  if (files.length > 0) return { programs: files.map((f) => parseProgram(readJson(f), f)), seed };
  // fast-check takes a tenth of a second to load, which no other command should pay.
  const { randomPrograms } = await import("../../conformance/random-arbitrary.ts");
  const random = randomPrograms(seed, positive(options.count, "--count"), modelFeatures);
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

async function labCompare(files: readonly string[], options: CompareOptions): Promise<number> {
  if (options.recorded !== undefined) {
    const runs = options.recorded.map((path) => {
      const recorded = parseRecorded(readJson(path), path);
      return { recorded, version: versionOf(recorded.release, options), source: path };
    });
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
        timeoutSeconds: positive(options.timeout, "--timeout"),
      });
      progress(`${kernel.release} took ${(batch.wallMillis / 1000).toFixed(1)} s`);
      const source = files.length > 0 ? `${files.length} given` : `${programs.length} programs, seed ${seed}`;
      runs.push({ recorded: batch.recorded, version: versionOf(batch.recorded.release, options), source });
    }
    return judge(runs, options);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const withKernelOptions = (command: Command): Command =>
  command
    .option("--kernel <names>", `real kernels, by name: ${Object.keys(namedKernels).join(", ")}`)
    .option("--kernel-image <bzImage>", "a kernel of your own")
    .option("--modules <dir>", "its modules, as `make modules_install` leaves them; `none` if built in")
    .option("--out <dir>", "keep console, recordings and the log of each run there")
    .option("--timeout <seconds>", "how long a guest may run", "900");

/** What the search says of a scenario on the subsystem's kernel, drawn. */
async function searched(name: string | null, release: string): Promise<string> {
  const scenario = catalogue.find((s) => s.name === name);
  const kernel = kernels.find(
    (k) =>
      k.release ===
      modelFor(
        release,
        kernels.map((k) => k.release),
      ),
  );
  if (scenario === undefined || kernel === undefined) return "The catalogue has no scenario for this.\n";
  const cell: MatrixCell = { scenario, kernel, changes: [], tlb: undefined, memory: "sc" };
  const { exploration } = await checkCell(cell, {});
  const found = exploration?.counterexample;
  if (exploration === null || exploration === undefined)
    return `${scenario.name} does not apply to ${kernel.release}.\n`;
  if (!found) {
    return `pagelife check ${scenario.name} --kernel ${kernel.release}:\n${exploration.verdict === "holds" ? "holds, search complete" : "nothing found before a bound was hit"}.\n`;
  }
  const table = functionsOf(kernel);
  return drawDiagram(record(prepare(programOf(scenario, kernel, {})), found.schedule), found.finding, {
    subject: kernel.release,
    switches: countSwitches(found.schedule),
    shows: (f) => table.has(f),
  });
}

/** The events of one program, from ftrace text, without what only widens the lines. */
function recordingOf(text: string, program: string): string[] {
  const lines: string[] = [];
  let within = false;
  for (const line of text.split("\n")) {
    const [, task = "", time = "", what = ""] = /^\s*(\S+)-\d+\s+.*?\s(\d+\.\d+): (.*)$/.exec(line) ?? [];
    if (what === "") continue;
    if (/tracing_mark_write: program /.test(what)) within = what.endsWith(`program ${program}`);
    if (!within) continue;
    const short = what
      .replace("tracing_mark_write: ", "== ")
      .replace(/\((?:\[unknown\/kretprobe'd\]|\S+) <- /, "(<- ")
      .replace(/\((\w+)\+0x0\/0x[0-9a-f]+\) ?/, "")
      .replace(
        /0xffffea000([0-9a-f]{7})/g,
        (_, digits: string) => `pfn:0x${(Number.parseInt(digits, 16) / 64).toString(16)}`,
      );
    lines.push(`${time} ${task.padEnd(9)} ${short}`);
  }
  return lines;
}

const WARNINGS = /WARNING:|BUG:|Oops|general protection|blocked for more than|unable to handle/;

async function labRun(name: string, options: KernelOptions): Promise<number> {
  const found = reproductions.find((r) => r.name === name);
  if (found === undefined) {
    throw new PagelifeError(
      "PL502",
      `the lab cannot drive a machine into "${name}" (it can: ${reproductions.map((r) => r.name).join(", ")}).`,
    );
  }
  const out: string[] = [`${found.name}: ${found.question}`, ""];
  const kept = resolve(options.out ?? join(".pagelife", "lab", name));
  const scratch = mkdtempSync(join(tmpdir(), "pagelife-lab-"));
  let unmet = 0;
  try {
    for (const kernel of await kernelsOf(options, scratch)) {
      const directory = join(kept, kernel.name);
      progress(`booting ${kernel.release}`);
      const timeoutSeconds = positive(options.timeout, "--timeout");
      const batch = await runBatch(kernel, found.programs, { directory, record: true, timeoutSeconds });
      const { release } = batch.recorded;
      const era = eraOf(release);
      const trace = batch.files.get("trace.txt")?.toString("latin1") ?? "";
      for (const { program, observations } of historiesOf(batch.recorded)) {
        const judgement = judgeReproduction(found, program, observations, release);
        unmet += judgement.unmet.length;
        out.push(`Linux ${release}, ${program.fs}`);
        out.push(
          judgement.unmet.length === 0
            ? `AS EXPECTED: ${found.verdict[era]}`
            : `NOT AS EXPECTED: ${judgement.unmet.join("; ")}`,
          "",
        );
        const history = historyOf(program, observations, "0/0", program.ops.length);
        const left = ["What the processes did, and page 0 of file 0 after it:", ...history].join("\n");
        const right = await searched(found.scenario, release);
        const wide = !process.stdout.isTTY || process.stdout.columns >= 150;
        out.push(wide ? sideBySide(left, right, 76) : `${left}\n\n${right}`);
        const events = recordingOf(trace, program.name);
        out.push(
          `Recording (${events.length} events):`,
          ...events.slice(0, 60).map((l) => `  ${l.slice(0, 150)}`),
        );
        if (events.length > 60) out.push(`  ... and ${events.length - 60} more`);
        out.push("");
      }
      const warnings = batch.kernelLog.split("\n").filter((l) => WARNINGS.test(l));
      out.push(
        `Kernel log of ${release}: ${warnings.length === 0 ? "no warning" : ""}`,
        ...warnings.slice(0, 8).map((l) => `  ${l}`),
        `Kept in ${directory}: trace.txt and trace.dat (read them with \`pagelife trace\`), dmesg.txt, run.json`,
        "",
      );
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  process.stdout.write(`${out.join("\n")}\n`);
  return unmet === 0 ? exitCode.holds : exitCode.finding;
}

/** Adds `pagelife lab`. */
export function registerLab(program: Command): void {
  const lab = program
    .command("lab")
    .description("boot real kernels under QEMU and hold them against the subsystem");
  withKernelOptions(lab.command("compare"))
    .description("run the same programs on real kernels and on the subsystem, and compare page by page")
    .argument("[programs...]", "workloads (JSON); the fixed set and random ones if none is given")
    .option("--seed <n>", "seed of the random programs; 1 if not given")
    .option("--count <n>", "how many random programs", "50")
    .option("--no-fixed", "only the random programs")
    .option("--with <changes>", "changes on top of the subsystem's kernel")
    .option("--model <release>", "the subsystem's kernel, v7.2; by the real release if not given")
    .option("--recorded <files...>", "compare earlier runs (run.json) instead of booting")
    .option("--document <file>", "write docs/conformance.md there")
    .option("--record", "record events while the programs run")
    .option("--all", "show every program that differs, not only the first")
    .option("--json", "print NDJSON")
    .action(async (files: string[], options: CompareOptions) => {
      process.exitCode = await labCompare(files, options);
    });
  withKernelOptions(lab.command("run"))
    .description("drive real kernels into a scenario, and show what they did beside what the search finds")
    .argument("<scenario>", `one of: ${reproductions.map((r) => r.name).join(", ")}`)
    .action(async (name: string, options: KernelOptions) => {
      process.exitCode = await labRun(name, options);
    });
}
