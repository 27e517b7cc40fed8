// Folio locks: who waits for one, from the entry of __folio_lock() to its return, and who is known to hold
// one. folio_lock() takes a free lock inline, which leaves no event; so a holder is known only if it had to
// wait itself: from the return of its own wait until folio_unlock().
import type { KernelEvent, Task } from "../../events/event.ts";

export interface LockWait {
  readonly task: Task;
  readonly pfn: number;
  readonly since: number;
  readonly where: number;
  readonly cpu: number;
  until: number | null;
}

/** The last that is known of one lock. */
export interface LockState {
  /** Whose wait for it ended last; null once it was unlocked. */
  holder: Task | null;
  /** When that was, or when it was unlocked. */
  time: number;
  /** Who unlocked it last; null if that was not recorded. */
  unlockedBy: Task | null;
}

/** Locks that are followed; of more nothing is known. */
const MAX_LOCKS = 65_536;

export class LockTracker {
  readonly #open = new Map<Task, LockWait>();
  readonly #locks = new Map<number, LockState>();
  longest: LockWait | null = null;
  count = 0;
  /** Whether folio_unlock() is recorded at all. */
  unlocksSeen = false;

  get open(): LockWait[] {
    return [...this.#open.values()];
  }

  stateOf(pfn: number): LockState | null {
    return this.#locks.get(pfn) ?? null;
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
      this.#note(wait.pfn, e.task, e.time, null);
      if (this.longest === null || e.time - wait.since > (this.longest.until ?? 0) - this.longest.since)
        this.longest = wait;
    } else {
      this.unlocksSeen = true;
      this.#note(e.pfn, null, e.time, e.task);
    }
  }

  #note(pfn: number, holder: Task | null, time: number, unlockedBy: Task | null): void {
    if (!(pfn >= 0)) return;
    const known = this.#locks.get(pfn);
    if (known !== undefined) {
      known.holder = holder;
      known.time = time;
      known.unlockedBy = unlockedBy ?? known.unlockedBy;
    } else if (this.#locks.size < MAX_LOCKS) this.#locks.set(pfn, { holder, time, unlockedBy });
  }
}
