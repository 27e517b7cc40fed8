// One event, as it is handed from whoever saw it (a reader of recordings, a modelled execution) to
// whoever keeps track. One object shape for every kind of event, so that the trackers, which see ten
// million of them, stay monomorphic; a reader fills the same object again and again.
import type { EventSpec } from "./vocabulary.ts";

/** A task, as the kernel prints it: `comm-tid`. One object for each pair, so `===` is equality. */
export interface Task {
  /** Dense number of the task in its recording, from 0. */
  readonly id: number;
  readonly comm: string;
  readonly tid: number;
}

/** Stands for a number that the event does not have. */
export const absent: number = Number.NaN;

/**
 * What happened, where and when. Numbers that the event lacks are `NaN`, texts are empty.
 * The object is valid until the next event; a tracker copies what it keeps.
 */
export interface KernelEvent {
  spec: EventSpec;
  /**
   * Nanoseconds since the start of the recording's first second, or steps of a modelled execution.
   * A recording may thus span 104 days, at any uptime.
   */
  time: number;
  cpu: number;
  task: Task;
  /** 1-based line of a text, or number of the record. */
  where: number;
  /** Page frame number, where the event names a page and the place of the memory map is known. */
  pfn: number;
  /** Upper bits that came with a pfn: PFN_DEV and PFN_MAP, where the kernel still has them; else 0. */
  pfnFlags: number;
  /** Bytes into struct page, where an address inside of one was given (a wait queue's key). */
  offset: number;
  /** `_refcount`, sampled as `spec.sampled` says. */
  count: number;
  /** `_mapcount` as stored: -1 is "not mapped". */
  mapcount: number;
  /** Change of the count. */
  val: number;
  ret: number;
  /** Number of references, or of pages. */
  n: number;
  /** `FOLL_*` flags. */
  gup: number;
  /** Page flags, as a number or as the kernel's words. */
  flags: number;
  flagWords: string;
  /** Addresses, as hexadecimal text without `0x`; empty where absent or NULL. */
  mapping: string;
  pgmap: string;
  inode: string;
  vma: string;
  index: number;
  start: number;
  end: number;
  pid: number;
  /** What the event prints in parentheses: the probe's place, or `caller <- function` of a return. */
  site: string;
  /** The rest of the text, only for events of role `mark`. */
  text: string;
}

/** The task of events that name none. */
export const noTask: Task = { id: -1, comm: "", tid: 0 };

/** An event with nothing in it. */
export function emptyEvent(spec: EventSpec): KernelEvent {
  return {
    spec,
    time: 0,
    cpu: 0,
    task: noTask,
    where: 0,
    pfn: absent,
    pfnFlags: 0,
    offset: absent,
    count: absent,
    mapcount: absent,
    val: absent,
    ret: absent,
    n: absent,
    gup: absent,
    flags: absent,
    flagWords: "",
    mapping: "",
    pgmap: "",
    inode: "",
    vma: "",
    index: absent,
    start: absent,
    end: absent,
    pid: absent,
    site: "",
    text: "",
  };
}

/** Empties the fields that belong to the event's kind; place and time stay to be overwritten. */
export function clearEvent(e: KernelEvent): void {
  e.pfn = absent;
  e.pfnFlags = 0;
  e.offset = absent;
  e.count = absent;
  e.mapcount = absent;
  e.val = absent;
  e.ret = absent;
  e.n = absent;
  e.gup = absent;
  e.flags = absent;
  e.flagWords = "";
  e.mapping = "";
  e.pgmap = "";
  e.inode = "";
  e.vma = "";
  e.index = absent;
  e.start = absent;
  e.end = absent;
  e.pid = absent;
  e.site = "";
  e.text = "";
}
