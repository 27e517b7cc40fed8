// Counts that are illegal in the recording's kernel, with the first event that shows it.
import type { Finding } from "../finding.ts";
import type { ConformanceTracker } from "../trackers/conformance.ts";
import { pagesText, pageText, plural, taskName } from "../wording.ts";
import { type AnalysisContext, at, isDevice } from "./context.ts";

export function analyseConformance(c: AnalysisContext, tracker: ConformanceTracker): Finding[] {
  const findings: Finding[] = [];
  for (const v of tracker.violations.values()) {
    if (v.rule.model !== "both" && c.rules?.model !== v.rule.model) continue;
    const page = c.pages.pages.get(v.pfn);
    if (page !== undefined && !isDevice(c, page)) continue;
    const lost = v.losses > 0;
    const more = v.times > 1 ? ` It happened ${v.times} times, on ${pagesText(v.pfns)}.` : "";
    const change = Number.isNaN(v.val) ? "" : `, change ${v.val > 0 ? "+" : ""}${v.val}`;
    findings.push({
      kind: "illegal-count",
      severity: "error",
      sentence: `${pageText(v.pfn)} ${v.rule.text}: ${v.event} by ${taskName(v.task)} at ${at(c, v.time)} shows count ${Number.isNaN(v.count) ? "unknown" : v.count}${change} (rule ${v.rule.id}, ${v.rule.source}).${more}`,
      evidence: [
        {
          time: v.time,
          where: v.where,
          cpu: v.cpu,
          task: v.task,
          text: `${v.event}: count ${v.count}${change}; the first of ${plural(v.times, "time")}`,
        },
      ],
      pfns: v.pfns,
      tasks: [v.task],
      stacks: [],
      caveats: lost ? ["events were lost before it"] : [],
      durationNs: Number.NaN,
    });
  }
  return findings;
}
