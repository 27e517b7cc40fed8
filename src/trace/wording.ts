// How numbers, tasks and pages are worded in sentences: the same in every answer and every output.
import { hex } from "../base/brand.ts";
import type { Task } from "../events/event.ts";
import { isUnplaced, unplacedAddress } from "./page-map.ts";
import type { Clock } from "./sink.ts";

/** Text from a recording, made safe for a terminal: what is not printable is shown as `\x1b`. */
export function printable(text: string): string {
  return text.replace(
    // C0 and C1 controls, and marks that change the direction of text.
    /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffd]/g,
    (c) => {
      const code = c.charCodeAt(0);
      return code < 256
        ? `\\x${code.toString(16).padStart(2, "0")}`
        : `\\u${code.toString(16).padStart(4, "0")}`;
    },
  );
}

/** `daxops-338`. */
export const taskName = (task: Task | null): string =>
  task === null ? "an unrecorded task" : printable(`${task.comm}-${task.tid}`);

export const pfnText = (pfn: number): string => (isUnplaced(pfn) ? unplacedAddress(pfn) : hex(pfn));

/** `pfn 0x48400`, or `page ffffdead00000040` where the memory map is not known. */
export const pageText = (pfn: number): string =>
  isUnplaced(pfn) ? `page ${unplacedAddress(pfn)}` : `pfn ${hex(pfn)}`;

/** Sorted pfns as ranges: `0x48400-0x4843f, 0x48450`. At most `most` ranges are named. */
export function pfnRanges(pfns: readonly number[], most = 3): string {
  const ranges = rangesOf(pfns);
  const named = ranges.slice(0, most).map(([a, b]) => (a === b ? pfnText(a) : `${pfnText(a)}-${pfnText(b)}`));
  if (ranges.length > most) named.push(`and ${ranges.length - most} more ranges`);
  return named.join(", ");
}

/** Runs of consecutive pfns. */
export function rangesOf(pfns: readonly number[]): [number, number][] {
  const sorted = [...new Set(pfns)].sort((a, b) => a - b);
  const ranges: [number, number][] = [];
  for (const pfn of sorted) {
    const last = ranges[ranges.length - 1];
    if (last !== undefined && last[1] === pfn - 1) last[1] = pfn;
    else ranges.push([pfn, pfn]);
  }
  return ranges;
}

/** `pfn 0x48400`, `64 pages (pfn 0x48400-0x4843f)`. */
export function pagesText(pfns: readonly number[]): string {
  const first = pfns[0];
  if (first === undefined) return "no page";
  const distinct = new Set(pfns).size;
  if (distinct === 1) return pageText(first);
  return `${distinct} pages (${isUnplaced(first) ? "page" : "pfn"} ${pfnRanges(pfns)})`;
}

export const plural = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;

/** `11.117 s`, `4.2 ms`, `17 us`. */
export function durationText(ns: number): string {
  if (ns >= 1e9) return `${(ns / 1e9).toFixed(3)} s`;
  if (ns >= 1e6) return `${(ns / 1e6).toFixed(1)} ms`;
  if (ns >= 1e3) return `${Math.round(ns / 1e3)} us`;
  return `${Math.round(ns)} ns`;
}

/** A moment as the recording prints it: seconds with 6 or 9 digits. */
export function timeText(clock: Clock, time: number): string {
  if (clock.digits === 0) return `${time}`;
  const base = Math.max(clock.epochSeconds, 0);
  let seconds = Math.floor(time / 1e9);
  let fraction = time - seconds * 1e9;
  if (clock.digits === 6) {
    fraction = Math.round(fraction / 1e3);
    if (fraction === 1e6) {
      fraction = 0;
      seconds++;
    }
  }
  return `${base + seconds}.${String(fraction).padStart(clock.digits, "0")}`;
}

/** Nanoseconds of the trace clock, as decimal text: may exceed 2^53. */
export const nanosecondsText = (clock: Clock, time: number): string =>
  clock.digits === 0
    ? `${time}`
    : `${BigInt(Math.max(clock.epochSeconds, 0)) * 1_000_000_000n + BigInt(Math.round(time))}`;
