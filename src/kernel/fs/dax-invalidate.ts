// DAX: removing entries. Source: fs/dax.c.
import type { Code } from "../../explore/access.ts";
import { WARN } from "../include/asm-generic/bug.ts";
import { NO_MARKS } from "../include/linux/dax.ts";
import type { AddressSpace } from "../include/linux/fs.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE } from "../lib/atomic.ts";
import { marksCell, placeOf } from "./dax-entry.ts";
import { storeEntries } from "./dax-store.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    __dax_invalidate_entry: typeof __dax_invalidate_entry;
    dax_delete_mapping_entry: typeof dax_delete_mapping_entry;
    dax_invalidate_mapping_entry_sync: typeof dax_invalidate_mapping_entry_sync;
    dax_invalidation_wakes: (k: Kernel) => "WAKE_NEXT" | "WAKE_ALL";
  }
}

/**
 * How many of those that wait for an entry are woken when it is removed: one.
 *
 * Models put_unlocked_entry() in `fs/dax.c:__dax_invalidate_entry()` @ v5.10, which has no mode yet.
 */
export const dax_invalidation_wakes = (_k: Kernel): "WAKE_NEXT" => "WAKE_NEXT";

/**
 * Removes the entry of a page of the file, if there is one; a dirty one only when truncating.
 *
 * Models `fs/dax.c:__dax_invalidate_entry()` @ v6.12.
 *
 * @returns whether an entry was removed.
 */
export function* __dax_invalidate_entry(
  k: Kernel,
  mapping: AddressSpace,
  index: number,
  trunc: boolean,
): Code<boolean> {
  const { xa_lock } = mapping;
  let removed = false;
  yield* spin_lock(k, xa_lock);
  const entry = yield* k.get_unlocked_entry(mapping, index);
  if (entry !== null) {
    const place = placeOf(k, index, entry);
    const marks = marksCell(mapping, place);
    const { dirty, towrite } = trunc ? NO_MARKS : yield* READ_ONCE(marks);
    if (!dirty && !towrite) {
      yield* k.dax_disassociate_entry(entry, mapping, trunc);
      yield* storeEntries(k, mapping, [place], [marks], () => ({ next: [null, NO_MARKS], result: null }));
      removed = true;
    }
  }
  yield* k.put_unlocked_entry(mapping, index, entry, k.dax_invalidation_wakes());
  yield* spin_unlock(xa_lock);
  return removed;
}

/**
 * Removes the entry of a page of the file.
 *
 * Models `fs/dax.c:dax_delete_mapping_entry()` @ v6.12.
 * Context: invalidate_lock held for writing.
 */
export function* dax_delete_mapping_entry(k: Kernel, mapping: AddressSpace, index: number): Code {
  const removed = yield* k.__dax_invalidate_entry(mapping, index, true);
  if (!removed) {
    yield* WARN(k, "no-lost-entry", `page ${index} of ${mapping.host.name} had an entry, and has none now`);
  }
}

/**
 * Removes the entry of a page of the file if it is clean.
 *
 * Models `fs/dax.c:dax_invalidate_mapping_entry_sync()` @ v6.12.
 */
export function* dax_invalidate_mapping_entry_sync(
  k: Kernel,
  mapping: AddressSpace,
  index: number,
): Code<boolean> {
  return yield* k.__dax_invalidate_entry(mapping, index, false);
}
