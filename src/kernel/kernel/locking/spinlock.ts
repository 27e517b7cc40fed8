// spinlock_t. Taking it is one guarded step: a failed attempt is none. Source: include/linux/spinlock.h.
import { acquire, type Cell, type Code, cell, modelled, write } from "../../../explore/access.ts";
import type { Modelled } from "../../../explore/value.ts";
import type { Kernel } from "../../kernel.ts";

/** The name of the task that holds it, or null. */
export interface Spinlock extends Modelled {
  readonly holder: Cell<string | null>;
}

export const newSpinlock = (name: string): Spinlock =>
  modelled("spinlock", { holder: cell<string | null>(name, null) });

/** Models `include/linux/spinlock.h:spin_lock()` @ v6.12. */
export function* spin_lock(k: Kernel, lock: Spinlock): Code {
  const { name } = k.current;
  yield* acquire([lock.holder], (holder: string | null) =>
    holder === null ? { next: [name], result: null } : null,
  );
}

/** Models `include/linux/spinlock.h:spin_unlock()` @ v6.12. */
export function* spin_unlock(lock: Spinlock): Code {
  yield* write(lock.holder, null, { order: "release", note: { quiet: true } });
}
