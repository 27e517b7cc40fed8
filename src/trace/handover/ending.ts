// What a reader in another thread leaves behind when the recording has ended, beside the events.
import type { ImportLog } from "../import-log.ts";
import type { FormatName, ReadContext } from "../readers/reader.ts";
import type { Clock } from "../sink.ts";

export interface Ending {
  readonly format: FormatName;
  readonly clock: Clock;
  readonly events: number;
  readonly firstTime: number;
  readonly lastTime: number;
  readonly eventCounts: readonly (readonly [string, number])[];
  /** All that the log holds. */
  readonly log: Omit<ImportLog, "note" | "count" | "lost">;
}

export function endingOf(format: FormatName, context: ReadContext): Ending {
  const { clock, events, firstTime, lastTime, log } = context;
  const eventCounts = [...context.eventCounts.values()].map(({ name, count }) => [name, count] as const);
  return { format, clock, events, firstTime, lastTime, eventCounts, log: { ...log } };
}

/** Makes a context, of which nothing but `Unpacker` knows yet, as the reader's was at the end. */
export function applyEnding(ending: Ending, context: ReadContext): void {
  Object.assign(context.clock, ending.clock);
  Object.assign(context.log, ending.log);
  context.events = ending.events;
  context.firstTime = ending.firstTime;
  context.lastTime = ending.lastTime;
  for (const [name, count] of ending.eventCounts) context.entryOf(name).count = count;
}
