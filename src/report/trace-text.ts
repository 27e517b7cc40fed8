// What `pagelife trace` prints: the answers first, then who holds what, then the pages, then what the
// recording could not tell. Plain text, no colour of its own: the command line adds it.
import { countParts } from "../trace/analyses/holding.ts";
import type { Finding, FindingSeverity } from "../trace/finding.ts";
import { importNotes } from "../trace/import-log.ts";
import type { PageGroup, TraceReport } from "../trace/report.ts";
import type { LifelineEntry } from "../trace/trackers/lifelines.ts";
import type { Holder } from "../trace/trackers/page-state.ts";
import {
  durationText,
  pagesText,
  pageText,
  pfnRanges,
  plural,
  printable,
  taskName,
  timeText,
} from "../trace/wording.ts";

import { statisticLines } from "./trace-statistics.ts";

export interface TextOptions {
  /** How many of each list are printed; the rest is counted. */
  readonly most: number;
  /** Show the names of events that are not analysed. */
  readonly unknownEvents: boolean;
  /** Highlights a heading; identity where there is no colour. */
  readonly emphasise: (text: string, severity: FindingSeverity) => string;
}

export const plainText: TextOptions = { most: 6, unknownEvents: false, emphasise: (text) => text };

const WIDTH = 98;

const TITLES: Record<Finding["kind"], string> = {
  "stuck-wait": "STUCK WAIT",
  "missed-wakeup": "MISSED WAKEUP",
  blocked: "BLOCKED",
  waited: "waited",
  "did-not-wait": "DID NOT WAIT",
  "freed-while-held": "FREED WHILE HELD",
  "removed-while-held": "REMOVED WHILE HELD",
  "removed-while-mapped": "REMOVED WHILE MAPPED",
  "used-after-removal": "USED AFTER REMOVAL",
  "removal-hang": "REMOVAL HANGS",
  "lock-hang": "WAITS FOR FOLIO LOCK",
  leak: "LEAK?",
  outstanding: "held at the end",
  "unmatched-puts": "puts without gets",
  "illegal-count": "ILLEGAL COUNT",
};

/** The whole report, as lines joined by newlines, with one at the end. */
export function traceText(report: TraceReport, options: TextOptions = plainText): string {
  const lines = [...heading(report), ""];
  const answers = report.findings.filter((f) => f.severity !== "note" || f.kind === "waited");
  const shown = pick(answers, options.most);
  lines.push(verdict(report), "");
  for (const finding of shown) lines.push(...findingLines(report, finding, options), "");
  if (shown.length < answers.length)
    lines.push(`... and ${answers.length - shown.length} more; --all shows them`, "");
  lines.push(...holderLines(report, options));
  lines.push(...pageLines(report, options));
  lines.push(...statisticLines(report));
  lines.push(...coverageLines(report, options));
  return `${lines
    .join("\n")
    .replace(/\n{3,}/g, "\n\n")
    .trimEnd()}\n`;
}

/** Errors all; of the rest the first few of each kind. */
function pick(findings: readonly Finding[], most: number): Finding[] {
  const perKind = new Map<string, number>();
  return findings.filter((f) => {
    const key = `${f.kind} ${f.severity}`;
    const n = perKind.get(key) ?? 0;
    perKind.set(key, n + 1);
    return n < (f.severity === "note" ? Math.min(3, most) : most);
  });
}

function heading(r: TraceReport): string[] {
  const span = `${timeText(r.clock, r.start)} to ${timeText(r.clock, r.end)} (${durationText(r.end - r.start)})`;
  const lines = [
    `${printable(r.name)}: ${r.format}, ${plural(r.events, "event")}, ${plural(r.cpus, "CPU")}, ${span}`,
  ];
  const { rules, because, contradiction } = r.kernel;
  if (rules === null) {
    lines.push("kernel: not recognised; which count means idle is not known (state it with --kernel)");
  } else {
    lines.push(
      `kernel: ${rules.versions}, FS-DAX pages are idle at count ${rules.fsdaxIdle} (${printable(because)})`,
    );
  }
  if (r.log.kernelText !== "" && !because.includes(r.log.kernelText))
    lines.push(`        recorded on ${printable(r.log.kernelText)}`);
  if (contradiction !== "") lines.push(`        but ${printable(contradiction)}`);
  return lines;
}

