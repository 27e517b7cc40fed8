// The life of every page: its count, its mappings and its holders, from whatever events there are.
//
// Two kinds of events tell of one change. `page_ref:*` is exact: it comes after the change, with the
// value. A kprobe comes before the change, with the value at that moment; what the function does to
// the count is then inferred. Where a page has both, the tracepoint counts and the probe only says
// who and why.
import type { KernelEvent, Task } from "../../events/event.ts";
import type { EventSpec } from "../../events/vocabulary.ts";
import { type KernelRecogniser, type KernelRules, oneBased, zeroBased } from "../kernel-rules.ts";
import type { Stack } from "../sink.ts";
import type { CompletedHolds } from "./completed-holds.ts";
import { isHead, isPin, isReserved } from "./flags.ts";
import { HolderBook } from "./holders.ts";
import { type Certainty, LifelinePool } from "./lifelines.ts";
import { type ChangeListener, type PageWatcher, UNRECORDED_PUT } from "./listeners.ts";
import { type Moment, PageState, PIN_BIAS } from "./page-state.ts";
import { TaskState } from "./task-state.ts";

/** Pages beyond this many are dropped from memory when they are idle; see `dropped`. */
export const MAX_PAGES = 1_000_000;
/** Tasks beyond this many share no state; enough for any machine, and a bound for hostile files. */
const MAX_TASKS = 262_144;
const MAX_CPUS = 65_536;

export class PageTracker {
  readonly pages = new Map<number, PageState>();
  readonly lifelines: LifelinePool;
  readonly tasks = new Map<Task, TaskState>();
  readonly holders: HolderBook;
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
  readonly #kernel: KernelRecogniser;
  /** What the last event of each CPU was about: its stack comes after it. */
  readonly #lastChange: number[] = [];
  #lastPutSpec: EventSpec | null = null;

  constructor(kernel: KernelRecogniser, lifelines: LifelinePool = new LifelinePool()) {
    this.#kernel = kernel;
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
    return this.#kernel.rules;
  }

