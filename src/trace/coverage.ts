// What a recording can tell, and what it cannot, by the events that were watched for.
import type { AnalysisContext } from "./analyses/context.ts";
import type { Coverage } from "./report.ts";

export function coverageOf(c: AnalysisContext): Coverage {
  const has = (...names: string[]): boolean => names.some((n) => c.watched.has(n));
  const tracepoints = c.pages.tracepoints;
  const probes = has(
    "try_grab_folio",
    "try_grab_folio_fast",
    "gup_put_folio",
    "unpin_user_folio",
    "put_devmap_managed",
    "free_zone_device_folio",
  );
  const waits = has("dax_layout_busy_page_range_ret");
  const wakes = has("wake_up_var");
  const missing: string[] = [];
  if (!tracepoints) {
    missing.push(
      "page_ref tracepoints (CONFIG_DEBUG_PAGE_REF): counts are what probes read at a function's entry, and what follows from it is inferred",
    );
  }
  const putsOfGets = tracepoints || has("put_devmap_managed");
  if (!putsOfGets)
    missing.push("puts of plain references (put_page(), folio_put()), unless they free the page");
  if (!waits) missing.push("who waits: no return of dax_layout_busy_page_range()");
  else if (!wakes) missing.push("wakeups: no wake_up_var()");
  if (!c.stacks) missing.push("call stacks: holders are told apart by task and function only");
  if (!has("memunmap_pages", "kill_dax")) missing.push("device removal: no memunmap_pages() or kill_dax()");
  if (!has("folio_lock")) missing.push("waits for folio locks: no __folio_lock()");
  return {
    counts: tracepoints ? (probes ? "both" : "tracepoints") : probes ? "probes" : "none",
    stacks: c.stacks,
    waits,
    wakes,
    putsOfPins:
      tracepoints || has("unpin_user_folio", "gup_put_folio", "unpin_user_page", "put_devmap_managed"),
    putsOfGets,
    mappings: has("folio_add_file_rmap_ptes", "folio_add_file_rmap_pmd"),
    removals: has("memunmap_pages", "kill_dax"),
    missing,
  };
}
