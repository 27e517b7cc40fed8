// What reading a recording noted: nothing is skipped in silence, and nothing stops the reading.
// Each kind has a sentence for the person who reads the report.

/**
 * `data-loss`: the recording itself says that events are missing. `skipped`: we could not use a part
 * of it. `info`: for the record.
 */
export type Severity = "info" | "skipped" | "data-loss";

/** All that can be noted while a recording is read. */
export const importNotes = {
  lines: { severity: "info", text: "lines read" },
  unknownEvent: { severity: "info", text: "events of a kind that pagelife does not analyse" },
  continuedLine: { severity: "info", text: "lines that continue a marker written into the recording" },
  lateCpu: { severity: "info", text: "CPUs whose buffer starts after the recording's start" },
  malformedLine: { severity: "skipped", text: "lines that are not events; the first few are listed" },
  longLine: { severity: "skipped", text: "lines of more than 64 KiB, left out" },
  truncated: { severity: "data-loss", text: "the file ends in the middle of a line or record" },
  damaged: { severity: "data-loss", text: "parts of the file that contradict its own description" },
  lostEvents: {
    severity: "data-loss",
    text: "places where the kernel's buffer was too small and events were lost",
  },
  overwritten: {
    severity: "data-loss",
    text: "events overwritten before they were read: the recording starts late",
  },
  timeBackwards: { severity: "info", text: "events that are older than the one before them" },
} as const satisfies Record<string, { severity: Severity; text: string }>;

export type NoteName = keyof typeof importNotes;

/** Counts what was noted, and remembers where the first few were. */
export class ImportLog {
  readonly counts: Map<NoteName, number> = new Map();
  /** The first few places of each kind: 1-based lines, or offsets in bytes. */
  readonly first: Map<NoteName, number[]> = new Map();
  /** Events that the kernel counted as lost; `null` once one loss came without a number. */
  lostCount: number | null = 0;
  /** Names of events that are not analysed, with how often each came. */
  readonly unknownEvents: Map<string, number> = new Map();
  /** Sentences about damage, the first few. */
  readonly details: string[] = [];
  /** What the recording says about its kernel, for example from uname. */
  kernelText = "";
  /** Names of events that were switched on, as far as the recording says so: whether they came or not. */
  readonly switchedOn: Set<string> = new Set();

  note(name: NoteName, where: number, times = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + times);
    const first = this.first.get(name) ?? [];
    if (first.length < 5) this.first.set(name, [...first, where]);
  }

  count(name: NoteName): number {
    return this.counts.get(name) ?? 0;
  }

  /** A loss of `events` (null: the recording does not say how many). */
  lost(events: number | null, where: number): void {
    this.note("lostEvents", where);
    this.lostCount = events === null || this.lostCount === null ? null : this.lostCount + events;
  }
}
