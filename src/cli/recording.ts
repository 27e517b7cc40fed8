// From a path to the answer: opens a recording, finds out what it is, and runs the reader for it.
import { PagelifeError } from "../base/errors.ts";
import type { EventSpec } from "../events/vocabulary.ts";
import type { TraceAnalysis } from "../trace/analysis.ts";
import { type Detected, detect } from "../trace/detect.ts";
import { ImportLog } from "../trace/import-log.ts";
import { PageMap } from "../trace/page-map.ts";
import { textReader } from "../trace/read.ts";
import { ReadContext } from "../trace/readers/reader.ts";
import type { ByteSource } from "../trace/readers/trace-dat/byte-source.ts";
import { DamagedFile, prepareZstd } from "../trace/readers/trace-dat/decompress.ts";
import { readHeader, type TraceDatHeader } from "../trace/readers/trace-dat/header.ts";
import { TraceDatReader } from "../trace/readers/trace-dat/trace-dat.ts";
import type { TraceReport } from "../trace/report.ts";
import type { Clock, TraceSink } from "../trace/sink.ts";
import { gunzip, openBytes, openSource, type Peeked, peek, spool, type Unpacking, unzstd } from "./input.ts";
import { Progress } from "./progress.ts";

const HEAD = 64 * 1024;
/** How much is read ahead to learn where the memory map lies. */
const LEARN = 4 << 20;

export interface ReadOptions {
  /** Start of the array of struct page, if the person states it. */
  readonly vmemmap: string | undefined;
  readonly probes: ReadonlyMap<string, EventSpec>;
  /** Becomes true on Ctrl-C: what was read so far is analysed. */
  readonly stopped: () => boolean;
}

/** What outputs that write while the recording is read may look at. */
export interface Reading {
  readonly clock: Clock;
  readonly map: PageMap;
}

const quiet: TraceSink = { event: () => undefined, stack: () => undefined, lost: () => undefined };

/**
 * @param begin Is called when reading starts, and gives the analysis to feed.
 * @throws PagelifeError if the file is no recording (PL401), or a trace.dat that cannot be read (PL402).
 */
export async function readRecording(
  file: string,
  options: ReadOptions,
  begin: (reading: Reading) => TraceAnalysis,
): Promise<TraceReport> {
  const name = file === "-" ? "standard input" : file;
  const unpacking: Unpacking = { damaged: "" };
  const { peeked, detected, packed } = await unpacked(name, await peek(openBytes(file), HEAD), unpacking);
  const map = options.vmemmap === undefined ? new PageMap() : PageMap.at(options.vmemmap);
  const log = new ImportLog();
  if (detected.kind === "trace.dat") {
    const opened = packed || file === "-" ? await spool(peeked.rest) : openSource(file);
    if (!packed && file !== "-") await peeked.rest.return(undefined);
    try {
      if (detected.version !== "6") await prepareZstd();
      return readTraceDat(name, opened.source, map, log, options, begin);
    } finally {
      opened.close();
    }
  }

  const ahead = await peek(peeked.rest, LEARN);
  textReader(detected.format, new ReadContext(new ImportLog(), map, quiet, options.probes)).push(ahead.head);
  map.unplaced = 0;
  const context = new ReadContext(log, map, quiet, options.probes);
  const analysis = begin(context);
  context.sink = analysis;
  const reader = textReader(detected.format, context);
  const progress = new Progress(name);
  for await (const chunk of ahead.rest) {
    reader.push(chunk);
    if (options.stopped()) break;
    progress.update(() => `${context.events} events`);
  }
  reader.end();
  progress.done();
  if (unpacking.damaged !== "") {
    log.note("truncated", 0);
    log.details.push(`unpacking: ${unpacking.damaged}`);
  }
  return analysis.finish(name, detected.format, context);
}

interface Opened {
  readonly peeked: Peeked;
  readonly detected: Extract<Detected, { kind: "text" | "trace.dat" }>;
  readonly packed: boolean;
}

async function unpacked(name: string, first: Peeked, unpacking: Unpacking): Promise<Opened> {
  let peeked = first;
  let detected = detect(peeked.head);
  const packed = detected.kind === "wrapper";
  if (detected.kind === "wrapper") {
    const unpack = detected.compression === "gzip" ? gunzip : unzstd;
    peeked = await peek(unpack(peeked.rest, unpacking), HEAD);
    if (peeked.head.length === 0 && unpacking.damaged !== "") {
      throw new PagelifeError(
        "PL401",
        `${name} is ${detected.compression}-compressed, but cannot be unpacked: ${unpacking.damaged}.`,
      );
    }
    detected = detect(peeked.head);
  }
  switch (detected.kind) {
    case "empty":
      throw new PagelifeError("PL401", `${name} is empty.`);
    case "wrapper":
      throw new PagelifeError("PL401", `${name} is compressed twice; unpack it first.`);
    case "unknown":
      throw new PagelifeError("PL401", `${name} is not a recording: ${detected.hint}.`);
    default:
      return { peeked, detected, packed };
  }
}

function readTraceDat(
  name: string,
  source: ByteSource,
  map: PageMap,
  log: ImportLog,
  options: ReadOptions,
  begin: (reading: Reading) => TraceAnalysis,
): TraceReport {
  const context = new ReadContext(log, map, quiet, options.probes);
  let reader: TraceDatReader;
  try {
    const header = readHeader(source);
    learnMap(source, header, map);
    reader = new TraceDatReader(source, context, header);
  } catch (error) {
    if (!(error instanceof DamagedFile)) throw error;
    throw new PagelifeError("PL402", `${name} is a trace.dat that cannot be read: ${error.message}.`);
  }
  const analysis = begin(context);
  context.sink = analysis;
  analysis.knowKernel(log.kernelText);
  const progress = new Progress(name);
  reader.read(() => progress.update(() => `${context.events} events`));
  progress.done();
  return analysis.finish(name, "trace.dat", context);
}

/** Reads ahead for the place of the memory map: soon an event has both an address and a pfn. */
function learnMap(source: ByteSource, header: TraceDatHeader, map: PageMap): void {
  if (map.base !== null) return;
  let left = 200_000;
  let placed = 0;
  const sink: TraceSink = {
    ...quiet,
    event: (e) => {
      if (e.pfn >= 0) placed++;
      // Addresses that lie where they usually do need no learning.
      if (--left === 0 || map.base !== null || (placed > 2000 && map.unplaced === 0)) throw new EnoughSeen();
    },
  };
  try {
    new TraceDatReader(source, new ReadContext(new ImportLog(), map, sink), header).read();
  } catch (error) {
    if (!(error instanceof EnoughSeen) && !(error instanceof DamagedFile)) throw error;
  }
  map.unplaced = 0;
}

class EnoughSeen extends Error {}
