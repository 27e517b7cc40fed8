// `pagelife lab run`: a real kernel driven into a scenario, beside what the search finds.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { PagelifeError } from "../base/errors.ts";
import { kernels } from "../changes/kernels.ts";
import { historyOf } from "../conformance/compare.ts";
import { historiesOf, modelFor } from "../conformance/recorded.ts";
import { eraOf, judge as judgeReproduction, reproductions } from "../conformance/reproductions.ts";
import { runBatch } from "../lab/batch.ts";
import { sideBySide } from "../report/side-by-side.ts";
import { catalogue } from "../scenarios/catalogue.ts";
import { type Cell, checkCell } from "./check-cell.ts";
import { drawCell } from "./draw-cell.ts";
import { exitCode } from "./exit.ts";
import { type KernelOptions, kernelsOf, progress, wholeNumber } from "./lab-kernels.ts";

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
  const cell: Cell = { scenario, kernel, changes: [], tlb: undefined, memory: "sc" };
  const { exploration } = await checkCell(cell, {});
  const found = exploration?.counterexample;
  if (exploration === null || exploration === undefined)
    return `${scenario.name} does not apply to ${kernel.release}.\n`;
  if (!found) {
    return `pagelife check ${scenario.name} --kernel ${kernel.release}:\n${exploration.verdict === "holds" ? "holds, search complete" : "nothing found before a bound was hit"}.\n`;
  }
  return drawCell(cell, found);
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

/** Boots kernels for a reproduction, prints what came of it, and returns the exit status. */
export async function labRun(name: string, options: KernelOptions): Promise<number> {
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
      const timeoutSeconds = wholeNumber(options.timeout, "--timeout");
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
