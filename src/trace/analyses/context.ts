// What every analysis may look at.
import type { KernelRules } from "../kernel-rules.ts";
import type { Clock } from "../sink.ts";
import type { DeletedEntryTracker } from "../trackers/deleted-entries.ts";
import type { LockTracker } from "../trackers/locks.ts";
import type { PageState } from "../trackers/page-state.ts";
import type { PageTracker } from "../trackers/pages.ts";
import type { RemovalTracker } from "../trackers/removals.ts";
import type { WaitTracker } from "../trackers/waits.ts";
import { timeText } from "../wording.ts";

export interface AnalysisContext {
  readonly rules: KernelRules | null;
  readonly clock: Clock;
  readonly pages: PageTracker;
  readonly waits: WaitTracker;
  readonly removals: RemovalTracker;
  readonly locks: LockTracker;
  readonly deletions: DeletedEntryTracker;
  /** When tasks ended, by tid, if that was recorded. */
  readonly exits: ReadonlyMap<number, number>;
  /** Time of the last event. */
  readonly end: number;
  /** Stack traces were recorded. */
  readonly stacks: boolean;
  /** Names of events that occurred. */
  readonly seen: ReadonlySet<string>;
  /** Names of events that would have left a trace: they occurred, or the recording says that they were on. */
  readonly watched: ReadonlySet<string>;
}

export const at = (c: AnalysisContext, time: number): string => timeText(c.clock, time);

/**
 * Whether a page is device memory: some event says so, or a page of the same 2 MiB is. Where no event
 * of the recording can tell, a page that is reserved is taken for one; where not even that is
 * recorded, every page is.
 */
export function isDevice(c: AnalysisContext, page: PageState): boolean {
  const blocks = c.pages.deviceBlocks;
  if (page.device) return true;
  if (blocks.size > 0) return blocks.has(Math.floor(page.pfn / 512));
  return page.reserved ?? !c.pages.flagsSeen;
}
