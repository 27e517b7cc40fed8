// Tasks that break layouts: they unmap a file, look for a page of it that is still referenced, sleep
// until that page is idle, and look again. A wait is made of one segment for each page slept for.
//
//     ext4_break_layouts()                     break-enter
//       dax_layout_busy_page_range()           scan-enter … scan-exit page=P
//       <sleeps until P is idle>               the segment: from here …
//       dax_layout_busy_page_range()           … to here: scan-enter … scan-exit page=0
//     returns                                  break-exit
import type { KernelEvent, Task } from "../../events/event.ts";
import { functionName } from "../stacks.ts";
import { groupHolders } from "./holder-groups.ts";
import type { PageWatcher } from "./listeners.ts";
import { moment, type PageState } from "./page-state.ts";
import type { PageTracker } from "./pages.ts";
import {
  type Change,
  type MissedHolder,
  newSegment,
  noteChange,
  type Scan,
  type Segment,
  type Wait,
  type WaiterState,
} from "./wait-state.ts";

/** At most this many waits are kept whole; of more, the longest. */
const MAX_WAITS = 1000;
/** What trace-cmd report prints for a function without symbols. */
const ADDRESS = /^(0x)?[0-9a-f]{8,16}$/;
const MAX_CONTEXTS = 16;

export class WaitTracker implements PageWatcher {
  /** Waits in which the task slept for at least one page. */
  readonly waits: Wait[] = [];
  readonly missed: MissedHolder[] = [];
  /** Times that layouts were broken, with or without sleeping. */
  breaks = 0;
  scans = 0;
  /** Scans whose file could not be compared with any page: no probe printed page->mapping. */
  blindScans = 0;
  wakes = 0;
  readonly #pages: PageTracker;
  readonly #waiters = new Map<Task, WaiterState>();
  /** Functions whose return was recorded at least once. */
  readonly #returns = new Set<string>();
  readonly #watched = new Map<PageState, Segment[]>();

  constructor(pages: PageTracker) {
    this.#pages = pages;
    pages.watcher = this;
  }

  /** Waits that had not ended when the recording did. */
  get open(): Wait[] {
    return this.waits.filter((w) => w.endedAt === null);
  }

  /** Tasks that are in break-layouts when the recording ends, but do not sleep for a page we know. */
  get unfinished(): {
    readonly task: Task;
    readonly fn: string;
    readonly since: number;
    readonly where: number;
  }[] {
    const list = [];
    for (const [task, w] of this.#waiters) {
      const first = w.contexts[0];
      if (first !== undefined && w.wait === null && this.#returns.has(first.fn)) {
        list.push({ task, fn: first.fn, since: first.enteredAt, where: first.where });
      }
    }
    return list;
  }

  event(e: KernelEvent): void {
    switch (e.spec.role) {
      case "break-enter":
        this.#enter(e);
        return;
      case "break-exit":
        this.#exit(e);
        return;
      case "scan-enter":
        this.#scan(e);
        return;
      case "scan-exit":
        this.#answer(e);
        return;
      case "wake":
        this.wakes++;
        return;
      default:
        return;
    }
  }

  lost(): void {
    for (const wait of this.waits) {
      if (wait.endedAt !== null) continue;
      const segment = wait.segments[wait.segments.length - 1];
      if (segment !== undefined && segment.until === null) segment.losses++;
    }
  }

  pageChanged(page: PageState, e: KernelEvent, what: Change, event: string = e.spec.name): void {
    const segments = this.#watched.get(page);
    if (segments === undefined) return;
    for (const segment of segments) noteChange(segment, e, what, event);
  }

