// Devices taken away while somebody still used their pages, and removals that do not end.
import type { Finding } from "../finding.ts";
import type { LifelineEntry } from "../trackers/lifelines.ts";
import type { LockWait } from "../trackers/locks.ts";
import { durationText, pagesText, pageText, plural, taskName } from "../wording.ts";
import { type AnalysisContext, at, isDevice } from "./context.ts";
import { callPath, holderEvidence } from "./wait-wording.ts";

export function analyseRemovals(c: AnalysisContext): Finding[] {
  const findings: Finding[] = [];
  c.removals.finish();
  for (const r of c.removals.removals) {
    const begun = {
      time: r.since,
      where: r.where,
      cpu: r.cpu,
      task: r.task,
      text: "enters memunmap_pages()",
    };
    const lost = r.losses > 0;
    const holders = r.holders
      .slice(0, 3)
      .map(
        (g) =>
          `${plural(g.references, g.kind === "pin" ? "pin" : "reference")} of ${taskName(g.task)} on ${pagesText(g.pfns)} since ${at(c, g.since)}`,
      )
      .join(", and ");
    const evidence = [
      ...holderEvidence(r.holders),
      ...(r.killedAt === null
        ? []
        : [{ time: r.killedAt, where: 0, cpu: -1, task: r.task, text: `${r.killedBy}()` }]),
      begun,
      ...(r.releasedAt === null
        ? []
        : [
            {
              time: r.releasedAt,
              where: 0,
              cpu: -1,
              task: null,
              text: "dev_pagemap_percpu_release(): the last reference to the pgmap is gone",
            },
          ]),
      ...(r.until === null
        ? []
        : [
            {
              time: r.until,
              where: r.untilWhere,
              cpu: -1,
              task: r.task,
              text: "memunmap_pages() returns: the struct pages are gone",
            },
          ]),
    ].sort((a, b) => a.time - b.time);
    const base = {
      evidence,
      tasks: [r.task, ...r.holders.map((g) => g.task).filter((t) => t !== null)],
      stacks: r.holders.map((g) => g.stack).filter((s) => s !== null),
      caveats: lost ? ["events were lost during the removal"] : [],
    };
    const pfns = r.holders.flatMap((g) => g.pfns);
    if (r.until === null) {
      const age = c.end - r.since;
      if (age < 10e6) continue;
      findings.push({
        ...base,
        kind: "removal-hang",
        severity: lost ? "unknown" : "error",
        sentence:
          `${taskName(r.task)} is in memunmap_pages() since ${at(c, r.since)}, ${durationText(age)} until the recording ends: it waits for the last reference to the pgmap, which device-private and P2PDMA pages hold while they are in use` +
          (r.inUse.length > 0
            ? `; ${pagesText(r.inUse)} ${r.inUse.length === 1 ? "is" : "are"} in use, ${handedOutText(c, r.inUse)}; it returns once the driver has them back`
            : "") +
          (holders === ""
            ? r.inUse.length > 0
              ? "."
              : "; the recording shows no holder of a page."
            : `; the recording shows ${holders}.`),
        pfns: pfns.length > 0 ? pfns : r.inUse,
        durationNs: age,
      });
      continue;
    }
    if (pfns.length > 0) {
      findings.push({
        ...base,
        kind: "removed-while-held",
        severity: lost ? "unknown" : "error",
        sentence: `${taskName(r.task)} removed the device while its pages were held: memunmap_pages() returned at ${at(c, r.until)}, after ${durationText(r.until - r.since)}, with ${holders}; their struct pages are gone, and dropping these references will touch freed memory.`,
        pfns,
        durationNs: r.until - r.since,
      });
    }
    if (r.mapped.length > 0) {
      findings.push({
        ...base,
        kind: "removed-while-mapped",
        severity: lost ? "unknown" : "error",
        sentence: `${taskName(r.task)} removed the device while ${pagesText(r.mapped)} ${r.mapped.length === 1 ? "was" : "were"} mapped: memunmap_pages() returned at ${at(c, r.until)}, and the next fault or munmap on ${r.mapped.length === 1 ? "it" : "them"} will touch freed struct pages.`,
        pfns: r.mapped,
        durationNs: r.until - r.since,
      });
    }
  }
  const first = c.removals.uses[0];
  if (first !== undefined) {
    findings.push({
      kind: "used-after-removal",
      severity: "error",
      sentence: `${taskName(first.task)} touched ${pageText(first.pfn)} in ${first.event}() at ${at(c, first.time)}, ${durationText(first.time - (first.removal.until ?? first.time))} after memunmap_pages() had removed its struct page.`,
      evidence: c.removals.uses.slice(0, 5).map((u) => ({
        time: u.time,
        where: u.where,
        cpu: u.cpu,
        task: u.task,
        text: `${u.event}() on ${pageText(u.pfn)}`,
      })),
      pfns: [...new Set(c.removals.uses.map((u) => u.pfn))],
      tasks: [first.task],
      stacks: [],
      caveats: [],
      durationNs: Number.NaN,
    });
  }
  for (const w of c.locks.open) {
    const page = c.pages.pages.get(w.pfn);
    if (page !== undefined && !isDevice(c, page)) continue;
    const age = c.end - w.since;
    if (age < 10e6) continue;
    findings.push({
      kind: "lock-hang",
      severity: "warning",
      sentence: `${taskName(w.task)} is waiting for the lock of ${w.pfn >= 0 ? pageText(w.pfn) : "a folio"} since ${at(c, w.since)}, ${durationText(age)} until the recording ends; ${lockHolderText(c, w)}.`,
      evidence: [{ time: w.since, where: w.where, cpu: w.cpu, task: w.task, text: "enters __folio_lock()" }],
      pfns: w.pfn >= 0 ? [w.pfn] : [],
      tasks: [w.task],
      stacks: [],
      caveats: [],
      durationNs: age,
    });
  }
  return findings;
}

