// `pagelife trace FILE…`: who holds this page, what leaked, who waits for ever.
import { styleText } from "node:util";
import type { Command } from "commander";
import { PagelifeError } from "../../base/errors.ts";
import { pageText1, plainText, traceText } from "../../report/trace-text.ts";
import { type CullKey, cullKeys, type SortKey, sortKeys } from "../../trace/analyses/holding.ts";
import { type AnalysisOptions, TraceAnalysis } from "../../trace/analysis.ts";
import { detect } from "../../trace/detect.ts";
import type { FindingSeverity } from "../../trace/finding.ts";
import { ImportLog } from "../../trace/import-log.ts";
import { rulesOfVersion } from "../../trace/kernel-rules.ts";
import { PageMap } from "../../trace/page-map.ts";
import { textReader } from "../../trace/read.ts";
import { ReadContext } from "../../trace/readers/reader.ts";
import type { ByteSource } from "../../trace/readers/trace-dat/byte-source.ts";
import { DamagedFile } from "../../trace/readers/trace-dat/decompress.ts";
import { TraceDatReader } from "../../trace/readers/trace-dat/trace-dat.ts";
import { outcomeOf, type TraceReport } from "../../trace/report.ts";
import type { TraceSink } from "../../trace/sink.ts";
import { exitCode } from "../exit.ts";
import { gunzip, openBytes, openSource, peek, spool, type Unpacking, unzstd } from "../input.ts";
import { Progress } from "../progress.ts";

interface TraceFlags {
  readonly page?: string[];
  readonly kernel?: string;
  readonly vmemmap?: string;
  readonly cull?: string;
  readonly sort?: string;
  readonly all?: boolean;
  readonly events?: boolean;
}

const HEAD = 64 * 1024;
/** How much is read ahead to learn where the memory map lies. */
const LEARN = 4 << 20;

export function registerTrace(program: Command): void {
  program
    .command("trace")
    .description("read recordings of a real kernel: lifelines, holders, leaks, hangs")
    .argument(
      "<file...>",
      "ftrace text, trace-cmd report, perf script or trace.dat; gzip and zstd too; - is stdin",
    )
    .option("--page <pfn...>", "print everything about these pages")
    .option("--kernel <version>", "the kernel that was recorded, such as v6.12, if it is not recognised")
    .option("--vmemmap <address>", "where the array of struct page starts, if it is not recognised")
    .option("--cull <keys>", `merge holders by ${cullKeys.join(", ")} (default: stack,task,kind)`)
    .option("--sort <key>", `order holders by ${sortKeys.join(", ")} (default: refs)`)
    .option("--events", "name the events that are not analysed")
    .option("--all", "show all findings, holders and pages, not the first few")
    .addHelpText(
      "after",
      `
Exit status: 0 nothing wrong, 1 a finding, 2 unreadable, 4 inconclusive (events lost, or not recorded).

Examples:
  pagelife trace trace.dat
  pagelife trace --page 0x48400 /sys/kernel/tracing/trace
  zcat old.txt.gz | pagelife trace --kernel v6.1 -`,
    )
    .action(async (files: string[], flags: TraceFlags) => {
      const options = analysisOptions(flags);
      let worst = 0;
      for (const file of files) {
        const report = await readRecording(file, flags, options);
        write(report, flags);
        const outcome = outcomeOf(report);
        if (outcome === "finding") worst = exitCode.finding;
        else if (outcome === "inconclusive" && worst === 0) worst = exitCode.inconclusive;
      }
      process.exitCode = worst;
    });
}

function analysisOptions(flags: TraceFlags): AnalysisOptions {
  const options: { -readonly [K in keyof AnalysisOptions]: AnalysisOptions[K] } = {};
  if (flags.kernel !== undefined) {
    const rules = rulesOfVersion(flags.kernel);
    if (rules === null) {
      throw new PagelifeError(
        "PL105",
        `--kernel ${flags.kernel}: expected a version such as v6.12 or 7.2.13.`,
      );
    }
    options.kernel = { rules, text: flags.kernel };
  }
  if (flags.cull !== undefined) {
    const keys = flags.cull.split(",");
    for (const key of keys) {
      if (!cullKeys.includes(key as CullKey))
        throw new PagelifeError("PL105", `--cull ${key}: expected some of ${cullKeys.join(", ")}.`);
    }
    options.cull = keys as CullKey[];
  }
  if (flags.sort !== undefined) {
    if (!sortKeys.includes(flags.sort as SortKey))
      throw new PagelifeError("PL105", `--sort ${flags.sort}: expected one of ${sortKeys.join(", ")}.`);
    options.sort = flags.sort as SortKey;
  }
  return options;
}

const quiet: TraceSink = { event: () => undefined, stack: () => undefined, lost: () => undefined };

