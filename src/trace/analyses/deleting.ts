// Blocks that were taken away from a file while somebody held their pages.
import type { Finding } from "../finding.ts";
import type { DeletedEntries } from "../trackers/deleted-entries.ts";
import { taskName } from "../wording.ts";
import { type AnalysisContext, at } from "./context.ts";
import { putsAreVisible } from "./visible-puts.ts";
import { holderEvidence, holderText, MAX_GROUPS } from "./wait-wording.ts";

export function analyseDeletions(c: AnalysisContext): Finding[] {
  // Who looked for holders and found none is told of already.
  const told = new Set(c.waits.missed.flatMap((m) => m.pages));
  return c.deletions.deleted
    .filter((d) => !d.pages.every((p) => told.has(p)))
    .map((d) => deletedWhileHeld(c, d));
}

function deletedWhileHeld(c: AnalysisContext, d: DeletedEntries): Finding {
  const pfns = d.pages.map((p) => p.pfn);
  const seen = d.groups.every((g) => g.seen !== "unrecorded");
  // A put that is recorded later shows that the reference was there all the time.
  const sure =
    seen &&
    (d.groups.every((g) => putsAreVisible(c, g, d.pages)) ||
      d.pages.every((p) => p.lastPut !== null && p.lastPut.time > d.since));
  const holders = d.groups
    .slice(0, MAX_GROUPS)
    .map((g) => holderText(c, g))
    .join(", and ");
  return {
    kind: "freed-while-held",
    severity: d.doubtful || !sure ? "unknown" : "error",
    sentence:
      `${taskName(d.task)} took pages out of their file at ${at(c, d.since)} while they were held: ${holders}; ` +
      "they belong to no file now, and if their blocks are freed, another file can get them while somebody reads or writes them.",
    evidence: [
      ...holderEvidence(d.groups),
      { time: d.since, where: d.where, cpu: d.cpu, task: d.task, text: "dax_delete_mapping_entry()" },
    ],
    pfns,
    tasks: [d.task, ...d.groups.map((g) => g.task).filter((t) => t !== null)],
    stacks: d.groups.map((g) => g.stack).filter((s) => s !== null),
    caveats: [
      ...(d.doubtful ? ["events were lost after the pages were taken"] : []),
      ...(sure ? [] : ["this recording does not show every put, so the references may have been gone"]),
    ],
    durationNs: Number.NaN,
  };
}
