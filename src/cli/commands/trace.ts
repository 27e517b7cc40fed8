// `pagelife trace FILE…`: who holds this page, what leaked, who waits for ever.
import { readFileSync } from "node:fs";
import { styleText } from "node:util";
import type { Command } from "commander";
import { PagelifeError } from "../../base/errors.ts";
import type { KernelEvent } from "../../events/event.ts";
import { type EventSpec, vocabulary } from "../../events/vocabulary.ts";
import type { PerfettoWriter } from "../../report/perfetto.ts";
import { FTRACE_HEADER, ftraceLine } from "../../report/trace-ftrace.ts";
import { JsonChanges, jsonRecords } from "../../report/trace-json.ts";
import { pageLifeline, plainText, traceText } from "../../report/trace-text.ts";
import { type CullKey, cullKeys, type SortKey, sortKeys } from "../../trace/analyses/holding.ts";
import { type AnalysisOptions, TraceAnalysis } from "../../trace/analysis.ts";
import type { FindingSeverity } from "../../trace/finding.ts";
import { type KernelRules, rulesOfVersion } from "../../trace/kernel-rules.ts";
import { outcomeOf, type TraceReport } from "../../trace/report.ts";
import { allListeners, type ChangeListener } from "../../trace/trackers/listeners.ts";
import { RecordTables } from "../duckdb.ts";
import { exitCode } from "../exit.ts";
import { OutputFile } from "../output-file.ts";
import { type Reading, readRecording } from "../recording.ts";

interface TraceFlags {
  readonly page?: string[];
  readonly kernel?: string;
  readonly vmemmap?: string;
  readonly probes?: string;
  readonly cull?: string;
  readonly sort?: string;
  readonly all?: boolean;
  readonly events?: boolean;
  readonly json?: boolean;
  readonly perfetto?: string;
  readonly ftrace?: string;
  readonly vocabulary?: boolean;
  readonly sql?: string;
  readonly parquet?: string;
  readonly jobs?: string;
}

export function registerTrace(program: Command): void {
  program
    .command("trace")
    .description("read recordings of a real kernel: lifelines, holders, leaks, hangs")
    .argument(
      "[file...]",
      "ftrace text, trace-cmd report, perf script or trace.dat; gzip and zstd too; - is stdin",
      ["trace.dat"],
    )
    .option(
      "--page <pfn>",
      "print everything about a page; several with commas, or by repeating it",
      (text: string, before: string[] = []) => [...before, ...text.split(",")],
    )
    .option("--kernel <version>", "the kernel that was recorded, such as v6.12, if it is not recognised")
    .option("--vmemmap <address>", "where the array of struct page starts, if it is not recognised")
    .option("--probes <file>", "JSON that names your own probes (docs/trace.md)")
    .option("--cull <keys>", `merge holders by ${cullKeys.join(", ")} (default: stack,task,kind)`)
    .option("--sort <key>", `order holders by ${sortKeys.join(", ")} (default: refs)`)
    .option("--json", "print NDJSON (docs/trace-schema.json)")
    .option("--perfetto <file>", "write a trace for ui.perfetto.dev")
    .option(
      "--ftrace <file>",
      "write the events that were used as ftrace text; with --page only those pages'",
    )
    .option("--sql <query>", "query the recording with DuckDB, if installed (tables: docs/trace.md)")
    .option("--parquet <dir>", "write its tables as Parquet with DuckDB, if installed")
    .option("--jobs <N>", "1: use one core; 2: read and analyse on two (default: 2 for a large file)")
    .option("--events", "name the events that are not analysed")
    .option("--vocabulary", "list the events that are understood, and stop")
    .option("--all", "show all findings, holders and pages, not the first few")
    .addHelpText(
      "after",
      `
Exit status: 0 nothing wrong, 1 a finding, 2 unreadable, 4 inconclusive (events lost, or not recorded).

Examples:
  pagelife trace trace.dat
  pagelife trace --page 0x48400 /sys/kernel/tracing/trace
  pagelife trace --json trace.dat | jq -r 'select(.type == "finding") | .data.sentence'
  pagelife trace --perfetto pages.pftrace trace.dat
  zcat old.txt.gz | pagelife trace --kernel v6.1 -`,
    )
    .action(async (files: string[], flags: TraceFlags) => {
      if (flags.vocabulary === true) {
        process.stdout.write(vocabularyText());
        return;
      }
      process.exitCode = await traceFiles(files, flags);
    });
}

async function traceFiles(files: readonly string[], flags: TraceFlags): Promise<number> {
  const options = analysisOptions(flags);
  const pages = (flags.page ?? []).map(pfnOf);
  const probes = flags.probes === undefined ? new Map() : await readProbes(flags.probes);
  if (flags.vmemmap !== undefined && !/^(0x)?[0-9a-fA-F]{8,16}$/.test(flags.vmemmap)) {
    throw new PagelifeError(
      "PL105",
      `--vmemmap ${flags.vmemmap}: expected an address such as 0xffffea0000000000.`,
    );
  }
  const jobs = flags.jobs === undefined ? undefined : Number(oneOf("--jobs", flags.jobs, ["1", "2"]));
  let stopped = false;
  process.once("SIGINT", () => {
    stopped = true;
  });
  let worst: number = exitCode.holds;
  for (const file of files) {
    const code = await traceFile(file, flags, options, pages, {
      vmemmap: flags.vmemmap,
      probes,
      jobs,
      stopped: () => stopped,
    });
    if (code === exitCode.finding || worst === exitCode.holds) worst = code === exitCode.holds ? worst : code;
    if (stopped) return exitCode.interrupted;
  }
  return worst;
}

