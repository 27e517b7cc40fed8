// References that are still held when the recording ends, by who took them and through which calls;
// puts without gets; and what the counts hold beyond what was recorded.

import type { Task } from "../../events/event.ts";
import type { Finding } from "../finding.ts";
import type { Stack } from "../sink.ts";
import { stableId } from "../stacks.ts";
import { pathOf } from "../trackers/completed-holds.ts";
import { isLongterm } from "../trackers/flags.ts";
import type { Holder, HolderKind, PageState } from "../trackers/page-state.ts";
import { durationText, pagesText, plural, taskName } from "../wording.ts";
import { type AnalysisContext, at, isDevice } from "./context.ts";
import { putsAreVisible } from "./visible-puts.ts";
import { callPath, eventText } from "./wait-wording.ts";

/** What `--cull` may merge outstanding references by. */
export const cullKeys = ["stack", "task", "comm", "kind", "event"] as const;
export type CullKey = (typeof cullKeys)[number];

/** What `--sort` may order them by. */
export const sortKeys = ["refs", "pages", "age", "task", "stack"] as const;
export type SortKey = (typeof sortKeys)[number];

/** References that are alike by the keys of `--cull`. */
export interface Outstanding {
  /** Stable across recordings: made of the call path, or of the event where no stack was recorded. */
  readonly id: string;
  readonly kind: HolderKind | "mixed";
  readonly task: Task | null;
  /** More than one task took them. */
  readonly tasks: number;
  readonly event: string;
  readonly gup: number;
  readonly stack: Stack | null;
  /** Different call paths that were put together. */
  readonly stacks: number;
  readonly references: number;
  readonly pages: PageState[];
  readonly pfns: readonly number[];
  readonly since: number;
  readonly where: number;
  readonly seen: Holder["seen"];
  readonly doubtful: boolean;
}

const idOf = (h: Holder): string => h.stack?.id ?? (h.event === "" ? "-" : stableId(`event ${h.event}`));