  #waiter(task: Task): WaiterState {
    let w = this.#waiters.get(task);
    if (w === undefined) {
      w = { contexts: [], scan: null, wait: null, missed: null, provisional: false };
      this.#waiters.set(task, w);
    }
    return w;
  }

  #enter(e: KernelEvent): void {
    const w = this.#waiter(e.task);
    this.#settle(w);
    // None of these functions calls itself: it was left, and its return was not recorded.
    const again = w.contexts.findIndex((c) => c.fn === e.spec.fn);
    if (again >= 0 || w.contexts.length >= MAX_CONTEXTS) {
      w.contexts.length = Math.max(again, 0);
      if (again <= 0 && w.wait !== null) this.#end(w, e, Number.NaN);
    }
    if (w.contexts.length === 0) this.breaks++;
    w.contexts.push({ fn: e.spec.fn, enteredAt: e.time, where: e.where, inode: e.inode });
  }

  #exit(e: KernelEvent): void {
    this.#returns.add(e.spec.fn);
    const w = this.#waiter(e.task);
    const at = w.contexts.findLastIndex((c) => c.fn === e.spec.fn);
    if (at >= 0) w.contexts.length = at;
    if (w.wait !== null) {
      const caller = /^(.*?)(?:\+0x[0-9a-f]+\/0x[0-9a-f]+.*?)? <- /.exec(e.site)?.[1] ?? "";
      if (at <= 0 && caller !== "" && !caller.startsWith("[") && !ADDRESS.test(caller))
        w.wait.caller = functionName(caller);
      if (at <= 0) this.#end(w, e, e.ret);
      else if (this.#leftUnseen(w, at)) {
        this.#endSegment(w, e);
        w.wait.endedAt = e.time;
        w.wait.result = e.ret;
        w.provisional = true;
      }
    }
    if ((at <= 0 || this.#leftUnseen(w, at)) && w.missed !== null) {
      w.missed.confirmed = w.missed.pages.some((p) => p.external > 0);
      w.missed.lost = w.missed.pages.some((p) => p.holders.some((h) => h.losses !== this.#pages.losses));
      if (w.missed.confirmed && this.missed.length < MAX_WAITS) this.missed.push(w.missed);
      w.missed = null;
    }
    if (w.contexts.length === 0 && w.wait === null) this.#waiters.delete(e.task);
  }

  /** The task goes on with something else: the outer functions had returned, too. */
  #settle(w: WaiterState): void {
    if (!w.provisional) return;
    w.provisional = false;
    w.wait = null;
  }

  /** Whether the functions around this one leave no event when they return: then this return ends all. */
  #leftUnseen(w: WaiterState, at: number): boolean {
    return w.contexts.slice(0, at).every((c) => !this.#returns.has(c.fn));
  }

  #scan(e: KernelEvent): void {
    this.scans++;
    const w = this.#waiter(e.task);
    this.#settle(w);
    w.scan = { mapping: e.mapping, start: e.start, end: e.end, time: e.time };
    this.#endSegment(w, e);
  }

  #answer(e: KernelEvent): void {
    const w = this.#waiter(e.task);
    if (!(e.pfn >= 0)) {
      this.#foundNone(w, e);
      return;
    }
    const page = this.#pages.pageOf(e);
    if (page === null) return;
    page.device = true;
    this.#pages.deviceBlocks.add(Math.floor(page.pfn / 512));
    if (page.type === "unknown") page.type = "fs-dax";
    this.#pages.observe(page, e);
    const { scan } = w;
    if (scan !== null && scan.mapping !== "" && page.mapping === "") page.mapping = scan.mapping;
    if (w.wait === null) {
      const first = w.contexts[0];
      w.wait = {
        task: e.task,
        via: w.contexts.map((c) => c.fn),
        caller: "",
        enteredAt: first?.enteredAt ?? scan?.time ?? e.time,
        where: first?.where ?? e.where,
        mapping: scan?.mapping ?? "",
        inode: first?.inode ?? "",
        segments: [],
        endedAt: null,
        result: Number.NaN,
      };
      this.#keep(w.wait);
    }
    const segment = newSegment(page, e, groupHolders(this.#heldOf(scan, page)));
    page.watchers++;
    if (w.wait.segments.length < 10_000) w.wait.segments.push(segment);
    const watching = this.#watched.get(page);
    if (watching === undefined) this.#watched.set(page, [segment]);
    else watching.push(segment);
  }

  #foundNone(w: WaiterState, e: KernelEvent): void {
    const { scan } = w;
    w.scan = null;
    if (scan !== null) {
      if (scan.mapping === "") this.blindScans++;
      else {
        const pages = this.#heldOf(scan, null).filter((p) =>
          p.holders.some((h) => h.kind !== "fault" && h.time < scan.time),
        );
        if (pages.length > 0) {
          w.missed = {
            task: e.task,
            via: w.contexts.map((c) => c.fn),
            scan: moment(e, Number.NaN),
            groups: groupHolders(pages),
            pages,
            confirmed: false,
            lost: false,
          };
        }
      }
    }
    const inner = w.contexts[w.contexts.length - 1];
    // dax_break_layout_final() is void, and its return is rarely recorded.
    if (inner?.fn === "dax_break_layout_final") w.contexts.pop();
    if (w.contexts.length === 0) {
      if (w.wait !== null) this.#end(w, e, 0);
      if (w.wait === null) this.#waiters.delete(e.task);
    }
  }

  #endSegment(w: WaiterState, e: KernelEvent): void {
    if (w.wait === null) return;
    const segment = w.wait.segments[w.wait.segments.length - 1];
    if (segment === undefined || segment.until !== null) return;
    segment.until = e.time;
    segment.page.watchers--;
    const watching = this.#watched.get(segment.page);
    if (watching === undefined) return;
    const rest = watching.filter((s) => s !== segment);
    if (rest.length === 0) this.#watched.delete(segment.page);
    else this.#watched.set(segment.page, rest);
  }

  #end(w: WaiterState, e: KernelEvent, result: number): void {
    w.provisional = false;
    this.#endSegment(w, e);
    if (w.wait !== null) {
      w.wait.endedAt = e.time;
      w.wait.result = result;
    }
    w.wait = null;
  }

  #keep(wait: Wait): void {
    this.waits.push(wait);
    if (this.waits.length < 2 * MAX_WAITS) return;
    const length = (x: Wait): number => (x.endedAt ?? Number.POSITIVE_INFINITY) - x.enteredAt;
    const longest = [...this.waits].sort((a, b) => length(b) - length(a)).slice(0, MAX_WAITS);
    const kept = new Set(longest);
    const left = this.waits.filter((x) => kept.has(x));
    this.waits.length = 0;
    this.waits.push(...left);
  }

  /** Pages of the file that was scanned which somebody outside holds. */
  #heldOf(scan: Scan | null, also: PageState | null): PageState[] {
    const pages: PageState[] = [];
    for (const page of this.#pages.held) {
      if (page === also) continue;
      if (scan === null || scan.mapping === "" || page.mapping !== scan.mapping) continue;
      const first = scan.start / 4096;
      const last = scan.end / 4096;
      if (page.index + 1 < first || page.index > last) continue;
      pages.push(page);
    }
    if (also !== null) pages.push(also);
    return pages.sort((a, b) => a.pfn - b.pfn);
  }
}
