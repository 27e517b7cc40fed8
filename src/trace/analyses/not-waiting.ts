// Tasks that should have waited and did not: the scan found nothing although pages of the file were held.
import type { Evidence, Finding } from "../finding.ts";
import type { PageState } from "../trackers/page-state.ts";
import type { MissedHolder } from "../trackers/wait-state.ts";
import { taskName } from "../wording.ts";
import { type AnalysisContext, at } from "./context.ts";
import { putsAreVisible } from "./visible-puts.ts";
import {
  countText,
  eventEvidence,
  eventText,
  holderEvidence,
  holderText,
  MAX_GROUPS,
} from "./wait-wording.ts";

/** S8: truncation went on although pages of the file were referenced, since nobody mapped the file. */
export function didNotWait(c: AnalysisContext, times: readonly MissedHolder[]): Finding {
  const m = times[0] as MissedHolder;
  const last = times[times.length - 1] as MissedHolder;
  const { rules } = c;
  const pfns = m.groups.flatMap((g) => g.pfns);
  const lost = times.some((t) => t.lost);
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
    (m.groups.every((g) => putsAreVisible(c, g, m.pages)) ||
      m.pages.every((p) => p.lastPut !== null && p.lastPut.time > m.scan.time));
  return {
    kind: "did-not-wait",
    severity: lost || !sure ? "unknown" : "error",
    sentence:
      `${taskName(m.task)} did not wait in ${fn}(): dax_layout_busy_page_range() returned NULL at ${at(c, m.scan.time)}, but ${holders} ${pfns.length === 1 ? "was" : "were"} still referenced ` +
      `(idle is ${countText(idle)}), so blocks may be freed and used again while somebody reads or writes them.` +
      (last === m ? "" : ` It happened ${times.length} times, the last at ${at(c, last.scan.time)}.`) +
      (known ? " Kernels before v6.15 do not look at files that nobody maps." : ""),
    evidence: [
      ...holderEvidence(m.groups),
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
        eventEvidence(
          put,
          `${eventText(put.event)}: the reference is dropped only now, count -> ${countText(put.count)}`,
        ),
      ];
}
