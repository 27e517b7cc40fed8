// Who waits for whom: what each sleep in break-layouts waited for, what let it go on, and whether
// anything still can.
import type { Evidence, Finding, FindingSeverity } from "../finding.ts";
import type { Moment, PageState } from "../trackers/page-state.ts";
import type { HolderGroup, MissedHolder, Segment, Wait } from "../trackers/waits.ts";
import { durationText, pagesText, pageText, plural, taskName } from "../wording.ts";
import { type AnalysisContext, at } from "./context.ts";

/** Shorter than this, a needless wait is not worth a finding: the waiter was about to run. */
const SHORT_NS = 10e6;

export function analyseWaits(c: AnalysisContext): Finding[] {
  const findings: Finding[] = [];
  for (const wait of c.waits.waits) {
    const finding = analyseWait(c, wait);
    if (finding !== null) findings.push(finding);
  }
  for (const missed of c.waits.missed) findings.push(didNotWait(c, missed));
  for (const { task, fn, since, where } of c.waits.unfinished) {
    if (c.end - since < SHORT_NS) continue;
    findings.push({
      kind: "blocked",
      severity: "unknown",
      sentence: `${taskName(task)} entered ${fn}() at ${at(c, since)} and had not left it ${durationText(c.end - since)} later, when the recording ends; for which page it waits was not recorded.`,
      evidence: [{ time: since, where, cpu: -1, task, text: `enters ${fn}()` }],
      pfns: [],
      tasks: [task],
      stacks: [],
      caveats: ["dax_layout_busy_page_range() has no return probe in this recording"],
      durationNs: c.end - since,
    });
  }
  return findings;
}

function analyseWait(c: AnalysisContext, wait: Wait): Finding | null {
  const { segments } = wait;
  const last = segments[segments.length - 1];
  if (last === undefined) return null;
  for (const segment of segments) {
    const stuck = stuckWait(c, wait, segment);
    if (stuck !== null) return stuck;
  }
  if (last.until === null && wait.endedAt === null) return openWait(c, wait, last);
  return endedWait(c, wait, last);
}

/** `ext4_break_layouts() (called by ext4_fallocate())`. */
function whereOf(wait: Wait): string {
  const fn = wait.via[0] ?? "dax_layout_busy_page_range";
  return wait.caller === "" || wait.caller === fn ? `${fn}()` : `${fn}() (called by ${wait.caller}())`;
}

const MAX_GROUPS = 3;

/** `64 pages (pfn …) that daxops-338 had pinned since 32.790291 in try_grab_folio_fast()`. */
function blockersText(c: AnalysisContext, segment: Segment): string {
  const { blockers, page } = segment;
  if (blockers.length === 0) {
    return `${pageText(page.pfn)}, at count ${countText(segment.count)}, whose holder was not recorded`;
  }
  const parts = blockers.slice(0, MAX_GROUPS).map((g) => holderText(c, g));
  if (blockers.length > MAX_GROUPS) parts.push(`${plural(blockers.length - MAX_GROUPS, "more holder")}`);
  return parts.join(", and ");
}

