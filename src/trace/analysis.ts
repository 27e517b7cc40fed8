// Events in, answers out: hands each event to the trackers, and at the end asks every analysis.
import type { KernelEvent } from "../events/event.ts";
import { vocabulary } from "../events/vocabulary.ts";
import { analyseConformance } from "./analyses/conforming.ts";
import { type AnalysisContext, isDevice } from "./analyses/context.ts";
import { analyseDeletions } from "./analyses/deleting.ts";
import { analyseHolding, type CullKey, outstanding, type SortKey } from "./analyses/holding.ts";
import { analyseRemovals } from "./analyses/removing.ts";
import { analyseWaits } from "./analyses/waiting.ts";
import { coverageOf } from "./coverage.ts";
import type { Finding, FindingSeverity } from "./finding.ts";
import { KernelRecogniser, type KernelRules, rulesOfVersion } from "./kernel-rules.ts";
import type { FormatName, ReadContext } from "./readers/reader.ts";
import { RECORDED_ON, switchedOn } from "./record/marks.ts";
import type { PageGroup, TraceReport } from "./report.ts";
import type { Stack, TraceSink } from "./sink.ts";
import { ConformanceTracker } from "./trackers/conformance.ts";
import { DeletedEntryTracker } from "./trackers/deleted-entries.ts";
import { HeldTimeline } from "./trackers/held-timeline.ts";
import type { ChangeListener } from "./trackers/listeners.ts";
import { LockTracker } from "./trackers/locks.ts";
import type { PageState } from "./trackers/page-state.ts";
import { PageTracker } from "./trackers/pages.ts";
import { RemovalTracker } from "./trackers/removals.ts";
import { WaitTracker } from "./trackers/waits.ts";

export interface AnalysisOptions {
  /** The kernel, if the person states it. */
  readonly kernel?: { readonly rules: KernelRules; readonly text: string };
  readonly cull?: readonly CullKey[];
  readonly sort?: SortKey;
  readonly listener?: ChangeListener;
  /** Is shown every event before the trackers are. */
  readonly observer?: (e: KernelEvent) => void;
}

const MAX_CPUS = 65_536;
/** Tasks whose end is remembered. */
const MAX_EXITS = 262_144;

export class TraceAnalysis implements TraceSink {
  readonly kernel: KernelRecogniser = new KernelRecogniser();
  readonly pages: PageTracker;
  readonly waits: WaitTracker;
  readonly removals: RemovalTracker;
  readonly locks: LockTracker = new LockTracker();
  readonly deletions: DeletedEntryTracker;
  readonly conformance: ConformanceTracker = new ConformanceTracker();
  readonly #options: AnalysisOptions;
  readonly #held = new HeldTimeline();
  readonly #cpus = new Uint8Array(MAX_CPUS);
  #cpuCount = 0;
  /** By `EventSpec.id`. */
  readonly #seenOnce: boolean[] = new Array<boolean>(vocabulary.length).fill(false);
  readonly #switchedOn = new Set<string>();
  readonly #exits = new Map<number, number>();
  #stacks = false;
  #losses = 0;

  constructor(options: AnalysisOptions = {}) {
    this.#options = options;
    if (options.kernel !== undefined)
      this.kernel.state(options.kernel.rules, `stated as ${options.kernel.text}`);
    this.pages = new PageTracker(this.kernel);
    this.waits = new WaitTracker(this.pages);
    this.removals = new RemovalTracker(this.pages);
    this.deletions = new DeletedEntryTracker(this.pages);
    this.pages.listener = options.listener ?? null;
  }

