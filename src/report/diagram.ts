// A finding as kernel people draw it in mails: ASCII, at most 72 columns, one column per actor, lines
// numbered, what blocks in <angle brackets>, and a right margin with only the value that the broken
// rule is about.
import type { Finding } from "../explore/outcome.ts";
import { diagramLines } from "./diagram-lines.ts";
import type { Recording } from "./recording.ts";
import { wrap } from "./wrap.ts";

export const WIDTH = 72;
/** Columns of a diagram; with more actors there is one for all. */
const MOST_COLUMNS = 3;
/** Where the right margin begins. */
const MARGIN = 58;

export interface DiagramOptions {
  /** What the first line names: `v5.18`. */
  readonly subject: string;
  readonly switches: number;
  /** Steps after which the rest of the execution comes again and again; null if nothing does. */
  readonly loopFrom?: number | null;
  /** True for the functions that a reader knows: those of the kernel's table. */
  readonly shows: (functionName: string) => boolean;
}

/** Draws a recorded execution that ends in a finding, or completes. */
export function drawDiagram(
  recording: Recording,
  finding: Finding | null,
  { subject, switches, loopFrom = null, shows }: DiagramOptions,
): string {
  const { prepared } = recording.execution;
  const lines = diagramLines(recording, finding, loopFrom, shows);

  const used = prepared.threads.map((_, t) => lines.some((l) => l.thread === t));
  const actors = prepared.threads.flatMap((t, i) => (used[i] ? [{ index: i, title: t.title }] : []));
  const columns = columnStarts(actors.length);
  const columnOf = new Map(actors.map((a, i) => [a.index, columns[i] ?? 4]));

  const out: string[] = [];
  const count = switches === 1 ? "1 context switch" : `${switches} context switches`;
  const what = finding === null ? "One execution" : "Possible unsafe page lifetime";
  out.push(...wrap(` ${what}, ${subject}, ${count}:`, WIDTH, "   "), "");
  const heading = (text: (a: (typeof actors)[number]) => string): string =>
    actors.reduce((line, a) => {
      const start = (columnOf.get(a.index) ?? 4) + 2;
      return `${line.slice(0, start - 1).padEnd(start)}${text(a)}`;
    }, "");
  // Columns for more actors would be too narrow: then each line names its actor.
  const narrow = actors.length > MOST_COLUMNS;
  if (recording.items.length === 0) out.push("    setup has ended, and no thread has run yet");
  else if (narrow) out.push(...actors.map((a) => `      ${a.title}`), "      ----");
  else {
    out.push(
      heading((a) => a.title).trimEnd(),
      heading(() => "----"),
    );
  }
  lines.forEach(({ thread, text, margin }, i) => {
    const number = `${i + 1}`.padStart(3);
    const name = (prepared.threads[thread]?.title ?? "").split(" ")[0];
    if (lines[i]?.loops && !lines[i - 1]?.loops) out.push("    -- from here on again and again:");
    if (narrow) out.push(...layOut(number, 4, `${name}: ${text}`, margin));
    else out.push(...layOut(number, columnOf.get(thread) ?? 4, text, margin));
  });
  if (finding !== null) {
    out.push("", ...wrap(` *** ${verdictName(finding)} ***  ${finding.detail}`, WIDTH, "     "));
  }
  return out.join("\n");
}

/** `RULE BROKEN: no-pin-on-free-block`, `MISSED WAKEUP: layout-break-returns`. */
export function verdictName({ kind, property, liveness = [] }: Finding): string {
  if (kind === "invariant" || kind === "assertion") return `RULE BROKEN: ${property}`;
  const name = kind.replaceAll("-", " ").toUpperCase();
  return liveness.length === 0 ? name : `${name}: ${liveness.join(", ")}`;
}

function columnStarts(actors: number): number[] {
  const step = actors <= 1 ? 0 : actors === 2 ? 28 : Math.floor((MARGIN - 26) / (actors - 1));
  return Array.from({ length: actors }, (_, i) => 4 + i * step);
}

/** A space at which no line is broken: lines of a diagram are broken after a colon or a comma. */
const NO_BREAK = "\u00a0";

/**
 * Puts a line together. A text too long for its column goes on below, further in; the margin stands
 * beside its end, or below where that leaves no room.
 */
function layOut(number: string, column: number, text: string, margin: string): string[] {
  const rightEdge = margin === "" ? WIDTH : Math.min(MARGIN, WIDTH - margin.length) - 1;
  const indent = " ".repeat((/^ */.exec(text)?.[0] ?? "").length + 2);
  const lines = wrap(text.replaceAll(/(?<=\S)(?<![:,]) /g, NO_BREAK), rightEdge - column, indent).map(
    (line, i) => `${(i === 0 ? number : "").padEnd(column)}${line.replaceAll(NO_BREAK, " ")}`,
  );
  if (margin === "") return lines;
  const last = lines.at(-1) ?? "";
  if (last.length > rightEdge) return [...lines, margin.padStart(rightEdge + 1 + margin.length)];
  return [...lines.slice(0, -1), last.padEnd(rightEdge + 1) + margin];
}
