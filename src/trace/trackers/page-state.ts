// What is known of one page at one moment, and who refers to it.
import type { KernelEvent, Task } from "../../events/event.ts";
import type { Stack } from "../sink.ts";
import type { Certainty } from "./lifelines.ts";

/** GUP_PIN_COUNTING_BIAS: what a pin adds to the count of a folio of one page. */
export const PIN_BIAS = 1024;

/**
 * Why a reference is held. `pin`: FOLL_PIN. `get`: any other reference from outside. `fault`: the
 * short reference of a page fault that is still running.
 */
export type HolderKind = "pin" | "get" | "fault";

/** One holder of references. Holders of mappings are counted in `PageState.mappings` instead. */
export interface Holder {
  kind: HolderKind;
  /** Number of pins, or of plain references. */
  n: number;
  /** What each adds to the count: 1024 for a pin of a folio of one page, else 1. */
  readonly value: number;
  /** Who took it; null if that was not recorded. */
  readonly task: Task | null;
  readonly cpu: number;
  readonly time: number;
  readonly where: number;
  /** The event that took it. */
  readonly event: string;
  readonly gup: number;
  stack: Stack | null;
  /** Taken in the recording, before it began, or by something that was not recorded. */
  readonly seen: "recorded" | "before" | "unrecorded";
  /** Losses of events before it was taken; if there were more since, it may be gone. */
  readonly losses: number;
}

/** What kind of device memory a page is, as far as events tell. */
export type PageType = "unknown" | "fs-dax" | "device-dax" | "private";

/** What is remembered of an event that a sentence may need later. */
export interface Moment {
  readonly time: number;
  readonly where: number;
  readonly cpu: number;
  readonly task: Task;
  readonly event: string;
  /** Count after it, NaN if unknown. */
  readonly count: number;
}

export function moment(e: KernelEvent, count: number): Moment {
  return { time: e.time, where: e.where, cpu: e.cpu, task: e.task, event: e.spec.name, count };
}

export class PageState {
  readonly pfn: number;
  type: PageType = "unknown";
  /** Some event named it that only pages of ZONE_DEVICE can be named by. */
  device = false;
  /** PG_reserved, which every page of FS-DAX and device-DAX has; null while not known. */
  reserved: boolean | null = null;
  /** Head of a large folio: references of all its pages are counted here. */
  large = false;
  /** `_refcount`; NaN while unknown. */
  count: number = Number.NaN;
  certainty: Certainty = "unknown";
  /** Page-table mappings; NaN while unknown. */
  mappings: number = Number.NaN;
  /** References of mappings that are gone from mapcount, but not yet from the count (TLB flush). */
  zapping = 0;
  holders: Holder[] = [];
  /** `page_ref` tracepoints tell of this page, so probes need not be interpreted. */
  traced = false;
  /** Address of the file's address_space, empty when in no file. */
  mapping = "";
  index: number = Number.NaN;
  pgmap = "";
  first: number;
  last: number;
  changes = 0;
  pins = 0;
  gets = 0;
  puts = 0;
  maxCount = 0;
  /** Puts whose get was not recorded. */
  unmatchedPuts = 0;
  /** Changes that no event tells of. */
  unrecordedPuts = 0;
  unrecordedGets = 0;
  /** Counts that do not follow from the one before, and stayed unexplained. */
  jumps = 0;
  /** The put that came last. One object for each page: the next put overwrites it. */
  lastPut: Moment | null = null;
  /** It was put into page tables. */
  inserted = false;
  /** Sleeping tasks that wait for it. */
  watchers = 0;
  /** Number of its last change in the lifeline pool. */
  lifeline = -1;
  /** Mixes what happened, by whom, with which counts: pages with one story have one signature. */
  signature = 0;

  constructor(pfn: number, time: number) {
    this.pfn = pfn;
    this.first = time;
    this.last = time;
  }

  /** Notes an event as the last put, after which the count is what it is now. */
  notePut(e: KernelEvent, event: string = e.spec.name): void {
    const put: { -readonly [K in keyof Moment]: Moment[K] } | null = this.lastPut;
    if (put === null) {
      this.lastPut = { ...moment(e, this.count), event };
      return;
    }
    put.time = e.time;
    put.where = e.where;
    put.cpu = e.cpu;
    put.task = e.task;
    put.event = event;
    put.count = this.count;
  }

  /** References from outside that are known by their holders: pins and gets, not faults. */
  get external(): number {
    let sum = 0;
    for (const h of this.holders) if (h.kind !== "fault") sum += h.n * h.value;
    return sum;
  }

  /** All references that recorded holders account for. */
  get held(): number {
    let sum = 0;
    for (const h of this.holders) sum += h.n * h.value;
    return sum;
  }
}
