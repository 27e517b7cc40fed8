// Mappings in page tables, and the references that faults hold until a mapping has them.
import type { KernelEvent } from "../../events/event.ts";
import type { PageBook } from "./page-book.ts";

export function map(book: PageBook, e: KernelEvent): void {
  const page = book.pageOf(e);
  if (page === null) return;
  const t = book.task(e.task);
  book.sample(page, e);
  const n = e.n > 0 ? e.n : 1;
  if (page.traced) {
    // The reference that the mapping holds was counted a moment ago.
    const taken =
      page.holders.find((h) => h.kind === "fault" && h.task === t.task) ??
      page.holders.findLast((h) => h.kind === "get" && h.task === t.task && h.event === "page_ref_mod");
    if (taken !== undefined && taken.n >= n) {
      if (taken.kind === "get") page.gets -= n;
      if (taken.n === n) book.holders.remove(page, taken);
      else taken.n -= n;
    }
  }
  if (!Number.isNaN(e.mapcount)) page.mappings = e.mapcount + 1 + n;
  else if (!Number.isNaN(page.mappings)) page.mappings += n;
  page.inserted = true;
  book.changed(page, e, page.count, "sampled");
  if (page.watchers > 0) book.watcher?.pageChanged(page, e, "map");
}

export function unmap(book: PageBook, e: KernelEvent): void {
  const page = book.pageOf(e);
  if (page === null) return;
  book.sample(page, e);
  const n = e.n > 0 ? e.n : 1;
  if (!Number.isNaN(e.mapcount)) page.mappings = Math.max(0, e.mapcount + 1 - n);
  else if (!Number.isNaN(page.mappings)) page.mappings = Math.max(0, page.mappings - n);
  page.zapping += n;
  const before = page.count;
  if (!page.traced && !Number.isNaN(before)) {
    page.count = before - n;
    page.certainty = "inferred";
  }
  book.changed(page, e, before, page.traced ? "sampled" : "inferred");
  page.notePut(e);
  if (page.watchers > 0) book.watcher?.pageChanged(page, e, "unmap");
}

export function insert(book: PageBook, e: KernelEvent): void {
  const page = book.pageOf(e);
  if (page === null) return;
  const t = book.task(e.task);
  if (page.device) page.type = page.type === "fs-dax" || t.faultDepth > 0 ? "fs-dax" : "device-dax";
  if (e.spec.name === "vmf_insert_folio_pmd") page.large = true;
  if (!Number.isNaN(e.count)) {
    book.sample(page, e);
    if (!page.traced && page.type === "fs-dax" && e.count > 0) {
      // The fault holds a reference of its own until it returns.
      const holder = book.holders.take(page, e, "fault", 1, 1, Number.NaN);
      t.faultRefs.push({ page, holder });
    }
  }
  page.inserted = true;
  book.changed(page, e, page.count, Number.isNaN(e.count) ? "unknown" : "sampled");
  if (page.watchers > 0) book.watcher?.pageChanged(page, e, "insert");
}

export function faultExit(book: PageBook, e: KernelEvent): void {
  const t = book.task(e.task);
  if (t.faultDepth > 0) t.faultDepth--;
  if (t.faultDepth > 0 || t.faultRefs.length === 0) return;
  for (const { page, holder } of t.faultRefs) {
    if (!page.holders.includes(holder)) continue;
    book.holders.remove(page, holder);
    // With tracepoints every drop is seen: what is left has become a mapping.
    if (page.traced) continue;
    page.count -= holder.n;
    page.certainty = "inferred";
  }
  t.faultRefs = [];
}
