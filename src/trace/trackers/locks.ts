// Tasks that wait for a folio lock: from the entry of __folio_lock() to its return.
import type { KernelEvent, Task } from "../../events/event.ts";

export interface LockWait {
  readonly task: Task;
  readonly pfn: number;
  readonly since: number;
  readonly where: number;
  readonly cpu: number;
  until: number | null;
}

export class LockTracker {
  readonly #open = new Map<Task, LockWait>();
  longest: LockWait | null = null;
  count = 0;

  get open(): LockWait[] {
    return [...this.#open.values()];
  }

  event(e: KernelEvent): void {
    if (e.spec.role === "lock-enter") {
      this.count++;
      const { task, pfn, time: since, where, cpu } = e;
      this.#open.set(task, { task, pfn, since, where, cpu, until: null });
    } else if (e.spec.role === "lock-exit") {
      const wait = this.#open.get(e.task);
      if (wait === undefined) return;
      wait.until = e.time;
      this.#open.delete(e.task);
      if (this.longest === null || e.time - wait.since > (this.longest.until ?? 0) - this.longest.since)
        this.longest = wait;
    }
  }
}