  task(task: Task): TaskState {
    let state = this.tasks.get(task);
    if (state === undefined) {
      state = new TaskState(task);
      if (this.tasks.size < MAX_TASKS) this.tasks.set(task, state);
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

  event(e: KernelEvent): void {
    if (e.cpu < this.#lastChange.length) {
      this.holders.last[e.cpu] = null;
      this.#lastChange[e.cpu] = -1;
    } else this.#addCpus(e.cpu);
    switch (e.spec.role) {
      case "count-changed":
        this.#countChanged(e);
        return;
      case "grab":
        this.#grab(e);
        return;
      case "put":
        this.#put(e);
        return;
      case "freed":
        this.#freed(e);
        return;
      case "map":
        this.#map(e);
        return;
      case "unmap":
        this.#unmap(e);
        return;
      case "insert":
        this.#insert(e);
        return;
      case "allocated":
        this.#allocated(e);
        return;
      case "left-file":
        this.#leftFile(e);
        return;
      case "looked-at":
        this.#lookedAt(e);
        return;
      case "wake":
        this.#wake(e);
        return;
      case "fault-enter":
        this.task(e.task).faultDepth++;
        return;
      case "fault-exit":
        this.#faultExit(e);
        return;
      default:
        return;
    }
  }

  /** Makes room for a CPU seen for the first time. */
  #addCpus(cpu: number): void {
    while (this.#lastChange.length <= cpu && this.#lastChange.length < MAX_CPUS) {
      this.holders.last.push(null);
      this.#lastChange.push(-1);
    }
  }

  stack(cpu: number, stack: Stack): void {
    const holder = this.holders.last[cpu] ?? null;
    if (holder !== null && holder.stack === null) holder.stack = stack;
    const change = this.#lastChange[cpu] ?? -1;
    if (change < 0) return;
    this.lifelines.setStack(change, stack);
    this.listener?.stack?.(cpu, stack);
  }

  /** After a loss nothing that was held is sure to be held still. */
  lost(): void {
    this.holders.losses++;
    for (const state of this.tasks.values()) {
      state.grab = null;
      state.put = null;
      state.half = null;
      state.faultDepth = 0;
      state.faultRefs = [];
    }
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

  // ---- events -------------------------------------------------------------------------------

  #grab(e: KernelEvent): void {
    const page = this.pageOf(e);
    if (page === null) return;
    const t = this.task(e.task);
    this.#sample(page, e);
    const n = e.n > 0 ? e.n : 1;
    if (n > 1 && e.spec.name !== "try_grab_page") page.large = true;
    const pin = isPin(e.gup);
    t.put = null;
    t.half = null;
    t.grab = { page, pin, n, gup: e.gup, event: e.spec.name, applied: null };
    if (page.traced) return;
    const before = page.count;
    if (before <= 0) {
      // get_user_pages refuses a count of 0.
      this.#changed(page, e, before, "sampled");
      return;
    }
    const holder = this.holders.take(
      page,
      e,
      pin ? "pin" : "get",
      n,
      pin && !page.large ? PIN_BIAS : 1,
      e.gup,
    );
    t.grab.applied = holder;
    page.count = before + n * holder.value;
    page.certainty = "inferred";
    this.#changed(page, e, before, "inferred");
    if (page.watchers > 0) this.watcher?.pageChanged(page, e, "get");
  }

  #put(e: KernelEvent): void {
    const page = this.pageOf(e);
    if (page === null) return;
    this.#sawPut(e.spec);
    if (e.spec.name === "put_devmap_managed") page.type = "fs-dax";
    const t = this.task(e.task);
    t.grab = null;
    t.half = null;
    const pending = t.put;
    if (
      pending !== null &&
      pending.page === page &&
      e.spec.depth > pending.depth &&
      (Number.isNaN(e.count) || Number.isNaN(pending.refs) || e.count === pending.refs)
    ) {
      // The same put, seen again further inside.
      pending.depth = e.spec.depth;
      if (e.spec.depth === 3 && pending.applied > 0 && e.n > 0 && e.n !== pending.applied) {
        page.count += pending.applied - e.n;
        pending.applied = e.n;
      }
      return;
    }
    this.#sample(page, e);
    if (e.spec.depth === 0) return;
    let n = e.n > 0 ? e.n : 1;
    let pin = e.spec.depth === 1;
    if (e.spec.depth === 2) pin = isPin(e.gup);
    if (e.spec.depth === 3) {
      pin = n % PIN_BIAS === 0 && !page.large;
      if (pin) n /= PIN_BIAS;
    }
    const total = pin && !page.large ? n * PIN_BIAS : n;
    t.put = { page, pin, n, refs: e.count, depth: e.spec.depth, applied: 0, done: false };
    if (page.traced) return;
    const before = page.count;
    this.holders.release(page, e, pin ? "pin" : "get", n, t);
    page.count = before - total;
    page.certainty = "inferred";
    t.put.applied = total;
    this.#changed(page, e, before, "inferred");
    page.lastPut = moment(e, page.count);
    if (page.watchers > 0) this.watcher?.pageChanged(page, e, "put");
  }

  #sawPut(spec: EventSpec): void {
    if (spec === this.#lastPutSpec) return;
    this.#lastPutSpec = spec;
    this.putsSeen.add(spec.name);
  }