async function traceFile(
  file: string,
  flags: TraceFlags,
  options: AnalysisOptions,
  pages: readonly number[],
  reading: Parameters<typeof readRecording>[1],
): Promise<number> {
  const perfetto = flags.perfetto === undefined ? null : new OutputFile(flags.perfetto);
  const ftrace = flags.ftrace === undefined ? null : new OutputFile(flags.ftrace);
  const out = new OutputFile("-");
  const records = flags.sql === undefined && flags.parquet === undefined ? null : new RecordTables();
  const makePerfetto = perfetto === null ? null : (await import("../../report/perfetto.ts")).PerfettoWriter;
  let perfettoWriter: PerfettoWriter | null = null;
  const report = await readRecording(file, reading, (r: Reading) => {
    const listeners: ChangeListener[] = [];
    if (flags.json === true)
      listeners.push(
        new JsonChanges(
          () => r.clock,
          (line) => out.text(line),
        ),
      );
    if (records !== null)
      listeners.push(
        new JsonChanges(
          () => r.clock,
          (line) => records.add(line),
        ),
      );
    if (perfetto !== null && makePerfetto !== null) {
      perfettoWriter = new makePerfetto(
        () => r.clock,
        (bytes) => perfetto.bytes(bytes),
      );
      listeners.push(perfettoWriter);
    }
    ftrace?.text(FTRACE_HEADER);
    const wanted = new Set(pages);
    const observer = (e: KernelEvent): void => {
      if (wanted.size === 0 || Number.isNaN(e.pfn) || wanted.has(e.pfn))
        ftrace?.text(ftraceLine(e, r.clock, r.map.base));
    };
    return new TraceAnalysis({
      ...options,
      ...(listeners.length > 0 ? { listener: allListeners(listeners) } : {}),
      ...(ftrace === null ? {} : { observer }),
    });
  });
  (perfettoWriter as PerfettoWriter | null)?.finish(report);
  perfetto?.close();
  ftrace?.close();
  const code = codeOf(report);
  if (records !== null) {
    for (const line of jsonRecords(report, code)) records.add(line);
    out.text(await records.finish(flags.sql, flags.parquet));
    out.close();
    if (flags.sql !== undefined) return code;
  }
  if (flags.json === true) {
    for (const line of jsonRecords(report, code)) out.text(line);
    out.close();
  } else write(report, flags, pages);
  const omitted = (perfettoWriter as PerfettoWriter | null)?.omitted ?? 0;
  if (omitted > 0)
    process.stderr.write(
      `pagelife: ${flags.perfetto}: ${omitted} pages were left out; Perfetto cannot show so many tracks\n`,
    );
  return code;
}

function codeOf(report: TraceReport): number {
  switch (outcomeOf(report)) {
    case "finding":
      return exitCode.finding;
    case "inconclusive":
      return exitCode.inconclusive;
    case "clean":
      return exitCode.holds;
  }
}

function analysisOptions(flags: TraceFlags): AnalysisOptions {
  const options: { -readonly [K in keyof AnalysisOptions]: AnalysisOptions[K] } = {};
  if (flags.kernel !== undefined) options.kernel = { rules: statedRules(flags.kernel), text: flags.kernel };
  if (flags.cull !== undefined) {
    options.cull = flags.cull.split(",").map((key) => oneOf<CullKey>("--cull", key, cullKeys));
  }
  if (flags.sort !== undefined) options.sort = oneOf<SortKey>("--sort", flags.sort, sortKeys);
  return options;
}

function statedRules(kernel: string): KernelRules {
  const rules = rulesOfVersion(kernel);
  if (rules === null)
    throw new PagelifeError("PL105", `--kernel ${kernel}: expected a version such as v6.12 or 7.2.13.`);
  return rules;
}

function oneOf<T extends string>(option: string, value: string, values: readonly T[]): T {
  const found = values.find((v) => v === value);
  if (found === undefined)
    throw new PagelifeError("PL105", `${option} ${value}: expected ${values.join(", ")}.`);
  return found;
}

function pfnOf(text: string): number {
  const pfn = Number(text);
  if (!Number.isSafeInteger(pfn) || pfn < 0)
    throw new PagelifeError("PL105", `--page ${text}: expected a pfn such as 0x48400.`);
  return pfn;
}

async function readProbes(path: string): Promise<ReadonlyMap<string, EventSpec>> {
  const { parseProbes } = await import("../../trace/probes.ts");
  return parseProbes(path, readText(path));
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new PagelifeError("PL102", `${path}: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

const COLOURS: Record<FindingSeverity, "red" | "yellow" | "cyan" | "bold"> = {
  error: "red",
  warning: "yellow",
  unknown: "cyan",
  note: "bold",
};

function write(report: TraceReport, flags: TraceFlags, pages: readonly number[]): void {
  if (pages.length > 0) {
    for (const pfn of pages) process.stdout.write(pageLifeline(report, pfn));
    return;
  }
  const colour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
  process.stdout.write(
    traceText(report, {
      most: flags.all === true ? 1_000_000 : plainText.most,
      unknownEvents: flags.events === true,
      emphasise: (text, severity) => (colour ? styleText(COLOURS[severity], text) : text),
    }),
  );
}

function vocabularyText(): string {
  const rows = vocabulary.map((s) => {
    const fields = Object.entries(s.fields).map(([field, name]) =>
      field === name ? field : `${field}=${name}`,
    );
    return `${s.name.padEnd(32)} ${s.role.padEnd(14)} ${s.sampled.padEnd(7)} ${fields.join(" ")}`.trimEnd();
  });
  return `${[`${"EVENT".padEnd(32)} TELLS          SAMPLED FIELDS`, ...rows].join("\n")}\n`;
}
