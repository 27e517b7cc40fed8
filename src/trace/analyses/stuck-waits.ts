// Waits that nothing can end as things stand: the last reference from outside is gone, and the count is not
// what the waiter sleeps for.
import type { Finding } from "../finding.ts";
import type { Moment } from "../trackers/page-state.ts";
import type { Segment, Wait } from "../trackers/wait-state.ts";
import { durationText, pageText, plural, taskName } from "../wording.ts";
import { type AnalysisContext, at } from "./context.ts";
import { found, SHORT_NS, whereOf } from "./wait-wording.ts";

/**
 * The last reference from outside is gone, but the count is not what the waiter sleeps for, because
 * mappings hold references, too (7.2: the page was mapped again during the wait, or is mapped through
 * another file). Nothing wakes it until those mappings go.
 */
export function stuckWait(c: AnalysisContext, wait: Wait, s: Segment): Finding | null {
  const { rules } = c;
  const gone = s.externalGone;
  if (rules?.mappingHoldsReference !== true || gone === null) return null;
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