  #countChanged(e: KernelEvent): void {
    const page = this.pageOf(e);
    if (page === null) return;
    this.tracepoints = true;
    const t = this.task(e.task);
    const name = e.spec.name;
    if (!page.traced) this.#undoInference(page, t);
    page.traced = true;
    const previous = page.count;
    if (name === "page_ref_mod_unless" && e.ret === 0) {
      page.count = e.count;
      page.certainty = "after";
      return;
    }
    if (name === "page_ref_freeze") {
      if (e.ret === 1) this.#setCount(page, e, 0);
      return;
    }
    if (name === "page_ref_unfreeze" || name === "page_ref_set") {
      this.#setCount(page, e, Number.isNaN(e.val) ? e.count : e.val);
      return;
    }
    const val = e.val;
    if (Number.isNaN(val) || Number.isNaN(e.count)) return;
    // The return value is exact; the printed count may hold a change of another CPU already.
    const after = name === "page_ref_mod_and_return" && !Number.isNaN(e.ret) ? e.ret : e.count;
    const before = after - val;
    if (!Number.isNaN(previous) && previous !== before) page.jumps++;
    if (Number.isNaN(previous) && before >= PIN_BIAS && !page.large) this.holders.heldBefore(page, e, before);
    if (!page.large && !Number.isNaN(e.mapcount)) page.mappings = Math.max(0, e.mapcount + 1);
    if (this.#kernel.rules === null && page.reserved === true && page.type !== "private") {
      if (name === "page_ref_mod_and_return" && val < 0)
        this.#kernel.sawCount(oneBased, "device pages are put by page_ref_sub_return()");
      else if (name === "page_ref_mod" && before === 0)
        this.#kernel.sawCount(zeroBased, "device pages are mapped at count 0");
    }
    if (val > 0) this.#gained(page, e, val, t);
    else if (val < 0) this.#dropped(page, e, -val, t);
    page.count = after;
    page.certainty = "after";
    this.holders.balance(page, after);
    this.#changed(page, e, before, "after");
    if (val < 0) page.lastPut = moment(e, after);
    if (page.watchers > 0) this.watcher?.pageChanged(page, e, val > 0 ? "get" : "put");
  }

  #gained(page: PageState, e: KernelEvent, val: number, t: TaskState): void {
    const { grab, half } = t;
    if (half !== null && half.page === page && val === half.holder.n * (PIN_BIAS - 1)) {
      // The second half of a pin: a reference became 1024 of them.
      const { holder } = half;
      this.holders.replace(page, holder, { ...holder, kind: "pin", value: PIN_BIAS });
      t.half = null;
      return;
    }
    if (grab !== null && grab.page === page && grab.applied === null) {
      const inOne = grab.pin && !page.large && val % PIN_BIAS === 0;
      const holder = this.holders.take(
        page,
        e,
        grab.pin && (inOne || page.large) ? "pin" : "get",
        inOne ? val / PIN_BIAS : val,
        inOne ? PIN_BIAS : 1,
        grab.gup,
        grab.event,
      );
      grab.applied = holder;
      if (grab.pin && !inOne && !page.large) t.half = { page, holder };
      return;
    }
    if (val % PIN_BIAS === 0 && !page.large) {
      this.holders.take(page, e, "pin", val / PIN_BIAS, PIN_BIAS, Number.NaN);
      return;
    }
    if (t.faultDepth > 0 && e.spec.name === "page_ref_mod") {
      const holder = this.holders.take(page, e, "fault", val, 1, Number.NaN);
      t.faultRefs.push({ page, holder });
      return;
    }
    const holder = this.holders.take(page, e, "get", val, 1, Number.NaN);
    if (e.spec.name === "page_ref_mod_unless") t.half = { page, holder };
  }

  #dropped(page: PageState, e: KernelEvent, val: number, t: TaskState): void {
    const { put } = t;
    t.half = null;
    if (put !== null && put.page === page && !put.done) {
      put.done = true;
      this.holders.release(page, e, put.pin ? "pin" : "get", put.n, t);
      return;
    }
    const fault = page.holders.find((h) => h.kind === "fault" && h.task === t.task && h.n >= val);
    if (fault !== undefined) {
      this.holders.shrink(page, fault, val, e);
      return;
    }
    if (val % PIN_BIAS === 0 && !page.large) {
      this.holders.release(page, e, "pin", val / PIN_BIAS, t);
      return;
    }
    if (page.zapping >= val) {
      page.zapping -= val;
      return;
    }
    this.holders.release(page, e, "get", val, t);
  }

  #map(e: KernelEvent): void {
    const page = this.pageOf(e);
    if (page === null) return;
    const t = this.task(e.task);
    this.#sample(page, e);
    const n = e.n > 0 ? e.n : 1;
    if (page.traced) {
      // The reference that the mapping holds was counted a moment ago.
      const taken =
        page.holders.find((h) => h.kind === "fault" && h.task === t.task) ??
        page.holders.findLast((h) => h.kind === "get" && h.task === t.task && h.event === "page_ref_mod");
      if (taken !== undefined && taken.n >= n) {
        if (taken.kind === "get") page.gets -= n;
        if (taken.n === n) this.holders.remove(page, taken);
        else taken.n -= n;
      }
    }
    if (!Number.isNaN(e.mapcount)) page.mappings = e.mapcount + 1 + n;
    else if (!Number.isNaN(page.mappings)) page.mappings += n;
    page.inserted = true;
    this.#changed(page, e, page.count, "sampled");
    if (page.watchers > 0) this.watcher?.pageChanged(page, e, "map");
  }

  #unmap(e: KernelEvent): void {
    const page = this.pageOf(e);
    if (page === null) return;
    this.#sample(page, e);
    const n = e.n > 0 ? e.n : 1;
    if (!Number.isNaN(e.mapcount)) page.mappings = Math.max(0, e.mapcount + 1 - n);
    else if (!Number.isNaN(page.mappings)) page.mappings = Math.max(0, page.mappings - n);
    page.zapping += n;
    const before = page.count;
    if (!page.traced && !Number.isNaN(before)) {
      page.count = before - n;
      page.certainty = "inferred";
    }
    this.#changed(page, e, before, page.traced ? "sampled" : "inferred");
    page.lastPut = moment(e, page.count);
    if (page.watchers > 0) this.watcher?.pageChanged(page, e, "unmap");
  }

  #insert(e: KernelEvent): void {
    const page = this.pageOf(e);
    if (page === null) return;
    const t = this.task(e.task);
    if (page.device) page.type = page.type === "fs-dax" || t.faultDepth > 0 ? "fs-dax" : "device-dax";
    if (e.spec.name === "vmf_insert_folio_pmd") page.large = true;
    if (!Number.isNaN(e.count)) {
      this.#sample(page, e);
      if (!page.traced && page.type === "fs-dax" && e.count > 0) {
        // The fault holds a reference of its own until it returns.
        const holder = this.holders.take(page, e, "fault", 1, 1, Number.NaN);
        t.faultRefs.push({ page, holder });
      }
    }
    page.inserted = true;
    this.#changed(page, e, page.count, Number.isNaN(e.count) ? "unknown" : "sampled");
    if (page.watchers > 0) this.watcher?.pageChanged(page, e, "insert");
  }

  #faultExit(e: KernelEvent): void {
    const t = this.task(e.task);
    if (t.faultDepth > 0) t.faultDepth--;
    if (t.faultDepth > 0 || t.faultRefs.length === 0) return;
    for (const { page, holder } of t.faultRefs) {
      if (!page.holders.includes(holder)) continue;
      this.holders.remove(page, holder);
      // With tracepoints every drop is seen: what is left has become a mapping.
      if (page.traced) continue;
      page.count -= holder.n;
      page.certainty = "inferred";
    }
    t.faultRefs = [];
  }

  #freed(e: KernelEvent): void {
    const page = this.pageOf(e);
    if (page === null) return;
    const t = this.task(e.task);
    this.#sawPut(e.spec);
    page.zapping = 0;
    const before = page.count;
    const pending = t.put;
    const nested = pending !== null && pending.page === page;
    this.#sample(page, e);
    if (nested) pending.depth = e.spec.depth;
    else if (before !== page.count) {
      page.lastPut = moment(e, page.count);
      if (page.watchers > 0) this.watcher?.pageChanged(page, e, "put");
    }
    this.#changed(page, e, before, "sampled");
  }

  #allocated(e: KernelEvent): void {
    const page = this.pageOf(e);
    if (page === null) return;
    page.type = "private";
    page.holders = [];
    this.held.delete(page);
    page.mappings = Number.NaN;
    page.zapping = 0;
    const before = page.count;
    if (!page.traced) {
      page.count = 1;
      page.certainty = "inferred";
    }
    this.#changed(page, e, before, "inferred");
  }

  #leftFile(e: KernelEvent): void {
    const page = this.pageOf(e);
    if (page === null) return;
    this.#sample(page, e);
    page.type = "fs-dax";
    this.#changed(page, e, page.count, "sampled");
    page.mapping = "";
    page.large = false;
  }

  #lookedAt(e: KernelEvent): void {
    const page = this.pageOf(e);
    if (page === null || Number.isNaN(e.count)) return;
    this.#sample(page, e);
    this.#changed(page, e, page.count, "sampled");
    if (page.watchers > 0) this.watcher?.pageChanged(page, e, "sample");
  }

  #wake(e: KernelEvent): void {
    // wake_up_var() is called for many things; only pages that other events have named are of interest.
    const page = this.pages.get(e.pfn);
    if (page === undefined) return;
    page.last = e.time;
    const before = page.count;
    const { rules } = this;
    if (rules !== null && !page.traced && page.device && before > rules.wakeAt && page.type === "fs-dax") {
      // Pages of FS-DAX are woken for one reason only: a put that nobody recorded made them idle.
      this.holders.explain(page, e, rules.wakeAt - before);
      page.count = rules.wakeAt;
      page.certainty = "inferred";
      page.lastPut = { ...moment(e, page.count), event: UNRECORDED_PUT };
      if (page.watchers > 0) this.watcher?.pageChanged(page, e, "put", UNRECORDED_PUT);
    }
    this.#changed(page, e, before, page.certainty);
    if (page.watchers > 0) this.watcher?.pageChanged(page, e, "wake");
  }

  // ---- counts -------------------------------------------------------------------------------

  #setCount(page: PageState, e: KernelEvent, count: number): void {
    const before = page.count;
    page.count = count;
    page.certainty = "after";
    this.#changed(page, e, before, "after");
  }

  /** A count that was read without any change at hand. */
  observe(page: PageState, e: KernelEvent): void {
    if (!page.traced) this.#sample(page, e);
  }

  /** Takes in a count that a probe read before its function changed it. */
  #sample(page: PageState, e: KernelEvent): void {
    if (Number.isNaN(e.count)) return;
    const seen = e.count;
    const known = page.count;
    if (Number.isNaN(known)) {
      if (seen >= PIN_BIAS && !page.large) this.holders.heldBefore(page, e, seen);
    } else if (seen !== known && !page.traced) this.holders.explain(page, e, seen - known);
    else if (seen === known) page.zapping = page.traced ? page.zapping : 0;
    page.count = seen;
    page.certainty = "sampled";
    if (!Number.isNaN(e.mapcount) && !page.large && e.spec.role !== "map" && e.spec.role !== "unmap") {
      page.mappings = Math.max(0, e.mapcount + 1);
    }
  }

  /** The first tracepoint of a page: what a probe just before it did to the count is taken back. */
  #undoInference(page: PageState, t: TaskState): void {
    const { grab, put } = t;
    if (grab?.page === page && grab.applied !== null) {
      this.holders.remove(page, grab.applied);
      page.count -= grab.applied.n * grab.applied.value;
      if (grab.applied.kind === "pin") page.pins -= grab.applied.n;
      else page.gets -= grab.applied.n;
      grab.applied = null;
    }
    if (put?.page === page && put.applied > 0) {
      page.count += put.applied;
      put.done = true;
    }
  }

  #changed(page: PageState, e: KernelEvent, before: number, certainty: Certainty): void {
    page.changes++;
    if (page.count > page.maxCount) page.maxCount = page.count;
    page.lifeline = this.lifelines.add(e, before, page.count, certainty, page.mappings, page.lifeline);
    this.#lastChange[e.cpu] = page.lifeline;
    let s = page.signature;
    s = Math.imul(s ^ (e.task.id + 1), 0x01000193);
    s = Math.imul(s ^ e.spec.name.length ^ (e.spec.name.charCodeAt(e.spec.name.length - 1) << 8), 0x85ebca6b);
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

export function moment(e: KernelEvent, count: number): Moment {
  return { time: e.time, where: e.where, cpu: e.cpu, task: e.task, event: e.spec.name, count };
}