function verdict(r: TraceReport): string {
  const count = (s: FindingSeverity): number => r.findings.filter((f) => f.severity === s).length;
  const errors = count("error");
  const warnings = count("warning");
  const unknown = count("unknown");
  const parts: string[] = [];
  if (errors > 0) parts.push(plural(errors, "error"));
  if (warnings > 0) parts.push(plural(warnings, "warning"));
  if (unknown > 0) parts.push(`${unknown} unknown`);
  const losses = lossText(r);
  const tail = losses === "" ? "" : ` ${losses}`;
  if (parts.length > 0) return `${parts.join(", ")}.${tail}`;
  if (r.events === 0) return "No event was recorded, so nothing can be said.";
  if (losses !== "") return `Nothing wrong is seen, but that proves little.${tail}`;
  return "Nothing wrong is seen.";
}

function lossText(r: TraceReport): string {
  const parts: string[] = [];
  const lost = r.log.count("lostEvents");
  if (lost > 0) {
    const number = r.log.lostCount === null ? "an unknown number of" : `${r.log.lostCount}`;
    parts.push(`${number} events were lost at ${plural(lost, "place")}: what was held then may be gone.`);
  }
  if (r.log.count("overwritten") > 0)
    parts.push(`${r.log.count("overwritten")} events before the first were overwritten.`);
  if (r.log.count("truncated") > 0) parts.push("The file is cut off at its end.");
  if (r.log.count("damaged") > 0)
    parts.push(
      `${plural(r.log.count("damaged"), "part")} of the file ${r.log.count("damaged") === 1 ? "is" : "are"} damaged.`,
    );
  return parts.join(" ");
}

function findingLines(r: TraceReport, f: Finding, options: TextOptions): string[] {
  const label = f.severity === "unknown" ? `UNKNOWN (${TITLES[f.kind].toLowerCase()})` : TITLES[f.kind];
  const lines = wrap(`${label}: ${printable(f.sentence)}`, 0, 2);
  lines[0] = (lines[0] ?? "").replace(label, options.emphasise(label, f.severity));
  for (const caveat of f.caveats) lines.push(...wrap(`but: ${caveat}`, 2, 7));
  for (const e of f.evidence) {
    const cpu = e.cpu < 0 ? "     " : `[${String(e.cpu).padStart(3, "0")}]`;
    const task = e.task === null ? "" : taskName(e.task);
    const where = e.where > 0 ? `  (${r.format === "trace.dat" ? "event" : "line"} ${e.where})` : "";
    lines.push(`    ${timeText(r.clock, e.time)} ${cpu} ${task.padEnd(16)} ${printable(e.text)}${where}`);
  }
  const stacks = [...new Set(f.stacks)].slice(0, 2);
  for (const stack of stacks) {
    lines.push(`    stack ${stack.id}:`);
    for (const frame of stack.frames.slice(0, 12)) lines.push(`      ${printable(frame)}`);
    if (stack.frames.length > 12) lines.push(`      ... ${stack.frames.length - 12} more`);
  }
  return lines;
}

function holderLines(r: TraceReport, options: TextOptions): string[] {
  if (r.outstanding.length === 0) {
    return r.events === 0 ? [] : ["Held at the end: no reference from outside, as far as was recorded.", ""];
  }
  const lines = ["Held at the end, by call path:", "  REFS  KIND  PAGES  AGE         STACK ID      HOLDER"];
  for (const g of r.outstanding.slice(0, options.most * 2)) {
    const who =
      g.tasks > 1
        ? `${g.tasks} tasks`
        : g.seen === "recorded"
          ? taskName(g.task)
          : g.seen === "before"
            ? "from before the recording"
            : "not recorded";
    const path =
      g.stacks > 1
        ? `${g.stacks} call paths`
        : g.stack === null
          ? g.event
          : g.stack.frames.slice(0, 4).join(" <- ");
    const id = g.stacks > 1 ? "several" : g.id;
    lines.push(
      `  ${String(g.references).padEnd(5)} ${g.kind.padEnd(5)} ${String(g.pages.length).padEnd(6)} ${durationText(r.end - g.since).padEnd(11)} ${id.padEnd(13)} ${who}${path === "" ? "" : `, ${printable(path)}`}${g.doubtful ? " (unknown: events were lost)" : ""}`,
      `        pfn ${pfnRanges(g.pfns)}`,
    );
  }
  const rest = r.outstanding.length - options.most * 2;
  if (rest > 0) lines.push(`  ... and ${rest} more; --all shows them`);
  lines.push("");
  return lines;
}

