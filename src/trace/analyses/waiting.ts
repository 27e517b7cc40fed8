// Who waits for whom: what each sleep in break-layouts waited for, what let it go on, and whether
// anything still can.
import type { Finding } from "../finding.ts";
import { groupHolders, type HolderGroup } from "../trackers/holder-groups.ts";
import type { PageState } from "../trackers/page-state.ts";
import type { MissedHolder, Segment, Wait } from "../trackers/wait-state.ts";
import { durationText, pagesText, pageText, plural, taskName } from "../wording.ts";
import { type AnalysisContext, at } from "./context.ts";
import { didNotWait } from "./not-waiting.ts";
import { stuckWait } from "./stuck-waits.ts";
import { givenBackUnseen } from "./visible-puts.ts";
import { blockersText, countText, eventText, found, SHORT_NS, whereOf } from "./wait-wording.ts";

export function analyseWaits(c: AnalysisContext): Finding[] {
  const findings: Finding[] = [];
  for (const wait of c.waits.waits) {
    const finding = analyseWait(c, wait);
    if (finding !== null) findings.push(finding);
  }
  for (const missed of sameMissed(c.waits.missed)) findings.push(didNotWait(c, missed));
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

/** One task that missed the same pages again and again is told of once: the first time, with how often. */
function sameMissed(all: readonly MissedHolder[]): (readonly MissedHolder[])[] {
  const groups = new Map<string, MissedHolder[]>();
  for (const m of all) {
    const key = `${m.task.id} ${m.pages.map((p) => p.pfn).join()}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [m]);
    else group.push(m);
  }
  return [...groups.values()];
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
    rules?.mappingHoldsReference === true &&
    gone !== null &&
    gone.count > rules.wakeAt &&
    !Number.isNaN(s.page.mappings) &&
    s.page.mappings > 0
  ) {
    return found(c, wait, s, {
      kind: "stuck-wait",
      severity: "error",
      sentence: `${intro} for ${page}, although no pin is left: its count is ${countText(s.page.count)}, held by ${plural(s.page.mappings, "mapping")}.`,
    });
  }
  const now = heldNow(c, s);
  if (now.length === 0 && s.blockers.length > 0) caveats.push("who holds it now is not recorded");
  const letGo = s.blockers.filter((b) => !now.some((g) => g.task === b.task && g.kind === b.kind));
  const dropped =
    now.length === 0 || letGo.length === 0
      ? ""
      : `; ${letGo.map((g) => `${taskName(g.task)} held ${pagesText(g.pfns)}, too, and has let go`).join(", and ")}`;
  return found(c, wait, s, {
    kind: "blocked",
    severity: "warning",
    sentence: `${intro} for ${blockersText(c, s, now.length > 0 ? now : s.blockers)}${dropped}; ${page} is at count ${countText(s.page.count)}${rules === null ? "" : ` and must come to ${rules.wakeAt}`}${outlook(c, s, now)}.`,
    caveats,
  });
}

/** Who holds, when the recording ends, the pages for which the waiter went to sleep. */
function heldNow(c: AnalysisContext, s: Segment): HolderGroup[] {
  if (s.page.external === 0) return [];
  const pfns = new Set([s.page.pfn, ...s.blockers.flatMap((g) => g.pfns)]);
  const pages = [...pfns].sort((a, b) => a - b).map((pfn) => c.pages.pages.get(pfn));
  return groupHolders(pages.filter((p) => p !== undefined && p.external > 0) as PageState[]);
}

/** What will wake the waiter, as things stand. */
function outlook(c: AnalysisContext, s: Segment, now: readonly HolderGroup[]): string {
  if (c.rules === null) return "";
  const { page } = s;
  const unseen = now.find((g) => g.kind === "get" && g.stack !== null && givenBackUnseen(g));
  if (c.rules.model === "one-based" && unseen !== undefined) {
    const exit = unseen.task === null ? undefined : c.exits.get(unseen.task.tid);
    return (
      "; direct I/O of this kernel gives such references back with folio_put_refs(), which leaves no event and wakes nobody" +
      (exit === undefined
        ? ": perhaps they are gone already, and it waits for ever"
        : `: ${taskName(unseen.task)} exited at ${at(c, exit)}, so they are gone, and nothing will wake it`)
    );
  }
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
