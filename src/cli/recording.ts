// From a path to the answer: reads a recording and analyses it, on two cores if that pays.
import { assert } from "../base/assert.ts";
import type { TraceAnalysis } from "../trace/analysis.ts";
import type { PageMap } from "../trace/page-map.ts";
import type { ReadContext } from "../trace/readers/reader.ts";
import type { TraceReport } from "../trace/report.ts";
import type { Clock } from "../trace/sink.ts";
import { isLarge } from "./input.ts";
import { Progress } from "./progress.ts";
import { type EventsRead, nameOf, type ReadOptions, readEvents } from "./read-events.ts";

/** What outputs that write while the recording is read may look at. */
export interface Reading {
  readonly clock: Clock;
  readonly map: PageMap;
}

export interface RecordingOptions extends Omit<ReadOptions, "onProgress"> {
  /** 1: one thread does everything; more: another reads; undefined: as it pays. */
  readonly jobs: number | undefined;
}

/**
 * @param begin Is called when reading starts, and gives the analysis to feed.
 * @throws PagelifeError if the file is no recording (PL401), or a trace.dat that cannot be read (PL402).
 */
export async function readRecording(
  file: string,
  options: RecordingOptions,
  begin: (reading: Reading) => TraceAnalysis,
): Promise<TraceReport> {
  const name = nameOf(file);
  const progress = new Progress(name);
  const reading = { ...options, onProgress: (events: number) => progress.update(() => `${events} events`) };
  const begun: TraceAnalysis[] = [];
  const start = (context: ReadContext): TraceAnalysis => {
    const analysis = begin(context);
    analysis.knowKernel(context.log.kernelText);
    begun.push(analysis);
    return analysis;
  };
  let read: EventsRead | null = null;
  if (file !== "-" && (options.jobs === undefined ? isLarge(file) : options.jobs > 1)) {
    const { readEventsAside } = await import("./reader-thread.ts");
    read = await readEventsAside(file, reading, start);
  }
  const { format, context } = read ?? (await readEvents(file, reading, start));
  progress.done();
  const [analysis] = begun;
  assert(analysis, "a reader ends without having asked for an analysis");
  return analysis.finish(name, format, context);
}
