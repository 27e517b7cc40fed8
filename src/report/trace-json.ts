// `pagelife trace --json`: one record a line. Changes of pages come while the recording is read, so
// that no length of it fills the memory; the answers follow, and a summary is last.

import type { KernelEvent, Task } from "../events/event.ts";
import { countParts } from "../trace/analyses/holding.ts";
import { importNotes } from "../trace/import-log.ts";
import { isUnplaced, unplacedAddress } from "../trace/page-map.ts";
import { outcomeOf, type TraceReport } from "../trace/report.ts";
import type { Clock, Stack } from "../trace/sink.ts";
import { HOLD_LENGTHS_NS } from "../trace/trackers/completed-holds.ts";
import type { HolderGroup } from "../trace/trackers/holder-groups.ts";
import type { Certainty } from "../trace/trackers/lifelines.ts";
import type { ChangeListener } from "../trace/trackers/listeners.ts";
import type { Moment, PageState } from "../trace/trackers/page-state.ts";
import { nanosecondsText, rangesOf } from "../trace/wording.ts";
import type { RecordData, RecordType } from "./trace-schema.ts";

export const TRACE_SCHEMA_VERSION = 1;

const known = (n: number): number | null => (Number.isNaN(n) ? null : n);
const pageId = (pfn: number): string =>
  isUnplaced(pfn) ? `0x${unplacedAddress(pfn)}` : `0x${pfn.toString(16)}`;
const taskOf = (task: Task): { comm: string; tid: number } => ({ comm: task.comm, tid: task.tid });
const ranges = (pfns: readonly number[]): [string, string][] =>
  rangesOf(pfns).map(([a, b]) => [pageId(a), pageId(b)]);

export function recordLine<T extends RecordType>(type: T, data: RecordData<T>): string {
  return `${JSON.stringify({ type, schemaVersion: TRACE_SCHEMA_VERSION, data })}\n`;
}

/** Writes each change of a page as it happens. */
export class JsonChanges implements ChangeListener {
  readonly #clock: () => Clock;
  readonly #write: (line: string) => void;
  readonly #last = new Map<number, { readonly pfn: number; readonly where: number }>();
  readonly #stacks = new Set<string>();

  constructor(clock: () => Clock, write: (line: string) => void) {
    this.#clock = clock;
    this.#write = write;
  }

  change(page: PageState, e: KernelEvent, before: number, certainty: Certainty): void {
    this.#last.set(e.cpu, { pfn: page.pfn, where: e.where });
    this.#write(
      recordLine("change", {
        timeNs: nanosecondsText(this.#clock(), e.time),
        where: e.where,
        cpu: e.cpu,
        task: taskOf(e.task),
        page: pageId(page.pfn),
        event: e.spec.name,
        before: known(before),
        count: known(page.count),
        certainty,
        mappings: known(page.mappings),
      }),
    );
  }

  stack(cpu: number, stack: Stack): void {
    const last = this.#last.get(cpu);
    if (last === undefined) return;
    if (!this.#stacks.has(stack.id)) {
      this.#stacks.add(stack.id);
      this.#write(recordLine("stack", { id: stack.id, frames: [...stack.frames] }));
    }
    this.#write(recordLine("changeStack", { page: pageId(last.pfn), where: last.where, stack: stack.id }));
  }
}