  event(e: KernelEvent): void {
    const { role } = e.spec;
    this.#options.observer?.(e);
    if (this.#seenOnce[e.spec.id] !== true) {
      this.#seenOnce[e.spec.id] = true;
      this.kernel.sawEvent(e.spec.name);
    }
    if (this.#cpus[e.cpu] === 0) {
      this.#cpus[e.cpu] = 1;
      this.#cpuCount++;
    }
    if (role === "wake" && this.kernel.rules === null && this.pages.pages.get(e.pfn)?.device === true) {
      this.kernel.sawWakeKey(e.offset);
    }
    if (role === "mark") this.#mark(e.text);
    this.pages.event(e);
    switch (role) {
      case "count-changed":
      case "grab":
      case "put":
      case "freed":
      case "left-file":
      case "map":
      case "unmap":
      case "insert": {
        const page = this.pages.current;
        if (page !== null) this.conformance.check(page, e, this.#losses);
        this.#held.at(e.time, this.pages.held.size);
        if (this.removals.watching) this.removals.event(e);
        return;
      }
      case "lock-enter":
      case "lock-exit":
      case "lock-release":
        this.locks.event(e);
        return;
      case "kill":
      case "created":
      case "remove-enter":
      case "remove-exit":
      case "pgmap-released":
        this.removals.event(e);
        return;
      case "entry-deleted":
        if (this.pages.held.size > 0) this.deletions.event(e);
        return;
      case "task-exit":
        if (this.#exits.size < MAX_EXITS || this.#exits.has(e.task.tid)) this.#exits.set(e.task.tid, e.time);
        return;
      default:
        this.waits.event(e);
    }
  }

  /** What a recording script of ours wrote into the recording. */
  #mark(text: string): void {
    for (const name of switchedOn(text)) this.#switchedOn.add(name);
    if (this.kernel.rules !== null) return;
    const at = text.indexOf(RECORDED_ON);
    if (at >= 0) this.knowKernel(text.slice(at + RECORDED_ON.length));
  }

  /** Takes what the recording itself says of its kernel, unless the person has stated it. */
  knowKernel(text: string): void {
    if (this.#options.kernel !== undefined || text === "") return;
    const rules = rulesOfVersion(text);
    if (rules !== null) this.kernel.state(rules, `recorded on ${text}`);
  }

  stack(cpu: number, stack: Stack): void {
    this.#stacks = true;
    this.pages.stack(cpu, stack);
  }

  lost(_cpu: number): void {
    this.#losses++;
    this.pages.lost();
    this.waits.lost();
  }

  finish(name: string, format: FormatName, read: ReadContext): TraceReport {
    if (this.kernel.rules === null && read.log.kernelText !== "") {
      this.knowKernel(read.log.kernelText);
    }
    const entries = [...read.eventCounts.values()].filter((x) => x.count > 0);
    for (const entry of entries) {
      if (entry.spec !== null) continue;
      read.log.unknownEvents.set(entry.name, entry.count);
      read.log.note("unknownEvent", 0, entry.count);
    }
    const context: AnalysisContext = {
      rules: this.kernel.rules,
      clock: read.clock,
      pages: this.pages,
      waits: this.waits,
      removals: this.removals,
      locks: this.locks,
      deletions: this.deletions,
      exits: this.#exits,
      end: Number.isFinite(read.lastTime) ? read.lastTime : 0,
      stacks: this.#stacks,
      seen: new Set(entries.map((x) => x.name)),
      watched: new Set([...entries.map((x) => x.name), ...this.#switchedOn, ...read.log.switchedOn]),
    };
    const findings = [
      ...analyseConformance(context, this.conformance),
      ...analyseWaits(context),
      ...analyseDeletions(context),
      ...analyseRemovals(context),
      ...analyseHolding(context),
    ];
    const all = [...this.pages.pages.values()];
    const device = all.filter((p) => isDevice(context, p));
    return {
      name,
      format,
      clock: read.clock,
      start: Number.isNaN(read.firstTime) ? 0 : read.firstTime,
      end: context.end,
      events: read.events,
      cpus: this.#cpuCount,
      tasks: read.tasks.all.length,
      log: read.log,
      eventCounts: entries
        .map((x) => ({ name: x.name, count: x.count, known: x.spec !== null }))
        .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1)),
      kernel: {
        rules: this.kernel.rules,
        because: this.kernel.because,
        contradiction: this.kernel.contradiction,
      },
      findings: ordered(read.log.count("damaged") > 0 ? findings.map(unsure) : findings),
      outstanding: outstanding(context, this.#options.cull, this.#options.sort),
      pages: {
        seen: device.length,
        ordinary: all.length - device.length,
        dropped: this.pages.dropped,
        groups: groupPages(device),
      },
      held: this.#held.result(),
      coverage: coverageOf(context),
      context,
      illegalChecked: this.conformance.checked,
    };
  }
}

/** In a damaged file any event may be missing, and any that is there may be wrong. */
function unsure(f: Finding): Finding {
  if (f.severity !== "error" && f.severity !== "warning") return f;
  const caveat = "parts of the file are damaged: events are missing, and others may be wrong";
  return { ...f, severity: "unknown", caveats: [...f.caveats, caveat] };
}

const SEVERITIES: readonly FindingSeverity[] = ["error", "warning", "unknown", "note"];

/** Who waits comes before who holds: a person with a hung machine asks the first. */
const holding: readonly Finding["kind"][] = ["leak", "outstanding", "unmatched-puts"];

function ordered(findings: readonly Finding[]): Finding[] {
  const rank = (f: Finding): number => SEVERITIES.indexOf(f.severity);
  const late = (f: Finding): number => (holding.includes(f.kind) ? 1 : 0);
  const length = (f: Finding): number => (Number.isNaN(f.durationNs) ? 0 : f.durationNs);
  return [...findings].sort((a, b) => rank(a) - rank(b) || late(a) - late(b) || length(b) - length(a));
}

/** Pages with one story, next to each other, most eventful first. */
function groupPages(pages: readonly PageState[]): PageGroup[] {
  const sorted = [...pages].sort((a, b) => a.pfn - b.pfn);
  const runs: PageState[][] = [];
  for (const page of sorted) {
    const run = runs[runs.length - 1];
    const last = run?.[run.length - 1];
    if (
      run !== undefined &&
      last !== undefined &&
      last.pfn + 1 === page.pfn &&
      last.signature === page.signature
    )
      run.push(page);
    else runs.push([page]);
  }
  runs.sort((a, b) => (b[0]?.changes ?? 0) - (a[0]?.changes ?? 0) || (a[0]?.pfn ?? 0) - (b[0]?.pfn ?? 0));
  return runs.slice(0, 1000).map((run) => {
    const example = run[0] as PageState;
    return { pfns: run.map((p) => p.pfn), example };
  });
}