/** To whom the driver gave device-private pages, and by which calls. */
function handedOutText(c: AnalysisContext, pfns: readonly number[]): string {
  const groups = new Map<string, { readonly entry: LifelineEntry; readonly pfns: number[] }>();
  const unseen: number[] = [];
  for (const pfn of pfns) {
    const lifeline = c.pages.pages.get(pfn)?.lifeline ?? -1;
    const entry = c.pages.lifelines.of(lifeline).findLast((x) => x.spec.role === "allocated");
    if (entry === undefined) {
      unseen.push(pfn);
      continue;
    }
    const key = `${entry.task.id} ${entry.stack?.id ?? ""}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { entry, pfns: [pfn] });
    else group.pfns.push(pfn);
  }
  const all = [...groups.values()].slice(0, 3).map(({ entry, pfns: given }) => {
    const path = entry.stack === null ? "" : ` (by ${callPath(entry.stack.frames.slice(1))})`;
    const which = groups.size + unseen.length === 1 ? "" : `${pagesText(given)} `;
    return `${which}handed out to ${taskName(entry.task)} at ${at(c, entry.time)}${path}`;
  });
  if (unseen.length > 0) all.push(`${pagesText(unseen)} before the recording began`);
  return all.join(", and ");
}

/** Who holds the lock that a task waits for, or why that is not known. */
function lockHolderText(c: AnalysisContext, w: LockWait): string {
  const state = c.locks.stateOf(w.pfn);
  if (state !== null && state.holder !== null) {
    const since = `${taskName(state.holder)} got it at ${at(c, state.time)}, after waiting for it itself`;
    return c.locks.unlocksSeen
      ? `${since}, and has not unlocked it`
      : `${since}; whether it still holds it is not recorded (no folio_unlock())`;
  }
  const inline = "who finds a folio lock free takes it inline, which no event can tell";
  return state !== null && state.unlockedBy !== null
    ? `${taskName(state.unlockedBy)} unlocked it at ${at(c, state.time)}, and who took it since is not known: ${inline}`
    : `who holds it is not known: ${inline}`;
}
