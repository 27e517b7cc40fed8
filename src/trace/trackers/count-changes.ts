// What the tracepoints `page_ref:*` tell: each change of a count, exactly, after it was made. Whose it is
// follows from the probe just before it, or from the change itself.
import type { KernelEvent } from "../../events/event.ts";
import { oneBased, zeroBased } from "../kernel-rules.ts";
import type { PageBook } from "./page-book.ts";
import { type PageState, PIN_BIAS } from "./page-state.ts";
import { undoInference } from "./references.ts";
import type { TaskState } from "./task-state.ts";

export function countChanged(book: PageBook, e: KernelEvent): void {
  const page = book.pageOf(e);
  if (page === null) return;
  book.tracepoints = true;
  const t = book.task(e.task);
  const name = e.spec.name;
  if (!page.traced) undoInference(book, page, t);
  page.traced = true;
  const previous = page.count;
  if (name === "page_ref_mod_unless" && e.ret === 0) {
    page.count = e.count;
    page.certainty = "after";
    return;
  }
  if (name === "page_ref_freeze") {
    if (e.ret === 1) book.setCount(page, e, 0);
    return;
  }
  if (name === "page_ref_unfreeze" || name === "page_ref_set") {
    book.setCount(page, e, Number.isNaN(e.val) ? e.count : e.val);
    return;
  }
  const val = e.val;
  if (Number.isNaN(val) || Number.isNaN(e.count)) return;
  // The return value is exact; the printed count may hold a change of another CPU already.
  const after = name === "page_ref_mod_and_return" && !Number.isNaN(e.ret) ? e.ret : e.count;
  const before = after - val;
  if (!Number.isNaN(previous) && previous !== before) page.jumps++;
  if (Number.isNaN(previous) && before >= PIN_BIAS && !page.large)
    book.holders.heldBefore(page, e, "pin", Math.floor(before / PIN_BIAS), PIN_BIAS);
  if (!page.large && !Number.isNaN(e.mapcount)) page.mappings = Math.max(0, e.mapcount + 1);
  if (book.kernel.rules === null && page.reserved === true && page.type !== "private") {
    if (name === "page_ref_mod_and_return" && val < 0)
      book.kernel.sawCount(oneBased, "device pages are put by page_ref_sub_return()");
    else if (name === "page_ref_mod" && before === 0)
      book.kernel.sawCount(zeroBased, "device pages are mapped at count 0");
  }
  if (val > 0) gained(book, page, e, val, t);
  else if (val < 0) dropped(book, page, e, -val, t);
  page.count = after;
  page.certainty = "after";
  book.holders.balance(page, after);
  book.changed(page, e, before, "after");
  if (val < 0) page.notePut(e);
  if (page.watchers > 0) book.watcher?.pageChanged(page, e, val > 0 ? "get" : "put");
}

function gained(book: PageBook, page: PageState, e: KernelEvent, val: number, t: TaskState): void {
  const { grab, half } = t;
  if (half !== null && half.page === page && val === half.holder.n * (PIN_BIAS - 1)) {
    // The second half of a pin: a reference became 1024 of them.
    const { holder } = half;
    book.holders.replace(page, holder, { ...holder, kind: "pin", value: PIN_BIAS });
    t.half = null;
    return;
  }
  if (grab !== null && grab.page === page && grab.applied === null) {
    const inOne = grab.pin && !page.large && val % PIN_BIAS === 0;
    const holder = book.holders.take(
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
    book.holders.take(page, e, "pin", val / PIN_BIAS, PIN_BIAS, Number.NaN);
    return;
  }
  if (t.faultDepth > 0 && e.spec.name === "page_ref_mod") {
    const holder = book.holders.take(page, e, "fault", val, 1, Number.NaN);
    t.faultRefs.push({ page, holder });
    return;
  }
  const holder = book.holders.take(page, e, "get", val, 1, Number.NaN);
  if (e.spec.name === "page_ref_mod_unless") t.half = { page, holder };
}

function dropped(book: PageBook, page: PageState, e: KernelEvent, val: number, t: TaskState): void {
  const { put } = t;
  t.half = null;
  if (put !== null && put.page === page && !put.done) {
    put.done = true;
    book.holders.release(page, e, put.pin ? "pin" : "get", put.n, t);
    return;
  }
  const fault = page.holders.find((h) => h.kind === "fault" && h.task === t.task && h.n >= val);
  if (fault !== undefined) {
    book.holders.shrink(page, fault, val, e);
    return;
  }
  if (val % PIN_BIAS === 0 && !page.large) {
    book.holders.release(page, e, "pin", val / PIN_BIAS, t);
    return;
  }
  if (page.zapping >= val) {
    page.zapping -= val;
    return;
  }
  book.holders.release(page, e, "get", val, t);
}