function pageLines(r: TraceReport, options: TextOptions): string[] {
  const { groups, seen } = r.pages;
  if (groups.length === 0) return [];
  const most = Math.max(2, Math.floor(options.most / 2));
  const lines = [
    `Pages: ${seen} seen, ${plural(groups.length, "story", "stories")}; the most eventful:`,
    "  (count: = printed after the change, ~ sampled at the function's entry, ? inferred from that)",
  ];
  for (const group of groups.slice(0, most)) lines.push(...groupLines(r, group));
  if (groups.length > most)
    lines.push(`  ... and ${groups.length - most} more; --page PFN shows one in full, --all all`);
  lines.push("");
  return lines;
}

const SHOWN_CHANGES = 12;

function groupLines(r: TraceReport, group: PageGroup): string[] {
  const { example: page } = group;
  const ends = r.context.pages.lifelines.ends(page.lifeline, SHOWN_CHANGES);
  const parts = countParts(r.context, page);
  const state = Number.isNaN(page.count)
    ? "count unknown"
    : parts === null
      ? `count ${page.count}`
      : `count ${page.count} = ${parts.expected} expected + ${parts.temporary} temporary + ${parts.spurious} spurious`;
  const file =
    page.mapping === ""
      ? ""
      : `, mapping ${page.mapping}, index ${Number.isNaN(page.index) ? "?" : `0x${page.index.toString(16)}`}`;
  const lines = [
    `  ${pagesText(group.pfns)}, ${page.type === "unknown" ? "" : `${page.type}, `}at the end: ${state}${file}`,
  ];
  if (ends.kept <= SHOWN_CHANGES) {
    for (const entry of ends.first) lines.push(lifelineLine(r, entry));
    if (page.changes > ends.kept)
      lines.push(`      (${page.changes - ends.kept} earlier changes are not kept)`);
    return lines;
  }
  for (const entry of ends.first.slice(0, SHOWN_CHANGES / 2)) lines.push(lifelineLine(r, entry));
  lines.push(`      ... ${page.changes - SHOWN_CHANGES} more`);
  for (const entry of ends.last.slice(-SHOWN_CHANGES / 2)) lines.push(lifelineLine(r, entry));
  return lines;
}

const MARK: Record<LifelineEntry["certainty"], string> = {
  after: "=",
  sampled: "~",
  inferred: "?",
  unknown: " ",
};

/** One change of a page. `=`: printed after the change. `~`: sampled at entry. `?`: inferred. */
export function lifelineLine(r: TraceReport, entry: LifelineEntry): string {
  const { before, count } = entry;
  const numbers = Number.isNaN(count)
    ? ""
    : Number.isNaN(before) || before === count
      ? `${MARK[entry.certainty]}${count}`
      : `${before} -> ${MARK[entry.certainty]}${count}`;
  const mapped = Number.isNaN(entry.mappings) || entry.mappings === 0 ? "" : `mapped ${entry.mappings}`;
  return `      ${timeText(r.clock, entry.time)} [${String(entry.cpu).padStart(3, "0")}] ${taskName(entry.task).padEnd(16)} ${entry.spec.name.padEnd(24)} ${numbers.padEnd(14)} ${mapped}`.trimEnd();
}

