// The life of every page: its count, its mappings and its holders, from whatever events there are.
//
// Two kinds of events tell of one change. `page_ref:*` is exact: it comes after the change, with the
// value. A kprobe comes before the change, with the value at that moment; what the function does to
// the count is then inferred. Where a page has both, the tracepoint counts and the probe only says
// who and why.
import type { KernelEvent } from "../../events/event.ts";
import type { Stack } from "../sink.ts";
import { countChanged } from "./count-changes.ts";
import { UNRECORDED_PUT } from "./listeners.ts";
import { faultExit, insert, map, unmap } from "./mappings.ts";
import { PageBook } from "./page-book.ts";
import { freed, grab, put } from "./references.ts";

const MAX_CPUS = 65_536;

export class PageTracker extends PageBook {
  event(e: KernelEvent): void {
    this.current = null;
    if (e.cpu < this.lastChange.length) {
      this.holders.last[e.cpu] = null;
      this.lastChange[e.cpu] = -1;
    } else this.#addCpus(e.cpu);
    switch (e.spec.role) {
      case "count-changed":
        countChanged(this, e);
        return;
      case "grab":
        grab(this, e);
        return;
      case "put":
        put(this, e);
        return;
      case "freed":
        freed(this, e);
        return;
      case "map":
        map(this, e);
        return;
      case "unmap":
        unmap(this, e);
        return;
      case "insert":
        insert(this, e);
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
        faultExit(this, e);
        return;
      default:
        return;
    }
  }

  /** Makes room for a CPU seen for the first time. */
  #addCpus(cpu: number): void {
    while (this.lastChange.length <= cpu && this.lastChange.length < MAX_CPUS) {
      this.holders.last.push(null);
      this.lastChange.push(-1);
    }
  }

  stack(cpu: number, stack: Stack): void {
    const holder = this.holders.last[cpu] ?? null;
    if (holder !== null && holder.stack === null) holder.stack = stack;
    const change = this.lastChange[cpu] ?? -1;
    if (change < 0) return;
    this.lifelines.setStack(change, stack);
    this.listener?.stack?.(cpu, stack);
  }

  /** After a loss nothing that was held is sure to be held still. */
  lost(): void {
    this.holders.losses++;
    this.taskStates.forEach((state) => {
      state.forget();
    });
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
    this.changed(page, e, before, "inferred");
  }

  #leftFile(e: KernelEvent): void {
    const page = this.pageOf(e);
    if (page === null) return;
    this.sample(page, e);
    page.type = "fs-dax";
    this.changed(page, e, page.count, "sampled");
    page.mapping = "";
    page.large = false;
  }

  #lookedAt(e: KernelEvent): void {
    const page = this.pageOf(e);
    if (page === null || Number.isNaN(e.count)) return;
    this.sample(page, e);
    this.changed(page, e, page.count, "sampled");
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
      page.notePut(e, UNRECORDED_PUT);
      if (page.watchers > 0) this.watcher?.pageChanged(page, e, "put", UNRECORDED_PUT);
    }
    this.changed(page, e, before, page.certainty);
    if (page.watchers > 0) this.watcher?.pageChanged(page, e, "wake");
  }
}
