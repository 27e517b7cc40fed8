// Who holds references to pages: taken, dropped, and explained where a count shows what no event tells.
import type { KernelEvent, Task } from "../../events/event.ts";
import type { KernelRecogniser } from "../kernel-rules.ts";
import { CompletedHolds } from "./completed-holds.ts";
import type { ChangeListener } from "./listeners.ts";
import { type Holder, type HolderKind, type PageState, PIN_BIAS } from "./page-state.ts";
import type { TaskState } from "./task-state.ts";

/** Holders of one page that are told apart. */
const MAX_HOLDERS = 128;

export class HolderBook {
  /** Pages that somebody outside holds a reference to. */
  readonly held = new Set<PageState>();
  /** Completed holds: longest, and totals for statistics. */
  readonly completed: CompletedHolds = new CompletedHolds();
  /** What the last event of each CPU took: its stack comes after it. */
  readonly last: (Holder | null)[] = [];
  listener: ChangeListener | null = null;
  /** Events lost so far. */
  losses = 0;
  readonly #kernel: KernelRecogniser;

  constructor(kernel: KernelRecogniser) {
    this.#kernel = kernel;
  }

  take(
    page: PageState,
    e: KernelEvent,
    kind: HolderKind,
    n: number,
    value: number,
    gup: number,
    event: string = e.spec.name,
  ): Holder {
    const holder: Holder = {
      kind,
      n,
      value,
      task: e.task,
      cpu: e.cpu,
      time: e.time,
      where: e.where,
      event,
      gup,
      stack: null,
      seen: "recorded",
      losses: this.losses,
    };
    if (page.holders.length < MAX_HOLDERS) page.holders.push(holder);
    else {
      // So many that their puts are surely not recorded: they are counted with the last of their kind.
      const last = page.holders.findLast((h) => h.kind === kind && h.value === value);
      if (last !== undefined) last.n += n;
    }
    if (kind === "pin") page.pins += n;
    else if (kind === "get") page.gets += n;
    if (kind !== "fault") {
      this.held.add(page);
      this.listener?.taken?.(page, holder);
    }
    this.last[e.cpu] = holder;
    return holder;
  }

  replace(page: PageState, old: Holder, next: Holder): void {
    const i = page.holders.indexOf(old);
    if (i < 0) return;
    page.holders[i] = next;
    page.gets -= old.n;
    page.pins += next.n;
    this.last[next.cpu] = next;
  }

  /** Takes references off a holder of this kind: of the same task first, else the oldest. */
  release(page: PageState, e: KernelEvent, kind: HolderKind, n: number, t: TaskState): void {
    page.puts += n;
    let left = n;
    while (left > 0) {
      const holder = holderFor(page, kind, t.task);
      if (holder === null) break;
      const part = Math.min(left, holder.n);
      this.shrink(page, holder, part, e);
      left -= part;
    }
    if (left > 0) page.unmatchedPuts += left;
  }

  shrink(page: PageState, holder: Holder, n: number, e: KernelEvent): void {
    if (holder.kind !== "fault") {
      const goesOn = n < holder.n || page.holders.some((h) => h !== holder && isAlike(h, holder));
      this.completed.add(page.pfn, holder, e.time, goesOn);
      this.listener?.dropped?.(page, holder, Math.min(n, holder.n), e);
    }
    if (n >= holder.n) this.remove(page, holder);
    else holder.n -= n;
  }

  remove(page: PageState, holder: Holder): void {
    const i = page.holders.indexOf(holder);
    if (i >= 0) page.holders.splice(i, 1);
    for (const h of page.holders) if (h.kind !== "fault") return;
    this.held.delete(page);
  }

  /** A page that was held before the recording began. */
  heldBefore(page: PageState, e: KernelEvent, kind: "pin" | "get", n: number, value: number): void {
    page.holders.push({
      kind,
      n,
      value,
      task: null,
      cpu: e.cpu,
      time: e.time,
      where: e.where,
      event: "",
      gup: Number.NaN,
      stack: null,
      seen: "before",
      losses: this.losses,
    });
    this.held.add(page);
  }

  /** A sample is not what the events so far add up to: something happened that was not recorded. */
  explain(page: PageState, e: KernelEvent, gap: number): void {
    if (gap > 0) {
      if (gap <= page.zapping) return; // unmapped, but not yet flushed and dropped
      const mapped = Number.isNaN(e.mapcount) || page.large ? 0 : e.mapcount + 1 - (page.mappings || 0);
      if (gap === mapped) return;
      const faulting = e.spec.role === "insert" || e.spec.role === "map";
      if (faulting) return; // the references of the fault itself
      page.unrecordedGets += gap;
      const pin = gap % PIN_BIAS === 0 && !page.large;
      const kind = pin ? "pin" : "get";
      const n = pin ? gap / PIN_BIAS : gap;
      const known = page.holders.find((h) => h.seen === "unrecorded" && h.kind === kind);
      if (known !== undefined) {
        known.n += n;
        return;
      }
      page.holders.push({
        kind,
        n,
        value: pin ? PIN_BIAS : 1,
        task: null,
        cpu: e.cpu,
        time: e.time,
        where: e.where,
        event: "",
        gup: Number.NaN,
        stack: null,
        seen: "unrecorded",
        losses: this.losses,
      });
      this.held.add(page);
      return;
    }
    let left = -gap;
    for (const kind of ["fault", "get", "pin"] as const) {
      for (const holder of [...page.holders]) {
        if (holder.kind !== kind || left < holder.value) continue;
        const n = Math.min(holder.n, Math.floor(left / holder.value));
        if (kind === "get" && left % PIN_BIAS === 0 && page.holders.some((h) => h.kind === "pin")) continue;
        this.shrink(page, holder, n, e);
        left -= n * holder.value;
        if (kind !== "fault") page.unrecordedPuts += n;
      }
    }
  }

  /** Where each mapping holds a reference, what plain gets are too many were mappings. */
  balance(page: PageState, count: number): void {
    if (this.#kernel.rules?.mappingHoldsReference !== true || page.large || Number.isNaN(page.mappings))
      return;
    if (page.type === "private" || page.type === "device-dax") return;
    let excess = page.held + page.mappings + page.zapping - count;
    for (const kind of ["fault", "get"] as const) {
      for (const holder of [...page.holders]) {
        if (excess <= 0) return;
        if (holder.kind !== kind || holder.event !== "page_ref_mod") continue;
        const n = Math.min(excess, holder.n);
        if (kind === "get") page.gets -= n;
        if (n >= holder.n) this.remove(page, holder);
        else holder.n -= n;
        excess -= n;
      }
    }
  }
}

const isAlike = (a: Holder, b: Holder): boolean =>
  a.task === b.task && a.kind === b.kind && a.event === b.event && a.stack === b.stack;

/** Of the same task, else of the same kind, else one that nobody recorded. */
function holderFor(page: PageState, kind: HolderKind, task: Task): Holder | null {
  let same: Holder | null = null;
  let unrecorded: Holder | null = null;
  for (const h of page.holders) {
    if (h.kind === kind) {
      if (h.task === task) return h;
      same ??= h;
    } else if (h.seen !== "recorded") unrecorded ??= h;
  }
  return same ?? unrecorded;
}
