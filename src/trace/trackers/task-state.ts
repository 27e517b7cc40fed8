// What a task is in the middle of: needed to tell the nested events of one get or put apart from
// two of them, and the references of a fault from those of a pin.
import type { Task } from "../../events/event.ts";
import type { Holder, PageState } from "./page-state.ts";

export interface PendingGrab {
  readonly page: PageState;
  readonly pin: boolean;
  readonly n: number;
  readonly gup: number;
  readonly event: string;
  /** What was done to the page on the strength of the probe alone; null if nothing. */
  applied: Holder | null;
}

export interface PendingPut {
  readonly page: PageState;
  readonly pin: boolean;
  readonly n: number;
  /** Count at the entry of the outermost function of this put. */
  readonly refs: number;
  depth: number;
  /** References taken off on the strength of the probe alone. */
  applied: number;
  /** The tracepoint has told of it. */
  done: boolean;
}

export class TaskState {
  readonly task: Task;
  grab: PendingGrab | null = null;
  put: PendingPut | null = null;
  /** A reference was just taken; 1023 more on the same page make it a pin. */
  half: { readonly page: PageState; readonly holder: Holder } | null = null;
  faultDepth = 0;
  faultRefs: { readonly page: PageState; readonly holder: Holder }[] = [];

  constructor(task: Task) {
    this.task = task;
  }

  /** After a loss of events, what the task was in the middle of is not known. */
  forget(): void {
    this.grab = null;
    this.put = null;
    this.half = null;
    this.faultDepth = 0;
    this.faultRefs = [];
  }
}
