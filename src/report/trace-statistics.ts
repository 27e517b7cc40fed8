// Numbers about holds, as text: the longest, all by length, and how many pages were held over time.
import type { TraceReport } from "../trace/report.ts";
import { HOLD_LENGTHS_NS } from "../trace/trackers/completed-holds.ts";
import { durationText, pageText, taskName, timeText } from "../trace/wording.ts";

/** `2 under 10 us, 14 under 10 ms`: each of the first that it is under. */
function lengthsText(byLength: readonly number[]): string {
  const parts = byLength.flatMap((n, i) => {
    const below = HOLD_LENGTHS_NS[i + 1];
    if (n === 0) return [];
    return [below === undefined ? `${n} longer` : `${n} under ${shortDuration(below)}`];
  });
  return parts.join(", ");
}

/** `10 ms`, of powers of ten. */
const shortDuration = (ns: number): string =>
  ns >= 1e9 ? `${ns / 1e9} s` : ns >= 1e6 ? `${ns / 1e6} ms` : `${ns / 1e3} us`;

export function statisticLines(r: TraceReport): string[] {
  const { completed } = r.context.pages;
  if (completed.count === 0) return [];
  const lines = [
    `Holds that ended: ${completed.count}, ${durationText(completed.totalNs / completed.count)} on average; the longest:`,
  ];
  const seen = new Set<string>();
  for (const { pfn, holder, end } of completed.longest) {
    const key = `${holder.task?.id} ${holder.event}`;
    if (seen.has(key)) continue;
    seen.add(key);
    lines.push(
      `  ${durationText(end - holder.time).padEnd(10)} ${holder.kind} of ${pageText(pfn)} by ${taskName(holder.task)} from ${timeText(r.clock, holder.time)} (${holder.event})`,
    );
    if (seen.size >= 3) break;
  }
  lines.push(`  by length: ${lengthsText(completed.byLength)}`);
  const { most, sliceNs } = r.held;
  const top = Math.max(...most, 0);
  if (top > 0)
    lines.push(
      `Pages held over time (one column: ${durationText(sliceNs)}; most at once: ${top}):`,
      `  |${most.map((n) => bar(n, top)).join("")}|`,
    );
  lines.push("");
  return lines;
}

const BARS = " .:-=+*#";
const bar = (n: number, top: number): string =>
  BARS[n === 0 ? 0 : Math.max(1, Math.ceil((n / top) * (BARS.length - 1)))] ?? "#";
