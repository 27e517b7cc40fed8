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

/**
 * `pathOf` for one hold after the other: most have no stack and are like the one before, and making the
 * text anew each time took longer than all that is done with it.
 */
class PathMemory {
  #event = "";
  #task: Task | null = null;
  #path = "";

  of(h: Holder): string {
    if (h.stack !== null) return h.stack.id;
    if (this.#path === "" || h.event !== this.#event || h.task !== this.#task) {
      this.#event = h.event;
      this.#task = h.task;
      this.#path = pathOf(h);
    }
    return this.#path;
  }
}

/** The hold of a call path that ended last, and how long the longest was. */
interface PathHolds {
  longestNs: number;
  start: number;
  end: number;
}

/** A hold that has ended. */
export interface CompletedHold {
  readonly pfn: number;
  readonly holder: Holder;
  readonly end: number;
}

/** Holds are counted by length: under 10 us, under 100 us, and so on; the last are of 10 s and more. */
export const HOLD_LENGTHS_NS: readonly number[] = [0, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

/** Statistics of holds that have ended: how many, how long, and the longest few. */
export class CompletedHolds {
  count = 0;
  totalNs = 0;
  readonly longest: CompletedHold[] = [];
  /** How many were at least as long as each of `HOLD_LENGTHS_NS`, and shorter than the next. */
  readonly byLength: number[] = HOLD_LENGTHS_NS.map(() => 0);
  /** By call path, see `pathOf`. */
  readonly by = new Map<string, PathHolds>();
  readonly #paths = new PathMemory();

  /** @param goesOn The same call path still holds the page: get_user_pages made several pins of it one. */
  add(pfn: number, holder: Holder, end: number, goesOn: boolean): void {
    const ns = end - holder.time;
    if (holder.seen !== "recorded" || ns < 0) return;
    this.count++;
    this.totalNs += ns;
    let length = 0;
    while (ns >= (HOLD_LENGTHS_NS[length + 1] ?? Number.POSITIVE_INFINITY)) length++;
    this.byLength[length] = (this.byLength[length] ?? 0) + 1;
    if (goesOn) return;
    const path = this.#paths.of(holder);
    const before = this.by.get(path);
    if (before === undefined) this.by.set(path, { longestNs: ns, start: holder.time, end });
    else {
      if (ns > before.longestNs) before.longestNs = ns;
      before.start = holder.time;
      before.end = end;
    }
    const { longest } = this;
    const tenth = longest.length < 10 ? null : longest[longest.length - 1];
    if (tenth !== null && tenth !== undefined && tenth.end - tenth.holder.time >= ns) return;
    longest.push({ pfn, holder: { ...holder }, end });
    longest.sort((a, b) => b.end - b.holder.time - (a.end - a.holder.time) || a.pfn - b.pfn);
    if (longest.length > 10) longest.pop();
  }
}
