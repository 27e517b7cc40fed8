// What is known of all pages, and the few things that every event may do to it: find its page, take in a
// count that was read, note a change. What each kind of event means is in the files beside this one.
import type { KernelEvent, Task } from "../../events/event.ts";
import type { EventSpec } from "../../events/vocabulary.ts";
import type { KernelRecogniser, KernelRules } from "../kernel-rules.ts";
import type { CompletedHolds } from "./completed-holds.ts";
import { isHead, isReserved } from "./flags.ts";
import { HolderBook } from "./holders.ts";
import { type Certainty, LifelinePool } from "./lifelines.ts";
import type { ChangeListener, PageWatcher } from "./listeners.ts";
import { PageState, PIN_BIAS } from "./page-state.ts";
import { TaskState } from "./task-state.ts";

/** Pages beyond this many are dropped from memory when they are idle; see `dropped`. */
export const MAX_PAGES = 1_000_000;
/** Tasks beyond this many share no state; enough for any machine, and a bound for hostile files. */
const MAX_TASKS = 262_144;

export class PageBook {
  readonly pages = new Map<number, PageState>();
  readonly lifelines: LifelinePool;
  readonly holders: HolderBook;
  readonly kernel: KernelRecogniser;
  /** Blocks of 512 pages in which a page of ZONE_DEVICE was named. */
  readonly deviceBlocks = new Set<number>();
  /** Some event printed page flags. */
  flagsSeen = false;
  /** Pages that were idle and had to be dropped from memory. */
  dropped = 0;
  /** Names of events seen that can tell of a put. */
  readonly putsSeen = new Set<string>();
  tracepoints = false;
  watcher: PageWatcher | null = null;
  /** The page of the event that came last; null if it named none. */
  current: PageState | null = null;
  /** What the last event of each CPU was about, as a number in the lifelines: its stack comes after it. */
  protected readonly lastChange: number[] = [];
  /** By the task's id, and one. */
  protected readonly taskStates: TaskState[] = [];
  #lastPutSpec: EventSpec | null = null;

  constructor(kernel: KernelRecogniser, lifelines: LifelinePool = new LifelinePool()) {
    this.kernel = kernel;
    this.holders = new HolderBook(kernel);
    this.lifelines = lifelines;
  }

  /** Pages that somebody outside holds a reference to. */
  get held(): Set<PageState> {
    return this.holders.held;
  }

  get completed(): CompletedHolds {
    return this.holders.completed;
  }

  /** Events lost so far. */
  get losses(): number {
    return this.holders.losses;
  }

  get listener(): ChangeListener | null {
    return this.holders.listener;
  }

  set listener(listener: ChangeListener | null) {
    this.holders.listener = listener;
  }

  get rules(): KernelRules | null {
    return this.kernel.rules;
  }

  task(task: Task): TaskState {
    const i = task.id + 1;
    let state = this.taskStates[i];
    if (state === undefined) {
      state = new TaskState(task);
      if (i < MAX_TASKS) this.taskStates[i] = state;
    }
    return state;
  }

  /** The page of an event; null if the event names none. */
  pageOf(e: KernelEvent): PageState | null {
    const pfn = e.pfn;
    if (!(pfn >= 0)) return null;
    let page = this.pages.get(pfn);
    if (page === undefined) {
      if (this.pages.size >= MAX_PAGES) this.#dropIdle();
      page = new PageState(pfn, e.time);
      this.pages.set(pfn, page);
    }
    this.current = page;
    page.last = e.time;
    if (!page.device && (e.spec.deviceOnly || (e.spec.role === "insert" && insertsDevicePage(e))))
      this.#isDevice(page);
    if (e.pgmap !== "") page.pgmap = e.pgmap;
    if (!Number.isNaN(e.flags)) {
      if (e.spec.name !== "snap") page.large ||= isHead(e.flags);
      page.reserved = isReserved(e.flags);
      this.flagsSeen = true;
    } else if (e.flagWords !== "") {
      page.large = e.flagWords.endsWith("|head") || e.flagWords.includes("|head|");
      page.reserved = e.flagWords.includes("reserved");
      this.flagsSeen = true;
    }
    if (e.spec.sampled === "entry" || e.spec.name === "snap") {
      if (e.spec.fields.mapping !== undefined) page.mapping = e.mapping;
      if (!Number.isNaN(e.index)) page.index = e.index;
    }
    return page;
  }