function holderText(c: AnalysisContext, g: HolderGroup): string {
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

function event(m: Moment, text: string): Evidence {
  return { time: m.time, where: m.where, cpu: m.cpu, task: m.task, text };
}

function startEvidence(wait: Wait, segment: Segment): Evidence[] {
  const evidence: Evidence[] = [];
  for (const g of segment.blockers.slice(0, MAX_GROUPS)) {
    const kind = g.kind === "pin" ? "pin" : "reference";
    evidence.push({
      time: g.since,
      where: g.where,
      cpu: -1,
      task: g.task,
      text: `${g.event === "" ? "not recorded" : `${eventText(g.event)}`}: first of ${plural(g.references, kind)} on ${pagesText(g.pfns)}`,
    });
  }
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
    evidence.push(event(r, `${r.event}(): maps ${pageText(segment.page.pfn)} again during the wait`));
  }
  if (gone !== null) {
    evidence.push(
      event(
        gone,
        `${eventText(gone.event)}: no reference from outside is left on ${pageText(segment.page.pfn)}, count -> ${countText(gone.count)}`,
      ),
    );
  }
  for (const u of segment.unmaps.slice(-2)) {
    if (gone !== null && u.time >= gone.time) {
      evidence.push(
        event(u, `${u.event}(): unmaps ${pageText(segment.page.pfn)}, count -> ${countText(u.count)}`),
      );
    }
  }
  if (wake !== null) evidence.push(event(wake, `wake_up_var() on ${pageText(segment.page.pfn)}`));
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

function found(c: AnalysisContext, wait: Wait, segment: Segment, v: Verdict): Finding {
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

/**
 * The last reference from outside is gone, but the count is not what the waiter sleeps for, because
 * mappings hold references, too (7.2: the page was mapped again during the wait, or is mapped through
 * another file). Nothing wakes it until those mappings go.
 */
function stuckWait(c: AnalysisContext, wait: Wait, s: Segment): Finding | null {
  const { rules } = c;
  const gone = s.externalGone;
  if (rules === null || gone === null) return null;
  const reached = rules.wakeAt === 0 ? s.atZero : s.atOne;
  const again = mappedBeforeItRan(c, wait, s, gone);
  if (again !== null) return again;
  if (reached !== null && reached.time === gone.time) return null;
  if (gone.count === rules.wakeAt) return null;
  const until = reached?.time ?? s.until ?? c.end;
  const needless = until - gone.time;
  if (needless < SHORT_NS || !(gone.count > rules.wakeAt)) return null;
  const end = wait.endedAt ?? c.end;
  const page = pageText(s.page.pfn);
  const refault = s.refaults.findLast((r) => r.time < gone.time);
  const why =
    refault !== undefined
      ? `${page} was mapped again by ${taskName(refault.task)} at ${at(c, refault.time)}, during the wait`
      : s.mappings > 0
        ? `${page} stayed mapped elsewhere (${plural(s.mappings, "mapping")} when the wait began)`
        : `${page} still has references that are not pins`;
  const unmap = s.unmaps.findLast((u) => u.time > gone.time);
  const ending =
    reached !== null
      ? `${unmap === undefined ? "Something" : `${taskName(unmap.task)} unmapping it at ${at(c, unmap.time)}`} brought the count to ${rules.wakeAt}${s.wake === null ? "" : `, and wake_up_var() at ${at(c, s.wake.time)} ended the wait`}.`
      : wait.endedAt === null
        ? "It was still waiting when the recording ends."
        : `It ended without that: ${wait.result < 0 ? `break-layouts returned ${wait.result} (a signal?)` : "why is not recorded"}.`;
  return found(c, wait, s, {
    kind: "stuck-wait",
    severity: "error",
    sentence:
      `${taskName(wait.task)} waited ${durationText(end - wait.enteredAt)} in ${whereOf(wait)}, ${durationText(needless)} of it after the last pin was gone: ` +
      `${why}, so when ${taskName(gone.task)} dropped the last pin at ${at(c, gone.time)} the count fell to ${gone.count}, held by ${gone.count === 1 ? "that mapping" : "those mappings"}; ` +
      `the waiter sleeps until it is ${rules.wakeAt}, so nothing could wake it before a munmap. ${ending}`,
  });
}

/**
 * The other order: the count was what the waiter needs and it was woken, but before it ran and looked
 * somebody mapped the page again, so it sleeps again.
 */
function mappedBeforeItRan(c: AnalysisContext, wait: Wait, s: Segment, gone: Moment): Finding | null {
  if (c.rules?.mappingHoldsReference !== true || s.wake === null) return null;
  const { wake } = s;
  const until = s.until ?? c.end;
  const remap = s.refaults.find((r) => r.time >= gone.time && r.time < until);
  if (remap === undefined || until - remap.time < SHORT_NS || wake.time > remap.time + SHORT_NS) return null;
  const end = wait.endedAt ?? c.end;
  return found(c, wait, s, {
    kind: "stuck-wait",
    severity: "error",
    sentence:
      `${taskName(wait.task)} waited ${durationText(end - wait.enteredAt)} in ${whereOf(wait)}, ${durationText(until - remap.time)} of it for nothing: ` +
      `${taskName(gone.task)} dropped the last pin of ${pageText(s.page.pfn)} at ${at(c, gone.time)} and woke it at ${at(c, wake.time)}, but before it looked ${taskName(remap.task)} mapped the page again at ${at(c, remap.time)}; ` +
      `the waiter sleeps until the count is ${c.rules.wakeAt}, so nothing could wake it before a munmap.` +
      (wait.endedAt === null ? " It was still waiting when the recording ends." : ""),
  });
}

function openWait(c: AnalysisContext, wait: Wait, s: Segment): Finding {
  const { rules } = c;
  const waited = durationText(c.end - wait.enteredAt);
  const page = pageText(s.page.pfn);
  const intro = `${taskName(wait.task)} is waiting in ${whereOf(wait)} since ${at(c, wait.enteredAt)}, ${waited} until the recording ends,`;
  const gone = s.externalGone;
  const reached = rules === null ? null : rules.wakeAt === 0 ? s.atZero : s.atOne;
  if (reached !== null) {
    if (s.wake !== null && s.wake.time >= reached.time) {
      return found(c, wait, s, {
        kind: "waited",
        severity: "note",
        sentence: `${intro} but ${page} became idle at ${at(c, reached.time)} and wake_up_var() followed at ${at(c, s.wake.time)}: it had not run yet.`,
      });
    }
    if (c.waits.wakes === 0) {
      return found(c, wait, s, {
        kind: "blocked",
        severity: "unknown",
        sentence: `${intro} although ${page} reached count ${reached.count} at ${at(c, reached.time)}; whether it was woken is not recorded.`,
        caveats: ["no wake_up_var() was recorded at all: the probe may not have been set"],
      });
    }
    return found(c, wait, s, {
      kind: "missed-wakeup",
      severity: c.end - reached.time < SHORT_NS ? "note" : "error",
      sentence: `${intro} although ${page} reached the count it waits for (${reached.count}) at ${at(c, reached.time)}, by ${reached.event} of ${taskName(reached.task)}: nobody called wake_up_var(), and nobody will.`,
    });
  }
  const caveats: string[] = [];
  if (
    gone !== null &&
    gone.count > (rules?.wakeAt ?? 0) &&
    !Number.isNaN(s.page.mappings) &&
    s.page.mappings > 0
  ) {
    return found(c, wait, s, {
      kind: "stuck-wait",
      severity: "error",
      sentence: `${intro} for ${page}, although no pin is left: its count is ${countText(s.page.count)}, held by ${plural(s.page.mappings, "mapping")}.`,
    });
  }
  const now = s.page.external > 0 ? s.blockers : [];
  if (now.length === 0 && s.blockers.length > 0) caveats.push("who holds it now is not recorded");
  return found(c, wait, s, {
    kind: "blocked",
    severity: "warning",
    sentence: `${intro} for ${blockersText(c, s)}; ${page} is at count ${countText(s.page.count)}${rules === null ? "" : ` and must come to ${rules.wakeAt}`}${outlook(c, s)}.`,
    caveats,
  });
}

/** What will wake the waiter, as things stand. */
function outlook(c: AnalysisContext, s: Segment): string {
  if (c.rules === null) return "";
  const { page } = s;
  if (c.rules.mappingHoldsReference && page.mappings > 0) {
    return `; it is mapped ${page.mappings === 1 ? "once" : `${page.mappings} times`}, so dropping these references alone will not wake it: that takes a munmap, too`;
  }
  return "; the put that brings it there wakes it";
}

function endedWait(c: AnalysisContext, wait: Wait, s: Segment): Finding {
  const end = wait.endedAt ?? s.until ?? c.end;
  const { externalGone: gone, wake } = s;
  const slept = `${taskName(wait.task)} waited ${durationText(end - wait.enteredAt)} in ${whereOf(wait)} for ${blockersText(c, wait.segments[0] ?? s)}`;
  const more = wait.segments.length > 1 ? `, page after page (${plural(wait.segments.length, "sleep")})` : "";
  const { rules } = c;
  const reached = rules === null ? gone : rules.wakeAt === 0 ? s.atZero : s.atOne;
  if (wait.result < 0) {
    return found(c, wait, s, {
      kind: "waited",
      severity: "note",
      sentence: `${slept}${more}; it gave up with ${wait.result}${wait.result === -512 || wait.result === -4 ? " (a signal)" : ""}.`,
    });
  }
  if (
    gone !== null &&
    reached !== null &&
    wake === null &&
    c.waits.wakes > 0 &&
    (s.until ?? end) - reached.time > SHORT_NS
  ) {
    return found(c, wait, s, {
      kind: "missed-wakeup",
      severity: "error",
      sentence: `${slept}${more}; ${pageText(s.page.pfn)} reached count ${reached.count} at ${at(c, reached.time)}, but nobody called wake_up_var(), and the waiter slept ${durationText((s.until ?? end) - reached.time)} longer.`,
    });
  }
  if (gone === null && wake === null) {
    return found(c, wait, s, {
      kind: "waited",
      severity: "unknown",
      sentence: `${slept}${more}; what let it go on is not recorded: neither a put nor a wakeup of ${pageText(s.page.pfn)} is in the recording.`,
    });
  }
  const put =
    gone === null
      ? ""
      : `; ${eventText(gone.event)} by ${taskName(gone.task)} at ${at(c, gone.time)} dropped the last reference to ${pageText(s.page.pfn)} (count -> ${countText(gone.count)})`;
  const woke =
    wake !== null
      ? `${gone === null ? ";" : ", and"} wake_up_var() at ${at(c, wake.time)} let it go on`
      : c.waits.wakes === 0
        ? "; the wakeup itself was not recorded"
        : "";
  return found(c, wait, s, { kind: "waited", severity: "note", sentence: `${slept}${more}${put}${woke}.` });
}

/** S8: truncation went on although pages of the file were referenced, since nobody mapped the file. */
function didNotWait(c: AnalysisContext, m: MissedHolder): Finding {
  const { rules } = c;
  const pfns = m.groups.flatMap((g) => g.pfns);
  const lost = m.losses !== c.pages.losses;
  const fn = m.via[0] ?? "dax_layout_busy_page_range";
  const page = m.pages[0];
  const idle = page === undefined ? Number.NaN : c.pages.idleCount(page);
  const known = rules !== null && !rules.scansUnmappedFiles;
  const holders = m.groups
    .slice(0, MAX_GROUPS)
    .map((g) => holderText(c, g))
    .join(", and ");
  // A put that is recorded later shows that the reference was there all the time.
  const taken = m.groups.every((g) => g.seen !== "unrecorded");
  const sure =
    taken &&
    (m.groups.every((g) => putsAreVisible(c, g.kind, m.pages[0])) ||
      m.pages.every((p) => p.lastPut !== null && p.lastPut.time > m.scan.time));
  return {
    kind: "did-not-wait",
    severity: lost || !sure ? "unknown" : "error",
    sentence:
      `${taskName(m.task)} did not wait in ${fn}(): dax_layout_busy_page_range() returned NULL at ${at(c, m.scan.time)}, but ${holders} ${pfns.length === 1 ? "was" : "were"} still referenced ` +
      `(idle is ${countText(idle)}), so blocks may be freed and used again while somebody reads or writes them.` +
      (known ? " Kernels before v6.15 do not look at files that nobody maps." : ""),
    evidence: [
      ...m.groups.slice(0, MAX_GROUPS).map((g) => ({
        time: g.since,
        where: g.where,
        cpu: -1,
        task: g.task,
        text: `${g.event === "" ? "not recorded" : eventText(g.event)}: ${plural(g.references, g.kind === "pin" ? "pin" : "reference")} on ${pagesText(g.pfns)}`,
      })),
      {
        time: m.scan.time,
        where: m.scan.where,
        cpu: m.scan.cpu,
        task: m.task,
        text: "dax_layout_busy_page_range() returns NULL: nothing to wait for",
      },
      ...afterwards(m.pages),
    ].sort((a, b) => a.time - b.time),
    pfns,
    tasks: [m.task, ...m.groups.map((g) => g.task).filter((t) => t !== null)],
    stacks: m.groups.map((g) => g.stack).filter((s) => s !== null),
    caveats: [
      ...(lost ? ["events were lost after the pages were taken"] : []),
      ...(sure
        ? []
        : taken
          ? ["this recording does not show every put, so the references may have been gone"]
          : ["nobody was seen to take the references, so they may be something else"]),
    ],
    durationNs: Number.NaN,
  };
}

function afterwards(pages: readonly PageState[]): Evidence[] {
  const put = pages.map((p) => p.lastPut).find((m) => m !== null);
  return put === undefined || put === null
    ? []
    : [
        event(
          put,
          `${eventText(put.event)}: the reference is dropped only now, count -> ${countText(put.count)}`,
        ),
      ];
}

/** Whether a put of this kind would have left a trace in the recording. */
export function putsAreVisible(
  c: AnalysisContext,
  kind: HolderGroup["kind"],
  page: PageState | undefined,
): boolean {
  if (page?.traced === true) return true;
  const seen = c.pages.putsSeen;
  if (kind === "pin") {
    return [
      "unpin_user_page",
      "unpin_user_folio",
      "gup_put_folio",
      "put_devmap_managed",
      "unpin_user_page_range",
    ].some((e) => seen.has(e));
  }
  return seen.has("put_devmap_managed");
}
