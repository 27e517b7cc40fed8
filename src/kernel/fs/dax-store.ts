// DAX: every store to the entries of the page cache goes through here, so that one place can say whose an entry is.
// The lock bit of an entry does not tell who has set it; beside each slot stands a note of that, as ghost state, and
// beside the page cache the first store that was not allowed: to an entry that somebody else has locked, or of an unlocked
// entry by who had not locked it. That xa_lock is held is not looked at: who looks at an entry and stores to it without the
// lock is found where somebody locks the entry in between. Source: fs/dax.c, lib/xarray.c.
import { hex } from "../../base/brand.ts";
import { requireUse } from "../../base/errors.ts";
import { type Applied, type Cell, type Code, rmw } from "../../explore/access.ts";
import type { Value } from "../../explore/value.ts";
import type { DaxEntry } from "../include/linux/dax.ts";
import type { AddressSpace } from "../include/linux/fs.ts";
import type { Kernel } from "../kernel.ts";
import { xa_locked } from "../lib/xarray.ts";

/** The entry of a page of a file. */
export const entryCell = (mapping: AddressSpace, index: number): Cell<DaxEntry | null> => {
  const found = mapping.i_pages[index];
  requireUse(found, `file ${mapping.host.name} has no page ${index}`);
  return found;
};

/** What a store makes of slots, and of other cells: from their values to the next ones, the slots first. */
type Section<R extends Value> = (...values: never[]) => Applied<R>;

/** A change of one slot: by whom, of which page, and who has the lock of the entry there, as far as is known. */
interface Store {
  readonly by: string;
  readonly page: string;
  readonly holder: string | null;
  readonly old: DaxEntry | null;
  readonly next: DaxEntry | null;
}

/** What is wrong with a store under xa_lock, in one sentence; null if nothing is. */
function misuse({ by, page, holder, old, next }: Store): string | null {
  const unlocks = next !== null && !next.locked;
  const does = next === null ? "removes" : unlocks ? "unlocks" : "stores to";
  const pfn = old?.kind === "normal" ? ` (pfn ${hex(old.pfn)})` : "";
  const what = `${by} ${does} the entry of ${page}${pfn}`;
  if (old?.locked) return holder === null || holder === by ? null : `${what}, which ${holder} has locked`;
  return unlocks ? `${what}, which is not locked` : null;
}

/** The cells of a store, with its ghost state, and what it does to them. */
function noted<R extends Value>(
  k: Kernel,
  mapping: AddressSpace,
  indices: readonly number[],
  others: readonly Cell[],
  section: Section<R>,
): { readonly cells: readonly Cell[]; readonly apply: (...values: never[]) => Applied<R> } {
  const { name: by } = k.current;
  const slots = indices.map((i) => entryCell(mapping, i));
  const holders = indices.flatMap((i) => mapping.entryLockers[i] ?? []);
  const n = slots.length + others.length;
  const apply = (...values: Value[]): Applied<R> => {
    const { next, result } = section(...(values.slice(0, n) as never[]));
    const lockers = values.slice(n, n + slots.length) as (string | null)[];
    let wrong = values[n + slots.length] as string | null;
    const nextLockers = slots.map((_, i) => {
      const holder = lockers[i] ?? null;
      const [old, now] = [values[i], next[i]] as (DaxEntry | null)[];
      if (old === now) return holder;
      const page = `page ${indices[i]} of ${mapping.host.name}`;
      wrong ??= misuse({ by, page, holder, old: old ?? null, next: now ?? null });
      return now?.locked ? (old?.locked ? holder : by) : null;
    });
    return { next: [...next, ...nextLockers, wrong], result };
  };
  return { cells: [...slots, ...others, ...holders, mapping.misuse], apply };
}

/** Ghost state: a store that was not allowed, for which there is no slot. */
export function* noteMisuse(mapping: AddressSpace, text: string): Code {
  yield* rmw([mapping.misuse], (earlier: string | null) => ({ next: [earlier ?? text], result: null }), {
    note: { text: () => "" },
  });
}

/**
 * Looks at slots of the page cache and other cells, and stores to them, in one step under a lock that is held.
 *
 * Models `lib/xarray.c:xas_store()` @ v6.12, with what goes with it in one section.
 * Context: xa_lock held.
 *
 * @param indices Pages of the file whose slots are looked at or stored to.
 */
export function* storeEntries<R extends Value>(
  k: Kernel,
  mapping: AddressSpace,
  indices: readonly number[],
  others: readonly Cell[],
  section: Section<R>,
): Code<R> {
  const { cells, apply } = noted(k, mapping, indices, others, section);
  return yield* rmw(cells, apply);
}

/**
 * As {@link storeEntries}, with the lock taken and dropped around it: one step, made when the lock is free.
 *
 * Models `xas_lock_irq() … xas_unlock_irq()` @ v6.12 around a look-up and a store.
 */
export function* lockAndStoreEntries<R extends Value>(
  k: Kernel,
  mapping: AddressSpace,
  indices: readonly number[],
  others: readonly Cell[],
  section: Section<R>,
): Code<R> {
  const { cells, apply } = noted(k, mapping, indices, others, section);
  return yield* xa_locked(mapping, cells, apply);
}
