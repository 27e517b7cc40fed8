// What probes tell of references: get_user_pages is about to take some, or some are about to be dropped.
// The numbers are those before the change; what the function does to the count is inferred, unless
// tracepoints tell of the page, too.
import type { KernelEvent } from "../../events/event.ts";
import { isPin } from "./flags.ts";
import type { PageBook } from "./page-book.ts";
import { type PageState, PIN_BIAS } from "./page-state.ts";
import type { TaskState } from "./task-state.ts";

export function grab(book: PageBook, e: KernelEvent): void {
  const page = book.pageOf(e);
  if (page === null) return;
  const t = book.task(e.task);
  book.sample(page, e);
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
    book.changed(page, e, before, "sampled");
    return;
  }
  const holder = book.holders.take(page, e, pin ? "pin" : "get", n, pin && !page.large ? PIN_BIAS : 1, e.gup);
  t.grab.applied = holder;
  page.count = before + n * holder.value;
  page.certainty = "inferred";
  book.changed(page, e, before, "inferred");
  if (page.watchers > 0) book.watcher?.pageChanged(page, e, "get");
}

export function put(book: PageBook, e: KernelEvent): void {
  const page = book.pageOf(e);
  if (page === null) return;
  book.sawPut(e.spec);
  if (e.spec.name === "put_devmap_managed") page.type = "fs-dax";
  const t = book.task(e.task);
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
  book.sample(page, e);
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
  book.holders.release(page, e, pin ? "pin" : "get", n, t);
  page.count = before - total;
  page.certainty = "inferred";
  t.put.applied = total;
  book.changed(page, e, before, "inferred");
  page.notePut(e);
  if (page.watchers > 0) book.watcher?.pageChanged(page, e, "put");
}

export function freed(book: PageBook, e: KernelEvent): void {
  const page = book.pageOf(e);
  if (page === null) return;
  const t = book.task(e.task);
  book.sawPut(e.spec);
  page.zapping = 0;
  const before = page.count;
  const pending = t.put;
  const nested = pending !== null && pending.page === page;
  book.sample(page, e);
  if (nested) pending.depth = e.spec.depth;
  else if (before !== page.count) {
    page.notePut(e);
    if (page.watchers > 0) book.watcher?.pageChanged(page, e, "put");
  }
  book.changed(page, e, before, "sampled");
}

/** The first tracepoint of a page: what a probe just before it did to the count is taken back. */
export function undoInference(book: PageBook, page: PageState, t: TaskState): void {
  const { grab, put } = t;
  if (grab?.page === page && grab.applied !== null) {
    book.holders.remove(page, grab.applied);
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
