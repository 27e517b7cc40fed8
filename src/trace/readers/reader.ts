// What all readers of text have in common.
import { emptyEvent, type KernelEvent } from "../../events/event.ts";
import { type EventSpec, specByName } from "../../events/vocabulary.ts";
import type { ImportLog } from "../import-log.ts";
import type { PageMap } from "../page-map.ts";
import { type Clock, newClock, TaskTable, type TraceSink } from "../sink.ts";
import { StackTable } from "../stacks.ts";

/** The formats that pagelife reads. */
export type FormatName = "ftrace text" | "trace-cmd report" | "perf script" | "trace.dat";

/** State of one pass over one recording, shared by its reader and whoever looks at the result. */
export class ReadContext {
  readonly log: ImportLog;
  readonly map: PageMap;
  /** Whoever gets the events; may be set after the reader is made, before it reads. */
  sink: TraceSink;
  readonly tasks: TaskTable = new TaskTable();
  readonly stacks: StackTable = new StackTable();
  readonly clock: Clock = newClock();
  /** Events that the person named in a mapping file, before the vocabulary. */
  readonly probes: ReadonlyMap<string, EventSpec>;
  /** How often each event came, known or not. */
  readonly eventCounts: Map<string, EventEntry> = new Map();
  /** By CPU, whether its last event was handed on: then a stack that follows belongs to that. */
  readonly handedOn: boolean[] = [];
  events = 0;
  lastTime = Number.NEGATIVE_INFINITY;
  firstTime: number = Number.NaN;

  constructor(
    log: ImportLog,
    map: PageMap,
    sink: TraceSink,
    probes: ReadonlyMap<string, EventSpec> = new Map(),
  ) {
    this.log = log;
    this.map = map;
    this.sink = sink;
    this.probes = probes;
  }

  specOf(name: string): EventSpec | null {
    return this.probes.get(name) ?? specByName.get(name) ?? null;
  }

  /** The entry that counts events of a name. */
  entryOf(name: string): EventEntry {
    let entry = this.eventCounts.get(name);
    if (entry === undefined) {
      const spec = this.specOf(name);
      entry = { name, spec, count: 0, event: emptyEvent(spec ?? unknown) };
      this.eventCounts.set(name, entry);
    }
    return entry;
  }

  /** Counts an event, known or not; notes a clock that runs backwards. */
  tick(time: number, where: number): void {
    if (this.events++ === 0) this.firstTime = time;
    if (time < this.lastTime) this.log.note("timeBackwards", where);
    else this.lastTime = time;
  }
}

/** One kind of event in this recording. */
export interface EventEntry {
  readonly name: string;
  readonly spec: EventSpec | null;
  count: number;
  /**
   * The event of this kind that is handed on, filled anew each time. One for each kind: what this kind
   * never prints stays absent without being cleared.
   */
  readonly event: KernelEvent;
}

/** Fills the place of the specification in events that are never handed on. */
const unknown = specByName.get("print") as EventSpec;

/** A reader of text: takes bytes as they come. It never throws on bad input; see `ImportLog`. */
export interface TextReader {
  readonly format: FormatName;
  push(chunk: Buffer): void;
  end(): void;
}
