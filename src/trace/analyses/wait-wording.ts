// How a wait is told: who held what, by which path, and the events that show it.
import type { Evidence, Finding, FindingSeverity } from "../finding.ts";
import type { HolderGroup } from "../trackers/holder-groups.ts";
import type { Moment } from "../trackers/page-state.ts";
import type { Segment, Wait } from "../trackers/wait-state.ts";
import { pagesText, pageText, plural, taskName } from "../wording.ts";
import { type AnalysisContext, at } from "./context.ts";

/** Shorter than this, a needless wait is not worth a finding: the waiter was about to run. */
export const SHORT_NS = 10e6;

/** `ext4_break_layouts() (called by ext4_fallocate())`. */
export function whereOf(wait: Wait): string {
  const fn = wait.via[0] ?? "dax_layout_busy_page_range";
  return wait.caller === "" || wait.caller === fn ? `${fn}()` : `${fn}() (called by ${wait.caller}())`;
}

export const MAX_GROUPS = 3;

/** `64 pages (pfn …) that daxops-338 had pinned since 32.790291 in try_grab_folio_fast()`. */
export function blockersText(
  c: AnalysisContext,
  segment: Segment,
  blockers: readonly HolderGroup[] = segment.blockers,
): string {
  const { page } = segment;
  if (blockers.length === 0) {
    return `${pageText(page.pfn)}, at count ${countText(segment.count)}, whose holder was not recorded`;
  }
  const parts = blockers.slice(0, MAX_GROUPS).map((g) => holderText(c, g));
  if (blockers.length > MAX_GROUPS) parts.push(`${plural(blockers.length - MAX_GROUPS, "more holder")}`);
  return parts.join(", and ");
}

export function holderText(c: AnalysisContext, g: HolderGroup): string {
  const pages = pagesText(g.pfns);
  const how = g.kind === "pin" ? "had pinned" : "held references to";
  if (g.task === null) {
    return g.kind === "pin"
      ? `${pages}, pinned by a task that was not recorded`
      : `${pages}, referred to by a task that was not recorded`;
  }
  const path = g.stack === null ? `by ${eventText(g.event)}` : `by ${callPath(g.stack.frames)}`;
  return `${pages} that ${taskName(g.task)} ${how} since ${at(c, g.since)} (${path})`;
}

const PLUMBING =
  /^(try_grab_folio|try_grab_folio_fast|try_get_folio|gup_|internal_get_user_pages|lockless_pages|page_ref_|asm_|entry_SYSCALL|do_syscall|__x64_sys|x64_sys_call|ret_from_fork|kthread)/;

/** The part of a stack that says why: the first functions that are not get_user_pages itself. */
export function callPath(frames: readonly string[]): string {
  const telling = frames.filter((f) => !PLUMBING.test(f));
  const chosen = (telling.length > 0 ? telling : frames).slice(0, 3);
  return chosen.map((f) => `${f}()`).join(" <- ");
}

/** `unpin_user_folio()`, but `page_ref_mod`: a tracepoint is no function. */
export const eventText = (event: string): string =>
  /^page_ref_|^dax_p[tm][ed]_|^snap$| /.test(event) ? event : `${event}()`;

export const countText = (n: number): string => (Number.isNaN(n) ? "unknown" : `${n}`);

export function eventEvidence(m: Moment, text: string): Evidence {
  return { time: m.time, where: m.where, cpu: m.cpu, task: m.task, text };
}

/** The events by which the first few holders took their references. */
export const holderEvidence = (groups: readonly HolderGroup[]): Evidence[] =>
  groups.slice(0, MAX_GROUPS).map((g) => ({
    time: g.since,
    where: g.where,
    cpu: -1,
    task: g.task,
    text: `${g.event === "" ? "not recorded" : eventText(g.event)}: ${g.references > 1 ? "first of " : ""}${plural(g.references, g.kind === "pin" ? "pin" : "reference")} on ${pagesText(g.pfns)}`,
  }));

function startEvidence(wait: Wait, segment: Segment): Evidence[] {
  const evidence = holderEvidence(segment.blockers);
  evidence.push({
    time: wait.enteredAt,
    where: wait.where,
    cpu: segment.cpu,
    task: wait.task,
    text: `enters ${wait.via.join("() -> ") || "dax_layout_busy_page_range"}()`,
  });
  evidence.push({
    time: segment.since,
    where: segment.where,
    cpu: segment.cpu,
    task: wait.task,
    text: `busy: ${pageText(segment.page.pfn)}, count ${countText(segment.count)}${mappingText(segment.mappings)}; sleeps`,
  });
  return evidence;
}

const mappingText = (mappings: number): string =>
  Number.isNaN(mappings) || mappings === 0 ? "" : `, mapped ${plural(mappings, "time")}`;

function endEvidence(wait: Wait, segment: Segment): Evidence[] {
  const evidence: Evidence[] = [];
  const { externalGone: gone, wake } = segment;
  for (const r of segment.refaults.slice(0, 2)) {
    evidence.push(eventEvidence(r, `${r.event}(): maps ${pageText(segment.page.pfn)} again during the wait`));
  }
  if (gone !== null) {
    evidence.push(
      eventEvidence(
        gone,
        `${eventText(gone.event)}: no reference from outside is left on ${pageText(segment.page.pfn)}, count -> ${countText(gone.count)}`,
      ),
    );
  }
  for (const u of segment.unmaps.slice(-2)) {
    if (gone !== null && u.time >= gone.time) {
      evidence.push(
        eventEvidence(
          u,
          `${u.event}(): unmaps ${pageText(segment.page.pfn)}, count -> ${countText(u.count)}`,
        ),
      );
    }
  }
  if (wake !== null) evidence.push(eventEvidence(wake, `wake_up_var() on ${pageText(segment.page.pfn)}`));
  if (segment.until !== null) {
    evidence.push({ time: segment.until, where: 0, cpu: -1, task: wait.task, text: "looks again" });
  }
  if (wait.endedAt !== null) {
    const result = Number.isNaN(wait.result) ? "" : ` with ${wait.result}`;
    evidence.push({
      time: wait.endedAt,
      where: 0,
      cpu: -1,
      task: wait.task,
      text: `${wait.via[0] ?? "the scan"}() ends${result}`,
    });
  }
  return evidence.sort((a, b) => a.time - b.time);
}

function evidenceOf(wait: Wait, segment: Segment): Evidence[] {
  return [...startEvidence(wait, segment), ...endEvidence(wait, segment)].sort((a, b) => a.time - b.time);
}

interface Verdict {
  readonly kind: Finding["kind"];
  readonly severity: FindingSeverity;
  readonly sentence: string;
  readonly caveats?: readonly string[];
}

export function found(c: AnalysisContext, wait: Wait, segment: Segment, v: Verdict): Finding {
  const caveats = [...(v.caveats ?? [])];
  const lost = segment.losses > 0;
  if (lost) caveats.push("events were lost during the wait");
  const pfns = segment.blockers.flatMap((g) => g.pfns);
  const tasks = [wait.task, ...segment.blockers.map((g) => g.task).filter((t) => t !== null)];
  return {
    kind: v.kind,
    severity: lost && v.severity !== "note" ? "unknown" : v.severity,
    sentence: v.sentence,
    evidence: evidenceOf(wait, segment),
    pfns: pfns.length > 0 ? pfns : [segment.page.pfn],
    tasks: [...new Set(tasks)],
    stacks: segment.blockers.map((g) => g.stack).filter((s) => s !== null),
    caveats,
    durationNs: (wait.endedAt ?? c.end) - wait.enteredAt,
  };
}
