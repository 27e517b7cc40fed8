// References that were dropped again: how many, how long they were held, by which call path. What is
// usual for a path tells which of those still held are suspicious.
import type { Task } from "../../events/event.ts";
import type { Stack } from "../sink.ts";
import type { Holder } from "./page-state.ts";

/** How a reference was taken: by its stack, or without one by its event and the name of the task. */
export const pathOf = (h: {
  readonly stack: Stack | null;
  readonly event: string;
  readonly task: Task | null;
}): string => h.stack?.id ?? `${h.event} ${h.task?.comm ?? ""}`;

/** A hold that has ended. */
export interface CompletedHold {
  readonly pfn: number;
  readonly holder: Holder;
  readonly end: number;
}

/** Statistics of holds that have ended: how many, how long, and the longest few. */
export class CompletedHolds {
  count = 0;
  totalNs = 0;
  readonly longest: CompletedHold[] = [];
  /** Longest completed hold for each call path (see `pathOf`), in ns. */
  readonly longestBy = new Map<string, number>();
  /** The hold of each call path that ended last. */
  readonly lastBy = new Map<string, { readonly start: number; readonly end: number }>();
  /** How many holds lasted less than 10^i ns. */
  readonly histogram: number[] = Array.from({ length: 14 }, () => 0);

  add(pfn: number, holder: Holder, end: number): void {
    const ns = end - holder.time;
    if (holder.seen !== "recorded" || ns < 0) return;
    this.count++;
    this.totalNs += ns;
    const bucket = Math.min(13, Math.max(0, Math.ceil(Math.log10(ns + 1))));
    this.histogram[bucket] = (this.histogram[bucket] ?? 0) + 1;
    const path = pathOf(holder);
    if (ns > (this.longestBy.get(path) ?? -1)) this.longestBy.set(path, ns);
    this.lastBy.set(path, { start: holder.time, end });
    const { longest } = this;
    const tenth = longest.length < 10 ? null : longest[longest.length - 1];
    if (tenth !== null && tenth !== undefined && tenth.end - tenth.holder.time >= ns) return;
    longest.push({ pfn, holder: { ...holder }, end });
    longest.sort((a, b) => b.end - b.holder.time - (a.end - a.holder.time) || a.pfn - b.pfn);
    if (longest.length > 10) longest.pop();
  }
}