async function readRecording(
  file: string,
  flags: TraceFlags,
  options: AnalysisOptions,
): Promise<TraceReport> {
  const unpacking: Unpacking = { damaged: "" };
  let peeked = await peek(openBytes(file) as AsyncIterable<Buffer>, HEAD);
  let detected = detect(peeked.head);
  const packed = detected.kind === "wrapper";
  if (detected.kind === "wrapper") {
    const unpack = detected.compression === "gzip" ? gunzip : unzstd;
    peeked = await peek(unpack(peeked.rest, unpacking), HEAD);
    if (peeked.head.length === 0 && unpacking.damaged !== "") {
      throw new PagelifeError(
        "PL401",
        `${file} is ${detected.compression}-compressed, but cannot be unpacked: ${unpacking.damaged}.`,
      );
    }
    detected = detect(peeked.head);
  }
  if (detected.kind === "empty") throw new PagelifeError("PL401", `${file} is empty.`);
  if (detected.kind === "wrapper")
    throw new PagelifeError("PL401", `${file} is compressed twice; unpack it first.`);
  if (detected.kind === "unknown")
    throw new PagelifeError("PL401", `${file} is not a recording: ${detected.hint}.`);
  if (detected.kind === "trace.dat") return readTraceDat(file, packed, peeked.rest, flags, options);

  const map = flags.vmemmap === undefined ? new PageMap() : PageMap.at(flags.vmemmap);
  const ahead = await peek(peeked.rest, LEARN);
  const learner = textReader(detected.format, new ReadContext(new ImportLog(), map, quiet));
  learner.push(ahead.head);
  map.unplaced = 0;

  const analysis = new TraceAnalysis(options);
  const log = new ImportLog();
  const context = new ReadContext(log, map, analysis);
  const reader = textReader(detected.format, context);
  const progress = new Progress(file);
  for await (const chunk of ahead.rest) {
    reader.push(chunk);
    progress.update(() => `${context.events} events`);
  }
  reader.end();
  progress.done();
  if (unpacking.damaged !== "") log.note("truncated", 0);
  return analysis.finish(file === "-" ? "standard input" : file, detected.format, context);
}

/** A trace.dat is read here and there, so it must be a file: what came packed or by a pipe is put into one. */
async function readTraceDat(
  file: string,
  packed: boolean,
  rest: AsyncGenerator<Buffer>,
  flags: TraceFlags,
  options: AnalysisOptions,
): Promise<TraceReport> {
  const opened = packed || file === "-" ? await spool(rest) : openSource(file);
  if (!packed && file !== "-") await rest.return(undefined);
  try {
    const map = flags.vmemmap === undefined ? new PageMap() : PageMap.at(flags.vmemmap);
    learnMap(opened.source, map);
    const analysis = new TraceAnalysis(options);
    const context = new ReadContext(new ImportLog(), map, analysis);
    const reader = openTraceDat(file, opened.source, context);
    const progress = new Progress(file);
    reader.read(() => progress.update(() => `${context.events} events`));
    progress.done();
    return analysis.finish(file === "-" ? "standard input" : file, "trace.dat", context);
  } finally {
    opened.close();
  }
}

function openTraceDat(file: string, source: ByteSource, context: ReadContext): TraceDatReader {
  try {
    return new TraceDatReader(source, context);
  } catch (error) {
    if (!(error instanceof DamagedFile)) throw error;
    throw new PagelifeError("PL402", `${file} is a trace.dat that cannot be read: ${error.message}.`);
  }
}

/** Reads ahead for the place of the memory map: enough events have both an address and a pfn. */
function learnMap(source: ByteSource, map: PageMap): void {
  if (map.base !== null) return;
  try {
    let left = 200_000;
    const context = new ReadContext(new ImportLog(), map, {
      event: () => {
        if (--left === 0 || map.base !== null) throw new EnoughSeen();
      },
      stack: () => undefined,
      lost: () => undefined,
    });
    new TraceDatReader(source, context).read();
  } catch (error) {
    if (!(error instanceof EnoughSeen) && !(error instanceof DamagedFile)) throw error;
  }
  map.unplaced = 0;
}

class EnoughSeen extends Error {}

const COLOURS: Record<FindingSeverity, "red" | "yellow" | "cyan" | "bold"> = {
  error: "red",
  warning: "yellow",
  unknown: "cyan",
  note: "bold",
};

function write(report: TraceReport, flags: TraceFlags): void {
  const colour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
  if (flags.page !== undefined) {
    for (const text of flags.page) {
      const pfn = Number(text);
      if (!Number.isSafeInteger(pfn) || pfn < 0)
        throw new PagelifeError("PL105", `--page ${text}: expected a pfn such as 0x48400.`);
      process.stdout.write(pageText1(report, pfn));
    }
    return;
  }
  process.stdout.write(
    traceText(report, {
      most: flags.all === true ? 1_000_000 : plainText.most,
      unknownEvents: flags.events === true,
      emphasise: (text, severity) => (colour ? styleText(COLOURS[severity], text) : text),
    }),
  );
}
