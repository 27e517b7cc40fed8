// A Perfetto trace of TrackEvents: for each page a counter of its references and a slice for each
// hold, with an arrow from the get to the put; for each waiting task a slice for each wait. Field
// numbers are those of protos/perfetto/trace/track_event/*.proto, written by hand.
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import type { KernelEvent, Task } from "../events/event.ts";
import type { TraceReport } from "../trace/report.ts";
import type { Clock } from "../trace/sink.ts";
import type { ChangeListener } from "../trace/trackers/listeners.ts";
import type { Holder, PageState } from "../trace/trackers/page-state.ts";
import { pageText, taskName } from "../trace/wording.ts";

/** Perfetto becomes unusable with more tracks; later pages are left out, and `omitted` says how many. */
export const MAX_PERFETTO_PAGES = 5000;

// TracePacket
const TIMESTAMP = 8;
const SEQUENCE_ID = 10;
const TRACK_EVENT = 11;
const SEQUENCE_FLAGS = 13;
const TRACK_DESCRIPTOR = 60;
// TrackDescriptor
const UUID = 1;
const NAME = 2;
const PARENT_UUID = 5;
const COUNTER = 8;
// TrackEvent
const DEBUG_ANNOTATIONS = 4;
const TYPE = 9;
const TRACK_UUID = 11;
const CATEGORIES = 22;
const EVENT_NAME = 23;
const COUNTER_VALUE = 30;
const FLOW_IDS = 47;
const TERMINATING_FLOW_IDS = 48;

const SLICE_BEGIN = 1;
const SLICE_END = 2;
const COUNTER_EVENT = 4;

const ROOT_PAGES = 1n;
const ROOT_WAITS = 2n;

export class PerfettoWriter implements ChangeListener {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #clock: () => Clock;
  readonly #tracks = new Map<number, bigint>();
  readonly #taskTracks = new Map<string, bigint>();
  #nextUuid = 16n;
  #nextFlow = 1n;
  #started = false;
  /** Pages left out. */
  readonly #left = new Set<number>();

  constructor(clock: () => Clock, write: (bytes: Uint8Array) => void) {
    this.#clock = clock;
    this.#write = write;
  }

  get omitted(): number {
    return this.#left.size;
  }

