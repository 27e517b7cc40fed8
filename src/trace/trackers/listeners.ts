// Who is told while pages are followed: those that wait for a page, and outputs that do not fit in memory.
import type { KernelEvent } from "../../events/event.ts";
import type { Stack } from "../sink.ts";
import type { Certainty } from "./lifelines.ts";
import type { Holder, PageState } from "./page-state.ts";
import type { Change } from "./wait-state.ts";

/** Stands for an event's name where a put shows only by what follows from it. */
export const UNRECORDED_PUT = "a put that was not recorded";

/** Called when something has changed on a page that somebody waits for. */
export interface PageWatcher {
  pageChanged(page: PageState, e: KernelEvent, what: Change, event?: string): void;
}

/** Whoever wants each change as it happens, for output that does not fit in memory. */
export interface ChangeListener {
  /** References were taken by a holder, or `n` of them dropped again. */
  taken?(page: PageState, holder: Holder): void;
  dropped?(page: PageState, holder: Holder, n: number, e: KernelEvent): void;
  /** The call stack of the change that came last on this CPU. */
  stack?(cpu: number, stack: Stack): void;
  change(page: PageState, e: KernelEvent, before: number, certainty: Certainty): void;
}

/** One listener that tells several. */
export function allListeners(listeners: readonly ChangeListener[]): ChangeListener {
  return {
    change: (...args) => {
      for (const l of listeners) l.change(...args);
    },
    taken: (...args) => {
      for (const l of listeners) l.taken?.(...args);
    },
    dropped: (...args) => {
      for (const l of listeners) l.dropped?.(...args);
    },
    stack: (...args) => {
      for (const l of listeners) l.stack?.(...args);
    },
  };
}