/** All that is known at the end, one record a line. */
export function* jsonRecords(r: TraceReport, exitCode: number): Generator<string, void, void> {
  const ns = (time: number): string => nanosecondsText(r.clock, time);
  const span = (n: number): string => `${Math.round(n)}`;
  const place = (m: {
    readonly time: number;
    readonly where: number;
    readonly cpu: number;
    readonly task: Task | null;
  }) => ({
    timeNs: ns(m.time),
    where: m.where,
    cpu: m.cpu,
    task: m.task === null ? null : taskOf(m.task),
  });
  const gone = (m: Moment | null) =>
    m === null ? null : { ...place(m), event: m.event, count: known(m.count) };
  const group = (g: HolderGroup) => ({
    task: g.task === null ? null : taskOf(g.task),
    kind: g.kind,
    event: g.event,
    sinceNs: ns(g.since),
    pages: ranges(g.pfns),
    stack: g.stack?.id ?? null,
  });
  const { rules, because, contradiction } = r.kernel;

  yield recordLine("recording", {
    name: r.name,
    format: r.format,
    startNs: ns(r.start),
    endNs: ns(r.end),
    events: r.events,
    cpus: r.cpus,
    tasks: r.tasks,
    kernel: {
      text: r.log.kernelText,
      model: rules?.model ?? null,
      versions: rules?.versions ?? "",
      because,
      contradiction,
    },
    coverage: { ...r.coverage, missing: [...r.coverage.missing] },
  });
  for (const f of r.findings) {
    yield recordLine("finding", {
      kind: f.kind,
      severity: f.severity,
      sentence: f.sentence,
      evidence: f.evidence.map((e) => ({ ...place(e), text: e.text })),
      pages: ranges(f.pfns),
      tasks: f.tasks.map(taskOf),
      stacks: [...new Set(f.stacks.map((s) => s.id))],
      caveats: [...f.caveats],
      durationNs: Number.isNaN(f.durationNs) ? null : span(f.durationNs),
    });
  }
  for (const w of r.context.waits.waits) {
    yield recordLine("wait", {
      task: taskOf(w.task),
      via: [...w.via],
      caller: w.caller,
      enteredNs: ns(w.enteredAt),
      endedNs: w.endedAt === null ? null : ns(w.endedAt),
      result: known(w.result),
      sleeps: w.segments.map((s) => ({
        page: pageId(s.page.pfn),
        sinceNs: ns(s.since),
        untilNs: s.until === null ? null : ns(s.until),
        count: known(s.count),
        mappings: known(s.mappings),
        holders: s.blockers.map(group),
        lastReferenceGone: gone(s.externalGone),
        woken: s.wake === null ? null : place(s.wake),
        mappedAgain: s.refaults.map(place),
      })),
    });
  }
  for (const g of r.outstanding) {
    yield recordLine("holder", {
      id: g.id,
      kind: g.kind,
      task: g.task === null ? null : taskOf(g.task),
      tasks: g.tasks,
      event: g.event,
      stack: g.stack?.id ?? null,
      references: g.references,
      pages: ranges(g.pfns),
      sinceNs: ns(g.since),
      seen: g.seen,
      unknown: g.doubtful,
      stacks: g.stacks,
    });
  }
  for (const p of [...r.context.pages.pages.values()].sort((a, b) => a.pfn - b.pfn)) {
    const parts = countParts(r.context, p);
    yield recordLine("page", {
      page: pageId(p.pfn),
      type: p.type,
      count: known(p.count),
      certainty: p.certainty,
      expected: parts?.expected ?? null,
      temporary: parts?.temporary ?? null,
      spurious: parts?.spurious ?? null,
      mappings: known(p.mappings),
      mapping: p.mapping,
      index: Number.isNaN(p.index) ? null : `0x${BigInt(Math.trunc(p.index)).toString(16)}`,
      firstNs: ns(p.first),
      lastNs: ns(p.last),
      changes: p.changes,
      pins: p.pins,
      gets: p.gets,
      puts: p.puts,
      maxCount: p.maxCount,
    });
  }
  for (const { pfn, holder, end } of r.context.pages.completed.longest) {
    yield recordLine("longestHold", {
      page: pageId(pfn),
      kind: holder.kind,
      task: holder.task === null ? null : taskOf(holder.task),
      event: holder.event,
      sinceNs: ns(holder.time),
      durationNs: span(end - holder.time),
    });
  }
  for (const [i, holds] of r.context.pages.completed.byLength.entries()) {
    const below = HOLD_LENGTHS_NS[i + 1];
    yield recordLine("holdLength", {
      fromNs: span(HOLD_LENGTHS_NS[i] ?? 0),
      belowNs: below === undefined ? null : span(below),
      holds,
    });
  }
  yield recordLine("heldOverTime", { sliceNs: span(r.held.sliceNs), most: [...r.held.most] });
  for (const e of r.eventCounts)
    yield recordLine("event", { name: e.name, count: e.count, analysed: e.known });
  for (const [name, times] of r.log.counts) {
    const note = importNotes[name];
    yield recordLine("loss", {
      note: name,
      severity: note.severity,
      times,
      text: note.text,
      first: r.log.first.get(name) ?? [],
    });
  }
  const count = (severity: string): number => r.findings.filter((f) => f.severity === severity).length;
  yield recordLine("summary", {
    outcome: outcomeOf(r),
    errors: count("error"),
    warnings: count("warning"),
    unknown: count("unknown"),
    lostEvents: r.log.lostCount,
    pages: r.pages.seen,
    ordinaryPages: r.pages.ordinary,
    exitCode,
  });
}