/** Every change of one page that was kept, and who holds it. */
export function pageLifeline(r: TraceReport, pfn: number): string {
  const page = r.context.pages.pages.get(pfn);
  if (page === undefined) return `${pageText(pfn)}: not in this recording\n`;
  const lifeline = r.context.pages.lifelines.of(page.lifeline);
  const parts = countParts(r.context, page);
  const lines = [
    `${pageText(pfn)}: ${plural(page.changes, "change")}, ${page.type === "unknown" ? "kind of memory unknown" : page.type}`,
  ];
  if (parts !== null)
    lines.push(
      `  count ${page.count} = ${parts.expected} expected + ${parts.temporary} temporary + ${parts.spurious} spurious`,
    );
  for (const h of page.holders) {
    lines.push(
      `  held: ${plural(h.n, h.kind === "pin" ? "pin" : "reference")} ${heldBy(h)} since ${heldSince(r, h)}${h.stack === null ? "" : `, stack ${h.stack.id}`}`,
    );
  }
  if (page.changes > lifeline.length)
    lines.push(`  (${page.changes - lifeline.length} earlier changes are not kept)`);
  for (const entry of lifeline) {
    lines.push(lifelineLine(r, entry));
    if (entry.stack !== null)
      lines.push(
        `          stack ${entry.stack.id}: ${entry.stack.frames.slice(0, 6).map(printable).join(" <- ")}`,
      );
  }
  return `${lines.join("\n")}\n`;
}

const heldBy = (h: Holder): string =>
  h.seen === "recorded" ? `of ${taskName(h.task)}` : "of somebody not recorded";

const heldSince = (r: TraceReport, h: Holder): string =>
  h.seen === "before"
    ? "before the recording"
    : `${timeText(r.clock, h.time)} ${printable(h.event)}`.trimEnd();

function coverageLines(r: TraceReport, options: TextOptions): string[] {
  const lines: string[] = [];
  const { waits } = r.context;
  const scope = [
    `${plural(r.pages.seen, "page")} of device memory`,
    `${plural(waits.breaks, "break of layouts", "breaks of layouts")}`,
    `${plural(r.illegalChecked, "count")} checked`,
  ];
  lines.push(`Looked at: ${scope.join(", ")}.`);
  if (r.pages.ordinary > 0)
    lines.push(
      `Not looked at: ${plural(r.pages.ordinary, "page")} of ordinary memory that the recording has, too.`,
    );
  if (r.pages.dropped > 0)
    lines.push(`Not kept: ${plural(r.pages.dropped, "page")}, idle when memory ran short.`);
  if (r.coverage.missing.length > 0) {
    lines.push("Not recorded, so not looked at:");
    for (const m of r.coverage.missing) lines.push(...wrap(`- ${m}`, 2, 4));
  }
  const unknown = [...r.log.unknownEvents].sort((a, b) => b[1] - a[1]);
  if (unknown.length > 0) {
    const total = unknown.reduce((sum, [, n]) => sum + n, 0);
    lines.push(
      `Not analysed: ${plural(total, "event")} of ${plural(unknown.length, "other kind")}${options.unknownEvents ? ":" : " (--events names them)"}`,
    );
    if (options.unknownEvents)
      for (const [name, n] of unknown.slice(0, 100))
        lines.push(`  ${String(n).padStart(9)} ${printable(name)}`);
  }
  for (const [name, n] of r.log.counts) {
    const note = importNotes[name];
    if (note.severity === "info" && name !== "lateCpu" && name !== "timeBackwards") continue;
    const first = r.log.first.get(name)?.filter((x) => x > 0) ?? [];
    lines.push(`Reading: ${n} ${note.text}${first.length > 0 ? ` (first at ${first.join(", ")})` : ""}.`);
  }
  for (const detail of r.log.details.slice(0, 5)) lines.push(`  ${printable(detail)}`);
  return lines;
}

/** Breaks text into lines of at most WIDTH columns. */
function wrap(text: string, indent: number, hanging: number): string[] {
  const lines: string[] = [];
  let line = " ".repeat(indent);
  let empty = true;
  for (const word of text.split(" ")) {
    if (!empty && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = " ".repeat(hanging) + word;
    } else {
      line += empty ? word : ` ${word}`;
    }
    empty = false;
  }
  lines.push(line);
  return lines;
}
