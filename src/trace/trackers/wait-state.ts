// A wait as far as it is known: made of one segment for each page slept for. Between events a segment's
// fields say what has happened to its page since the sleep began.
import type { KernelEvent, Task } from "../../events/event.ts";
import type { HolderGroup } from "./holder-groups.ts";
import { type Moment, moment, type PageState } from "./page-state.ts";

/** One page slept for. */
export interface Segment {
  readonly page: PageState;
  readonly since: number;
  readonly where: number;
  readonly cpu: number;
  readonly count: number;
  readonly mappings: number;
  /** Who held references to pages of the file when the sleep began. */
  readonly blockers: readonly HolderGroup[];
  until: number | null;
  /** The put after which nobody outside held a reference; taken back if somebody takes one again. */
  externalGone: Moment | null;
  /** The first time, after that, that the count was 0 and 1. */
  atZero: Moment | null;
  atOne: Moment | null;
  /** The last wake of this page before the waiter ran again. */
  wake: Moment | null;
  /** The page was mapped again during the sleep. */
  readonly refaults: Moment[];
  readonly unmaps: Moment[];
  /** References taken from outside during the sleep. */
  readonly newHolders: Moment[];
  /** Losses of events during the sleep. */
  losses: number;
}

export interface Wait {
  readonly task: Task;
  /** The functions entered, outermost first. */
  readonly via: readonly string[];
  /** Who called the outermost, if its return told. */
  caller: string;
  readonly enteredAt: number;
  readonly where: number;
  readonly mapping: string;
  readonly inode: string;
  readonly segments: Segment[];
  endedAt: number | null;
  /** Return value; NaN while not known. */
  result: number;
}

/** A scan that found no page to wait for, although the recording knows of a holder. */
export interface MissedHolder {
  readonly task: Task;
  readonly via: readonly string[];
  readonly scan: Moment;
  readonly groups: readonly HolderGroup[];
  readonly pages: readonly PageState[];
  /** The holders were still there when break-layouts returned. */
  confirmed: boolean;
  /** Events were lost since they took the pages: perhaps their puts. */
  lost: boolean;
}

export interface Context {
  readonly fn: string;
  readonly enteredAt: number;
  readonly where: number;
  readonly inode: string;
}

export interface Scan {
  readonly mapping: string;
  readonly start: number;
  readonly end: number;
  readonly time: number;
}

export interface WaiterState {
  readonly contexts: Context[];
  scan: Scan | null;
  wait: Wait | null;
  missed: MissedHolder | null;
  /** An inner function has returned; whether the outer ones leave an event, too, is not known yet. */
  provisional: boolean;
}

/** What may happen to a page that somebody sleeps for. */
export type Change = "put" | "get" | "map" | "unmap" | "insert" | "wake" | "sample";

/** Moments of one kind that a segment keeps. */
const MAX_NOTED = 16;

/** The sleep that begins with the event. */
export function newSegment(page: PageState, e: KernelEvent, blockers: readonly HolderGroup[]): Segment {
  return {
    page,
    since: e.time,
    where: e.where,
    cpu: e.cpu,
    count: page.count,
    mappings: page.mappings,
    blockers,
    until: null,
    externalGone: null,
    atZero: null,
    atOne: null,
    wake: null,
    refaults: [],
    unmaps: [],
    newHolders: [],
    losses: 0,
  };
}

/** Takes in what an event did to the page that is slept for. */
export function noteChange(segment: Segment, e: KernelEvent, what: Change, event: string): void {
  const { page } = segment;
  const now = { ...moment(e, page.count), event };
  if (what === "wake") segment.wake = now;
  else if (what === "unmap") push(segment.unmaps, now);
  else if (what === "map") push(segment.refaults, now);
  else if (what === "insert" && Number.isNaN(e.count)) push(segment.refaults, now);
  else if (what === "get" && isExternal(page, e)) push(segment.newHolders, now);
  if (page.external > 0) {
    segment.externalGone = null;
    segment.atZero = null;
    segment.atOne = null;
  } else if (segment.externalGone === null) segment.externalGone = now;
  if (segment.externalGone !== null) {
    if (page.count === 0) segment.atZero ??= now;
    if (page.count === 1) segment.atOne ??= now;
  }
}

function isExternal(page: PageState, e: KernelEvent): boolean {
  const last = page.holders[page.holders.length - 1];
  return last !== undefined && last.kind !== "fault" && last.where === e.where;
}

function push<T>(list: T[], item: T): void {
  if (list.length < MAX_NOTED) list.push(item);
}