export function outstanding(
  c: AnalysisContext,
  cull: readonly CullKey[] = ["stack", "task", "kind"],
  sort: SortKey = "refs",
): Outstanding[] {
  type Building = { -readonly [K in keyof Outstanding]: Outstanding[K] } & {
    taskSet: Set<Task | null>;
    stackSet: Set<string>;
    pfnSet: Set<number>;
  };
  const groups = new Map<string, Building>();
  const parts: Record<CullKey, (h: Holder) => string> = {
    stack: idOf,
    task: (h) => `${h.task?.id ?? h.seen}`,
    comm: (h) => h.task?.comm ?? h.seen,
    kind: (h) => h.kind,
    event: (h) => h.event,
  };
  const pages = [...c.pages.held].filter((p) => isDevice(c, p)).sort((a, b) => a.pfn - b.pfn);
  for (const page of pages) {
    for (const h of page.holders) {
      if (h.kind === "fault") continue;
      const key = cull.map((k) => parts[k](h)).join("|");
      const g = groups.get(key);
      const doubtful = h.losses !== c.pages.losses;
      if (g === undefined) {
        groups.set(key, {
          id: idOf(h),
          kind: h.kind,
          task: h.task,
          tasks: 1,
          event: h.event,
          gup: h.gup,
          stack: h.stack,
          stacks: 1,
          references: h.n,
          pages: [page],
          pfns: [],
          since: h.time,
          where: h.where,
          seen: h.seen,
          doubtful,
          taskSet: new Set([h.task]),
          stackSet: new Set([idOf(h)]),
          pfnSet: new Set([page.pfn]),
        });
        continue;
      }
      g.references += h.n;
      g.taskSet.add(h.task);
      g.stackSet.add(idOf(h));
      if (!g.pfnSet.has(page.pfn)) {
        g.pfnSet.add(page.pfn);
        g.pages.push(page);
      }
      if (h.kind !== g.kind) g.kind = "mixed";
      if (h.time < g.since) {
        g.since = h.time;
        g.where = h.where;
      }
      g.doubtful ||= doubtful;
    }
  }
  const result = [...groups.values()].map(({ taskSet, stackSet, pfnSet, ...g }) => ({
    ...g,
    stacks: stackSet.size,
    tasks: taskSet.size,
    pfns: [...pfnSet],
  }));
  const by: Record<SortKey, (a: Outstanding, b: Outstanding) => number> = {
    refs: (a, b) => b.references - a.references,
    pages: (a, b) => b.pages.length - a.pages.length,
    age: (a, b) => a.since - b.since,
    task: (a, b) => (a.task?.tid ?? -1) - (b.task?.tid ?? -1),
    stack: (a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
  };
  return result.sort((a, b) => by[sort](a, b) || a.since - b.since || (a.pfns[0] ?? 0) - (b.pfns[0] ?? 0));
}

/** A reference is suspected to be leaked if it is held for so long, where no other of its path was dropped, */
const LEAK_NS = 1e9;
/** … so many times longer than any of its path that was dropped, */
const LEAK_FACTOR = 5;
/** … or if one that was taken within this time of it was dropped this long ago. */
const BATCH_NS = 10e6;
const BEHIND_NS = 50e6;

export function analyseHolding(c: AnalysisContext): Finding[] {
  const findings: Finding[] = [];
  const removed = new Set(c.removals.removals.flatMap((r) => r.holders.flatMap((h) => h.pfns)));
  for (const g of outstanding(c)) {
    const finding = holdingFinding(c, g);
    // Of these the removal of their device tells already, and it is the worse news.
    const told = finding.kind === "leak" && g.pfns.every((pfn) => removed.has(pfn));
    findings.push(told ? { ...finding, kind: "outstanding", severity: "note" } : finding);
  }
  const unmatched = [...c.pages.pages.values()].filter((p) => p.unmatchedPuts > 0 && isDevice(c, p));
  if (unmatched.length > 0) {
    const puts = unmatched.reduce((sum, p) => sum + p.unmatchedPuts, 0);
    const pfns = unmatched.map((p) => p.pfn);
    findings.push({
      kind: "unmatched-puts",
      severity: "note",
      sentence: `${plural(puts, "put")} on ${pagesText(pfns)} had no recorded get: the references were taken before the recording began, or by something that was not recorded.`,
      evidence: [],
      pfns,
      tasks: [],
      stacks: [],
      caveats: [],
      durationNs: Number.NaN,
    });
  }
  return findings;
}

function holdingFinding(c: AnalysisContext, g: Outstanding): Finding {
  const age = c.end - g.since;
  const what = plural(g.references, g.kind === "pin" ? "pin" : "reference");
  const path =
    g.stack === null
      ? g.event === ""
        ? ""
        : ` through ${eventText(g.event)}`
      : ` through ${callPath(g.stack.frames)}`;
  const path0 = pathOf(g);
  const before = c.pages.completed.by.get(path0);
  const caveats: string[] = [];
  if (g.doubtful) caveats.push("events were lost after they were taken: they may have been dropped since");
  const visible = putsAreVisible(c, g, g.pages);
  if (!visible) {
    caveats.push(
      g.kind === "pin"
        ? "no put of a pin is in the recording at all: perhaps its probes were not set"
        : "this recording does not show every put of a plain reference (that takes page_ref tracepoints)",
    );
  }
  const longterm = g.kind === "pin" && isLongterm(g.gup);
  const exit = g.task === null || g.tasks > 1 ? undefined : c.exits.get(g.task.tid);
  const exited = exit !== undefined && exit >= g.since ? exit : null;
  const leftFile = g.pages.filter((p) => p.type === "fs-dax" && p.mapping === "" && p.inserted && !p.traced);
  // Others that were taken with it have been dropped long ago.
  const leftBehind =
    before !== undefined && Math.abs(before.start - g.since) <= BATCH_NS && c.end - before.end >= BEHIND_NS;
  const usual = before?.longestNs;
  // A pipe holds what was spliced into it until somebody reads it, whoever that is.
  const inPipe = g.stack?.frames.some((f) => f.includes("vmsplice")) === true;
  const outlived = exited !== null && c.end - exited >= LEAK_NS && !inPipe;
  const unusual = usual === undefined ? age >= LEAK_NS : age >= LEAK_FACTOR * usual && age >= BEHIND_NS;
  const suspicious = outlived || (!longterm && !inPipe && (leftBehind || unusual));
  const unknown = g.doubtful || (!visible && g.kind !== "pin") || g.seen !== "recorded";
  const who = g.tasks > 1 ? `${g.tasks} tasks, first ${taskName(g.task)},` : taskName(g.task);
  const taken =
    g.seen === "before"
      ? `${what} on ${pagesText(g.pfns)} were there before the recording began, and still are at its end.`
      : g.seen === "unrecorded"
        ? `${what} on ${pagesText(g.pfns)} appeared between two events, taken by something that was not recorded, and are still there at the end.`
        : `${who} took ${what} on ${pagesText(g.pfns)} at ${at(c, g.since)}${path}, and ${g.references === 1 ? "it is" : "they are"} still held ${durationText(age)} later, when the recording ends` +
          (usual === undefined
            ? "."
            : `; ${leftBehind ? `others taken with ${g.references === 1 ? "it" : "them"} were dropped by ${at(c, before.end)}` : `the longest such hold that ended took ${durationText(usual)}`}.`);
  const more =
    (exited === null ? "" : ` ${taskName(g.task)} exited at ${at(c, exited)}.`) +
    (inPipe ? " A pipe holds them, until somebody reads it (vmsplice)." : "") +
    (longterm
      ? " It is a long-term pin (FOLL_LONGTERM), which its owner may hold for as long as it likes."
      : "");
  return {
    kind: suspicious && !unknown ? "leak" : "outstanding",
    severity: unknown ? "unknown" : suspicious ? "warning" : "note",
    sentence:
      taken +
      (g.seen === "recorded" ? more : "") +
      (leftFile.length > 0 && !unknown
        ? ` ${plural(leftFile.length, "of these pages is", "of these pages are")} in no file any more.`
        : ""),
    evidence: [
      {
        time: g.since,
        where: g.where,
        cpu: -1,
        task: g.task,
        text: `${g.event === "" ? "first seen" : eventText(g.event)}: first of ${what}, stack ${g.id}`,
      },
    ],
    pfns: g.pfns,
    tasks: g.task === null ? [] : [g.task],
    stacks: g.stack === null ? [] : [g.stack],
    caveats,
    durationNs: age,
  };
}

/** How a count is made up, in the words of the mm developers. */
export interface CountParts {
  /** What the kernel's own structures account for: the base reference and mappings. */
  readonly expected: number;
  /** Held by somebody who will drop them: pins, gets, running faults, flushes. */
  readonly temporary: number;
  /** In the count, but taken by nobody that the recording shows. */
  readonly spurious: number;
}

/** @returns null if the count or the kernel is not known. */
export function countParts(c: AnalysisContext, page: PageState): CountParts | null {
  const idle = c.pages.idleCount(page);
  if (Number.isNaN(page.count) || Number.isNaN(idle)) return null;
  const expected = idle + (page.type === "private" ? 0 : c.pages.mappingRefs(page));
  if (page.type === "private") return null;
  const temporary = page.held + (page.traced ? page.zapping : 0);
  return { expected, temporary, spurious: page.count - expected - temporary };
}