  #isDevice(page: PageState): void {
    page.device = true;
    this.deviceBlocks.add(Math.floor(page.pfn / 512));
  }

  /** Count of the page when only the kernel itself refers to it, mappings apart; NaN if unknown. */
  idleCount(page: PageState): number {
    if (page.type === "device-dax") return 1;
    if (page.type === "private") return 0;
    return this.rules === null ? Number.NaN : this.rules.fsdaxIdle;
  }

  /** References that mappings hold: known only where the kernel counts them. */
  mappingRefs(page: PageState): number {
    if (this.rules?.mappingHoldsReference !== true) return page.type === "private" ? page.mappings || 0 : 0;
    return Number.isNaN(page.mappings) ? 0 : page.mappings;
  }

  /** Notes that puts of this kind leave an event. */
  sawPut(spec: EventSpec): void {
    if (spec === this.#lastPutSpec) return;
    this.#lastPutSpec = spec;
    this.putsSeen.add(spec.name);
  }

  /** The count is now this, whatever it was. */
  setCount(page: PageState, e: KernelEvent, count: number): void {
    const before = page.count;
    page.count = count;
    page.certainty = "after";
    this.changed(page, e, before, "after");
  }

  /** A count that was read without any change at hand. */
  observe(page: PageState, e: KernelEvent): void {
    if (!page.traced) this.sample(page, e);
  }

  /** Takes in a count that a probe read before its function changed it. */
  sample(page: PageState, e: KernelEvent): void {
    if (Number.isNaN(e.count)) return;
    const seen = e.count;
    const known = page.count;
    if (Number.isNaN(known)) {
      this.#heldBefore(page, e);
    } else if (seen !== known && !page.traced) this.holders.explain(page, e, seen - known);
    else if (seen === known) page.zapping = page.traced ? page.zapping : 0;
    page.count = seen;
    page.certainty = "sampled";
    if (!Number.isNaN(e.mapcount) && !page.large && e.spec.role !== "map" && e.spec.role !== "unmap") {
      page.mappings = Math.max(0, e.mapcount + 1);
    }
    if (!page.traced && page.holders.length > 0) {
      const excess = page.held + this.#besidesHolders(page, e) - seen;
      // No more can be held than the count has: somebody dropped it, and no event told.
      if (excess > 0) this.holders.explain(page, e, -excess);
    }
  }

  /** What the first count of a page says of references that were taken before the recording began. */
  #heldBefore(page: PageState, e: KernelEvent): void {
    if (page.large) return;
    const pins = Math.floor(e.count / PIN_BIAS);
    if (pins > 0) this.holders.heldBefore(page, e, "pin", pins, PIN_BIAS);
    // Where mappings hold references, too, plain ones cannot be told from them.
    if (this.rules?.mappingHoldsReference !== false || page.type === "private") return;
    if (!page.device && page.reserved !== true) return;
    const gets = (e.count % PIN_BIAS) - this.rules.fsdaxIdle;
    if (gets > 0) this.holders.heldBefore(page, e, "get", gets, 1);
  }

  /** The least that something else than the known holders has of the count that an event sampled. */
  #besidesHolders(page: PageState, e: KernelEvent): number {
    const { rules } = this;
    if (rules === null || page.type !== "fs-dax") return 0;
    if (!rules.mappingHoldsReference) return rules.fsdaxIdle;
    const mappings = page.large || Number.isNaN(e.mapcount) ? 0 : e.mapcount + 1;
    // The fault that is about to insert the page has one of its own.
    return mappings + (e.spec.role === "insert" ? 1 : 0);
  }

  /** Notes what an event did to its page, and tells whoever wants each change. */
  changed(page: PageState, e: KernelEvent, before: number, certainty: Certainty): void {
    page.changes++;
    if (page.count > page.maxCount) page.maxCount = page.count;
    page.lifeline = this.lifelines.add(e, before, page.count, certainty, page.mappings, page.lifeline);
    this.lastChange[e.cpu] = page.lifeline;
    let s = page.signature;
    s = Math.imul(s ^ (e.task.id + 1), 0x01000193);
    s = Math.imul(s ^ e.spec.id, 0x85ebca6b);
    s = Math.imul(s ^ (Number.isNaN(page.count) ? 77777 : page.count), 0x01000193);
    page.signature = s ^ (s >>> 15);
    this.listener?.change(page, e, before, certainty);
  }

  /** Forgets pages that are idle and that nobody waits for, so that memory stays bounded. */
  #dropIdle(): void {
    for (const [pfn, page] of this.pages) {
      if (this.held.has(page)) continue;
      this.pages.delete(pfn);
      this.dropped++;
      if (this.pages.size <= MAX_PAGES / 2) return;
    }
    // All are held: then the oldest go, whatever they hold.
    for (const [pfn, page] of this.pages) {
      this.pages.delete(pfn);
      this.held.delete(page);
      this.dropped++;
      if (this.pages.size <= MAX_PAGES / 2) return;
    }
  }
}

/** Whether what is being mapped is a page of the device, and not the zero page of a hole. */
function insertsDevicePage(e: KernelEvent): boolean {
  return e.spec.fields.pfn === undefined ? e.mapping !== "" : e.pfnFlags !== 0;
}
