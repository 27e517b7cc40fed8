// From a path to events: opens a recording, finds out what it is, and runs the reader for it.
import { PagelifeError } from "../base/errors.ts";
import type { EventSpec } from "../events/vocabulary.ts";
import { type Detected, detect } from "../trace/detect.ts";
import { ImportLog } from "../trace/import-log.ts";
import { MapLearner } from "../trace/learn-map.ts";
import { PageMap } from "../trace/page-map.ts";
import { type TextFormat, textReader } from "../trace/read.ts";
import { type FormatName, ReadContext } from "../trace/readers/reader.ts";
import type { ByteSource } from "../trace/readers/trace-dat/byte-source.ts";
import { DamagedFile, prepareZstd } from "../trace/readers/trace-dat/decompress.ts";
import { readHeader, type TraceDatHeader } from "../trace/readers/trace-dat/header.ts";
import { TraceDatReader } from "../trace/readers/trace-dat/trace-dat.ts";
import { quiet, type TraceSink } from "../trace/sink.ts";
import { gunzip, openBytes, openSource, type Peeked, peek, spool, type Unpacking, unzstd } from "./input.ts";

const HEAD = 64 * 1024;
/** How much is read ahead to learn where the memory map lies. */
const LEARN = 4 << 20;
/** After each so many bytes of text it is asked whether that is known. */
const LEARN_STEP = 1 << 16;

export interface ReadOptions {
  /** Start of the array of struct page, if the person states it. */
  readonly vmemmap: string | undefined;
  readonly probes: ReadonlyMap<string, EventSpec>;
  /** Becomes true on Ctrl-C: what was read so far is analysed. */
  readonly stopped: () => boolean;
  /** Is told now and then how many events were read. */
  readonly onProgress: (events: number) => void;
}

/** What reading came to: the reader's state at the end. */
export interface EventsRead {
  readonly format: FormatName;
  readonly context: ReadContext;
}

/** How messages call a file. */
export const nameOf = (file: string): string => (file === "-" ? "standard input" : file);

/**
 * @param begin Is called when reading starts, and gives the sink to feed.
 * @throws PagelifeError if the file is no recording (PL401), or a trace.dat that cannot be read (PL402).
 */
export async function readEvents(
  file: string,
  options: ReadOptions,
  begin: (context: ReadContext) => TraceSink,
): Promise<EventsRead> {
  const name = nameOf(file);
  const unpacking: Unpacking = { damaged: "" };
  const { peeked, detected, packed } = await unpacked(name, await peek(openBytes(file), HEAD), unpacking);
  const map = options.vmemmap === undefined ? new PageMap() : PageMap.at(options.vmemmap);
  const context = new ReadContext(new ImportLog(), map, quiet, options.probes);
  if (detected.kind === "trace.dat") {
    const opened = packed || file === "-" ? await spool(peeked.rest) : openSource(file);
    if (!packed && file !== "-") await peeked.rest.return(undefined);
    try {
      if (detected.version !== "6") await prepareZstd();
      return readTraceDat(name, opened.source, context, options, begin);
    } finally {
      opened.close();
    }
  }

  const ahead = await peek(peeked.rest, LEARN);
  learnFromText(detected.format, ahead.head, context);
  context.sink = begin(context);
  const reader = textReader(detected.format, context);
  for await (const chunk of ahead.rest) {
    reader.push(chunk);
    if (options.stopped()) break;
    options.onProgress(context.events);
  }
  reader.end();
  if (unpacking.damaged !== "") {
    context.log.note("truncated", 0);
    context.log.details.push(`unpacking: ${unpacking.damaged}`);
  }
  return { format: detected.format, context };
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
  context: ReadContext,
  options: ReadOptions,
  begin: (context: ReadContext) => TraceSink,
): EventsRead {
  let reader: TraceDatReader;
  try {
    const header = readHeader(source);
    learnFromTraceDat(source, header, context);
    reader = new TraceDatReader(source, context, header);
  } catch (error) {
    if (!(error instanceof DamagedFile)) throw error;
    throw new PagelifeError("PL402", `${name} is a trace.dat that cannot be read: ${error.message}.`);
  }
  context.sink = begin(context);
  reader.read(() => {
    options.onProgress(context.events);
    return !options.stopped();
  });
  return { format: "trace.dat", context };
}

/** Reads the start of a trace.dat for the place of the memory map. */
function learnFromTraceDat(source: ByteSource, header: TraceDatHeader, { map, probes }: ReadContext): void {
  const learner = new MapLearner(map);
  if (learner.done) return;
  try {
    const context = new ReadContext(new ImportLog(), map, learner, probes);
    const reader = new TraceDatReader(source, context, header);
    reader.read(() => !learner.done);
  } catch (error) {
    if (!(error instanceof DamagedFile)) throw error;
  }
  map.unplaced = 0;
}

/** As `learnFromTraceDat`, of the start of a text. */
function learnFromText(format: TextFormat, start: Buffer, { map, probes }: ReadContext): void {
  const learner = new MapLearner(map);
  const reader = textReader(format, new ReadContext(new ImportLog(), map, learner, probes));
  for (let p = 0; p < start.length && !learner.done; p += LEARN_STEP)
    reader.push(start.subarray(p, p + LEARN_STEP));
  map.unplaced = 0;
}
