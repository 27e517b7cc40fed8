// The page cache of a DAX file under its lock. Entries are changed only with `xa_lock` held, and nobody
// looks at them without it; so a section that touches nothing but entries is one step, which can be
// made when the lock is free. A section with other accesses takes and drops the lock in steps.
// Source: lib/xarray.c, include/linux/xarray.h.
import { type Applied, acquire, type Cell, type Code } from "../../explore/access.ts";
import type { Value } from "../../explore/value.ts";
import type { AddressSpace } from "../include/linux/fs.ts";

/** `xas_lock_irq() … xas_unlock_irq()` around accesses to these cells only. */
export function* xa_locked<R extends Value>(
  mapping: AddressSpace,
  cells: readonly Cell[],
  section: (...values: never[]) => Applied<R>,
): Code<R> {
  return yield* acquire([mapping.xa_lock.holder, ...cells], (holder: string | null, ...values: never[]) => {
    if (holder !== null) return null;
    const { next, result } = section(...values);
    return { next: [holder, ...next], result };
  });
}
