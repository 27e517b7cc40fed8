// Pages that must move before they are pinned for long. Here those are of coherent device memory.
// Source: mm/gup.c, mm/migrate_device.c.

import type { Code } from "../../explore/access.ts";
import { EAGAIN, EBUSY } from "../include/asm-generic/errno-base.ts";
import { page_folio } from "../include/linux/mm.ts";
import type { Folio, LowerEntry, MmStruct, Page } from "../include/linux/mm_types.ts";
import { folio_ref_count, folio_ref_inc, folio_ref_sub } from "../include/linux/page_ref.ts";
import { pte_lockptr, pte_offset } from "../include/linux/pgtable.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../lib/atomic.ts";
import { FOLL_PIN } from "./gup-flags.ts";
import { addNewAnonRmap, ownPte } from "./memory-private.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    check_and_migrate_movable_pages: typeof check_and_migrate_movable_pages;
    migrate_device_coherent_folio: typeof migrate_device_coherent_folio;
  }
}

/**
 * Moves those of the pages that may not be pinned for long, and gives all back then, to be pinned anew.
 *
 * Models `mm/gup.c:check_and_migrate_movable_pages()` @ v6.12, with `collect_longterm_unpinnable_folios()` and
 * `migrate_longterm_unpinnable_folios()`; v6.1 has them with pages in their names.
 * Left out: pages of CMA and movable zones.
 *
 * @returns 0 if none had to move; -EAGAIN if some have moved, or another negative error. Nothing is pinned then.
 */
export function* check_and_migrate_movable_pages(
  k: Kernel,
  mm: MmStruct,
  start: number,
  pages: readonly Page[],
  flags: number,
): Code<number> {
  const folios: Folio[] = [];
  let collected = 0;
  for (const page of pages) {
    const folio = yield* page_folio(k, page);
    folios.push(folio);
    if (!(yield* k.folio_is_longterm_pinnable(folio))) collected++;
  }
  if (collected === 0) return 0;
  let error = -EAGAIN;
  for (let i = 0; i < folios.length; i++) {
    const folio = folios[i];
    if (folio === undefined) continue;
    if (error === -EBUSY || (yield* k.folio_is_longterm_pinnable(folio))) {
      yield* k.gup_put_folio(folio, 1, flags);
      continue;
    }
    // A pinned page does not move: the pin becomes a reference like others.
    yield* folio_ref_inc(folio);
    yield* k.gup_put_folio(folio, 1, FOLL_PIN);
    const moved = yield* k.migrate_device_coherent_folio(folio, mm, start + i);
    if (!moved) error = -EBUSY;
  }
  return error;
}

/**
 * The same with a look at the list of the pages that have left the LRU, and not at how many have to move. Memory of a
 * device never is on an LRU: none of it moves.
 *
 * Models `mm/gup.c:check_and_migrate_movable_pages_or_folios()` @ v6.15.
 * Left out: pages of CMA and movable zones, which are on the list, and with which those of coherent memory move.
 *
 * @returns 0: all stay pinned.
 */
export function* check_and_migrate_listed_pages(
  k: Kernel,
  _mm: MmStruct,
  _start: number,
  pages: readonly Page[],
): Code<number> {
  for (const page of pages) {
    const folio = yield* page_folio(k, page);
    yield* k.folio_is_longterm_pinnable(folio);
  }
  return 0;
}

/**
 * Puts a page of ordinary memory in the place of one of coherent memory, and drops the caller's reference to the latter.
 *
 * Models `mm/migrate_device.c:migrate_device_coherent_folio()` @ v6.12, with migrate_device_unmap(),
 * migrate_device_pages() and migrate_device_finalize(); v6.1 has it as migrate_device_coherent_page().
 * Left out: other mappings of the page, migration entries (the page-table lock is held meanwhile), the folio lock,
 * copying.
 *
 * @returns false if somebody else uses the page, or there is no memory.
 */
export function* migrate_device_coherent_folio(
  k: Kernel,
  folio: Folio,
  mm: MmStruct,
  address: number,
): Code<boolean> {
  const to = yield* k.alloc_anon_folio();
  const ptep = pte_offset(mm, address);
  const ptl = pte_lockptr(k, mm, address);
  yield* spin_lock(k, ptl);
  const pte = yield* READ_ONCE(ptep);
  const count = yield* folio_ref_count(folio);
  // Those of the entry and of the caller.
  const moves = to !== null && pte?.pfn === folio.page.pfn && count === 2;
  if (moves) {
    yield* k.folio_remove_rmap_pte(folio, folio.page);
    yield* addNewAnonRmap(k, to);
    yield* WRITE_ONCE<LowerEntry>(ptep, ownPte(to));
    yield* k.flush_tlb_mm(mm);
    yield* folio_ref_sub(folio, 1);
  }
  yield* spin_unlock(ptl);
  if (to !== null && !moves) yield* k.folio_put(to.folio);
  yield* k.folio_put(folio);
  return moves;
}