  change(page: PageState, e: KernelEvent): void {
    if (Number.isNaN(page.count)) return;
    const track = this.#pageTrack(page.pfn);
    if (track === null) return;
    this.#event(e.time, track + 1n, COUNTER_EVENT, (w) =>
      w.tag(COUNTER_VALUE, 0).int64(Math.trunc(page.count)),
    );
  }

  dropped(page: PageState, holder: Holder, n: number, e: KernelEvent): void {
    this.#hold(page.pfn, holder, n, e.time, e.task, e.spec.name);
  }

  /** Call at the end: what is held still, and who waited. */
  finish(report: TraceReport): void {
    this.#start();
    for (const page of report.context.pages.held) {
      for (const holder of page.holders) {
        if (holder.kind !== "fault") this.#hold(page.pfn, holder, holder.n, report.end, null, "still held");
      }
    }
    for (const wait of report.context.waits.waits) {
      const track = this.#taskTrack(wait.task);
      const pages = wait.segments
        .map((s) => pageText(s.page.pfn))
        .slice(0, 8)
        .join(", ");
      this.#event(wait.enteredAt, track, SLICE_BEGIN, (w) => {
        w.tag(EVENT_NAME, 2).string(`${wait.via[0] ?? "dax_layout_busy_page_range"}()`);
        w.tag(CATEGORIES, 2).string("wait");
        annotate(w, "for", pages);
        if (wait.caller !== "") annotate(w, "caller", wait.caller);
      });
      this.#event(wait.endedAt ?? report.end, track, SLICE_END);
    }
  }

  #hold(pfn: number, holder: Holder, n: number, end: number, by: Task | null, event: string): void {
    if (this.#pageTrack(pfn) === null) return;
    // Holds of one page overlap, so each has a track; Perfetto shows tracks of one name as one.
    const track = this.#nextUuid++;
    this.#descriptor(track, `${pageText(pfn)} holders`, this.#tracks.get(pfn) ?? ROOT_PAGES);
    const flow = this.#nextFlow++;
    this.#event(holder.time, track, SLICE_BEGIN, (w) => {
      w.tag(EVENT_NAME, 2).string(`${n > 1 ? `${n} x ` : ""}${holder.kind} by ${taskName(holder.task)}`);
      w.tag(CATEGORIES, 2).string(holder.kind);
      w.tag(FLOW_IDS, 1).fixed64(flow);
      annotate(w, "taken in", holder.event);
      annotate(w, "dropped in", event);
      if (by !== null) annotate(w, "dropped by", taskName(by));
      if (holder.stack !== null) annotate(w, "stack", holder.stack.frames.join("\n"));
    });
    this.#event(end, track, SLICE_END);
    if (by === null) return;
    const task = this.#taskTrack(by);
    this.#event(end, task, SLICE_BEGIN, (w) => {
      w.tag(EVENT_NAME, 2).string(`${event} ${pageText(pfn)}`);
      w.tag(CATEGORIES, 2).string("put");
      w.tag(TERMINATING_FLOW_IDS, 1).fixed64(flow);
    });
    this.#event(end, task, SLICE_END);
  }

  #pageTrack(pfn: number): bigint | null {
    const known = this.#tracks.get(pfn);
    if (known !== undefined) return known;
    if (this.#tracks.size >= MAX_PERFETTO_PAGES) {
      this.#left.add(pfn);
      return null;
    }
    this.#start();
    const track = this.#nextUuid;
    this.#nextUuid += 2n;
    this.#tracks.set(pfn, track);
    this.#descriptor(track, pageText(pfn), ROOT_PAGES);
    this.#descriptor(track + 1n, `${pageText(pfn)} refcount`, track, true);
    return track;
  }

  #taskTrack(task: Task): bigint {
    const name = taskName(task);
    let track = this.#taskTracks.get(name);
    if (track === undefined) {
      this.#start();
      track = this.#nextUuid++;
      this.#taskTracks.set(name, track);
      this.#descriptor(track, name, ROOT_WAITS);
    }
    return track;
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#descriptor(ROOT_PAGES, "pages", null);
    this.#descriptor(ROOT_WAITS, "tasks", null);
  }

  #descriptor(uuid: bigint, name: string, parent: bigint | null, counter = false): void {
    const w = new BinaryWriter();
    w.tag(1, 2).fork();
    w.tag(SEQUENCE_ID, 0).uint32(1);
    if (uuid === ROOT_PAGES) w.tag(SEQUENCE_FLAGS, 0).uint32(1);
    w.tag(TRACK_DESCRIPTOR, 2).fork();
    w.tag(UUID, 0).uint64(uuid);
    w.tag(NAME, 2).string(name);
    if (parent !== null) w.tag(PARENT_UUID, 0).uint64(parent);
    if (counter) w.tag(COUNTER, 2).fork().join();
    w.join().join();
    this.#write(w.finish());
  }

  #event(time: number, track: bigint, type: number, more?: (w: BinaryWriter) => void): void {
    const w = new BinaryWriter();
    const clock = this.#clock();
    const ns = BigInt(Math.max(clock.epochSeconds, 0)) * 1_000_000_000n + BigInt(Math.round(time));
    w.tag(1, 2).fork();
    w.tag(TIMESTAMP, 0).uint64(ns < 0n ? 0n : ns);
    w.tag(SEQUENCE_ID, 0).uint32(1);
    w.tag(TRACK_EVENT, 2).fork();
    w.tag(TYPE, 0).uint32(type);
    w.tag(TRACK_UUID, 0).uint64(track);
    more?.(w);
    w.join().join();
    this.#write(w.finish());
  }
}

function annotate(w: BinaryWriter, name: string, value: string): void {
  w.tag(DEBUG_ANNOTATIONS, 2).fork();
  w.tag(10, 2).string(name);
  w.tag(6, 2).string(value);
  w.join();
}
