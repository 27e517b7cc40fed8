// What a reader of recordings hands on, whatever the format: the seam between readers and trackers.
import type { KernelEvent, Task } from "../events/event.ts";

/** A call stack, innermost function first, without offsets. */
export interface Stack {
  /** Stable across recordings: a hash of the function names. */
  readonly id: string;
  readonly frames: readonly string[];
}

export interface TraceSink {
  /** An event. The object is reused; copy what you keep. */
  event(e: KernelEvent): void;
  /** An event of a kind that is not analysed; asked for by those who compare whole recordings. */
  other?(name: string, time: number, cpu: number, task: Task): void;
  /** The call stack of the event that came last on this CPU. */
  stack(cpu: number, stack: Stack): void;
  /** Events are missing on a CPU, between the last event and the next. */
  lost(cpu: number): void;
}

/** For a reader whose events nobody wants, or not yet. */
export const quiet: TraceSink = { event: () => undefined, stack: () => undefined, lost: () => undefined };

/** Zero of the recording's clock: `KernelEvent.time` counts from here. */
export interface Clock {
  /** Whole seconds of the trace clock at `time` 0; -1 before the first event. */
  epochSeconds: number;
  /** Decimal digits that the recording prints: 6 or 9. 0: the clock counts ticks, not seconds. */
  digits: number;
}

export const newClock = (): Clock => ({ epochSeconds: -1, digits: 6 });

/** The task of a comm and tid; one object each. */
export class TaskTable {
  readonly #byName = new Map<string, Task>();
  readonly all: Task[] = [];

  get(comm: string, tid: number): Task {
    const key = `${comm}-${tid}`;
    let task = this.#byName.get(key);
    if (task === undefined) {
      task = { id: this.all.length, comm, tid };
      this.all.push(task);
      this.#byName.set(key, task);
    }
    return task;
  }
}
