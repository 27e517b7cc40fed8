// get_user_pages: references and pins through a user's address, with and without locks.
// Source: mm/gup.c.
import type { Pfn } from "../../base/brand.ts";
import { type Cell, type Code, rmw } from "../../explore/access.ts";
import { WARN } from "../include/asm-generic/bug.ts";
import { GUP_PIN_COUNTING_BIAS, is_zero_page, page_folio, pfn_to_page } from "../include/linux/mm.ts";
import type { DevPagemap, Folio, MmStruct, Page, Pte, VmArea } from "../include/linux/mm_types.ts";
import { folio_ref_add, folio_ref_count, folio_ref_try_add } from "../include/linux/page_ref.ts";
import { down_read, up_read } from "../kernel/locking/rwsem.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE } from "../lib/atomic.ts";
import { local_irq_restore, local_irq_save } from "./mmu_gather.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    try_get_folio: typeof try_get_folio;
    try_get_folio_undo: typeof try_get_folio_undo;
    try_grab_folio_fast: typeof try_grab_folio_fast;
    try_grab_folio: typeof try_grab_folio;
    gup_put_folio: typeof gup_put_folio;
    gup_fast_pte_range: typeof gup_fast_pte_range;
    gup_pte_unchanged: typeof gup_pte_unchanged;
    follow_page_pte: typeof follow_page_pte;
    follow_devmap_page: typeof follow_devmap_page;
    __get_user_pages: typeof __get_user_pages;
    gup_fast_fallback: typeof gup_fast_fallback;
    get_user_pages_fast: typeof get_user_pages_fast;
    pin_user_pages_fast: typeof pin_user_pages_fast;
    pin_user_pages_fast_only: typeof pin_user_pages_fast_only;
    unpin_user_page: typeof unpin_user_page;
    unpin_user_pages: typeof unpin_user_pages;
    put_user_page: typeof put_user_page;
    user_is_done: typeof user_is_done;
  }
}

/** gup_flags. */
export const FOLL_WRITE = 1 << 0;
export const FOLL_GET = 1 << 1;
export const FOLL_LONGTERM = 1 << 8;
export const FOLL_FAST_ONLY = 1 << 17;
export const FOLL_PIN = 1 << 18;

/** Errors of the kernel that modelled functions return, negative as there. */
export const ENOMEM = 12;
export const EFAULT = 14;

/**
 * Takes references to the folio of a page that might just be freed, or made part of another folio.
 *
 * Models `mm/gup.c:try_get_folio()` @ v5.18.
 *
 * @returns the folio, or null if it cannot be had.
 */
export function* try_get_folio(k: Kernel, page: Page, refs: number): Code<Folio | null> {
  for (;;) {
    const folio = yield* page_folio(k, page);
    if ((yield* folio_ref_count(folio)) < 0) {
      yield* WARN(k, "no-negative-refcount", `the count of ${folioName(folio)} is negative`);
      return null;
    }
    if (!(yield* folio_ref_try_add(folio, refs))) return null;
    // Only now is the folio stable; it may have been taken apart since it was looked up.
    if ((yield* page_folio(k, page)) === folio) return folio;
    yield* k.try_get_folio_undo(folio, refs);
  }
}

/**
 * Gives back references that were taken to the wrong folio.
 *
 * Models the retry of `mm/gup.c:try_get_folio()` @ v5.18.
 */
export function* try_get_folio_undo(k: Kernel, folio: Folio, refs: number): Code {
  yield* k.folio_put_refs(folio, refs);
}

/**
 * Takes references or pins without holding any lock.
 *
 * Models `mm/gup.c:try_grab_folio_fast()` @ v6.12, for a folio of one page; v5.18 has it as try_grab_folio().
 * Left out: FOLL_LONGTERM.
 */
export function* try_grab_folio_fast(k: Kernel, page: Page, refs: number, flags: number): Code<Folio | null> {
  const folio = yield* k.try_get_folio(page, refs);
  if (folio === null) return null;
  if (flags & FOLL_PIN) yield* folio_ref_add(folio, refs * (GUP_PIN_COUNTING_BIAS - 1));
  return folio;
}

/**
 * Takes references or pins of a folio that the page table holds still: its lock is held.
 *
 * Models `mm/gup.c:try_grab_folio()` @ v6.12, for a folio of one page; v5.18 has it as try_grab_page().
 *
 * @returns 0, or a negative error.
 */
export function* try_grab_folio(k: Kernel, folio: Folio, refs: number, flags: number): Code<number> {
  if (is_zero_page(k, folio.page)) return 0;
  const count = yield* folio_ref_count(folio);
  if (count <= 0) {
    yield* WARN(
      k,
      "no-grab-of-frozen-folio",
      `GUP takes a reference to ${folioName(folio)}, whose count is ${count}`,
    );
    return -ENOMEM;
  }
  yield* folio_ref_add(folio, flags & FOLL_PIN ? refs * GUP_PIN_COUNTING_BIAS : refs);
  return 0;
}

const folioName = (folio: Folio): string => `pfn 0x${folio.page.pfn.toString(16)}`;

/**
 * Drops references or pins that GUP took.
 *
 * Models `mm/gup.c:gup_put_folio()` @ v5.18. It knows nothing of one-based counts: the last pin of an
 * FS-DAX page goes from 1025 to 1 unseen, and nobody who waits for 1 is woken.
 */
export function* gup_put_folio(k: Kernel, folio: Folio, refs: number, flags: number): Code {
  yield* k.folio_put_refs(folio, flags & FOLL_PIN ? refs * GUP_PIN_COUNTING_BIAS : refs);
}

/**
 * Takes the page behind one page-table entry, without any lock.
 *
 * Models `mm/gup.c:gup_fast_pte_range()` @ v6.12, for one entry; v5.18 has it as gup_pte_range().
 * Left out: protnone, gup_must_unshare, FOLL_LONGTERM, the cache of the last pgmap.
 * Context: interrupts off; may not sleep.
 *
 * @returns the page, or null where the kernel goes on to the slow path.
 */
export function* gup_fast_pte_range(k: Kernel, ptep: Cell<Pte | null>, flags: number): Code<Page | null> {
  const pte = yield* READ_ONCE(ptep);
  if (pte === null) return null;
  if (flags & FOLL_WRITE && !pte.write) return null;
  let pgmap: DevPagemap | null = null;
  if (pte.devmap) pgmap = yield* k.get_dev_pagemap(pte.pfn);
  else if (pte.special) return null;

  const page = pfn_to_page(k, pte.pfn);
  let taken: Page | null = null;
  const folio = yield* k.try_grab_folio_fast(page, 1, flags);
  if (folio !== null) {
    if (yield* k.gup_pte_unchanged(ptep, pte)) taken = page;
    else yield* k.gup_put_folio(folio, 1, flags);
  }
  if (pgmap !== null) yield* k.put_dev_pagemap(pgmap);
  return taken;
}

/**
 * Looks again: is the entry, and with it the right to the page, still there now that we hold a reference?
 *
 * Models the comparison of pte_val in `mm/gup.c:gup_fast_pte_range()` @ v6.12.
 */
export function* gup_pte_unchanged(_k: Kernel, ptep: Cell<Pte | null>, pte: Pte): Code<boolean> {
  return (yield* READ_ONCE(ptep)) === pte;
}

/**
 * Takes the page behind one page-table entry, under the page-table lock.
 *
 * Models `mm/gup.c:follow_page_pte()` @ v5.18.
 * Left out: protnone, gup_must_unshare, FOLL_TOUCH, migration entries.
 * Context: mmap_lock held for reading.
 *
 * @returns the page, null if a fault must bring it first, or a negative error.
 */
export function* follow_page_pte(
  k: Kernel,
  vma: VmArea,
  ptep: Cell<Pte | null>,
  flags: number,
): Code<Page | number | null> {
  const { ptl } = vma.vm_mm;
  yield* spin_lock(k, ptl);
  const pte = yield* READ_ONCE(ptep);
  if (pte === null || (flags & FOLL_WRITE && !pte.write)) {
    yield* spin_unlock(ptl);
    return null;
  }
  let page = k.vm_normal_page(pte);
  let pgmap: DevPagemap | null = null;
  if (page === null && pte.devmap) {
    pgmap = yield* k.follow_devmap_page(pte.pfn);
    page = pfn_to_page(k, pte.pfn);
  }
  page ??= k.world.zero_page;
  const folio = yield* page_folio(k, page);
  const error = yield* k.try_grab_folio(folio, 1, flags);
  yield* spin_unlock(ptl);
  // The kernel keeps the pgmap until the whole range is done.
  if (pgmap !== null) yield* k.put_dev_pagemap(pgmap);
  return error === 0 ? page : error;
}

/** The pgmap reference of `mm/gup.c:follow_page_pte()` @ v5.18. */
export function* follow_devmap_page(k: Kernel, pfn: Pfn): Code<DevPagemap> {
  return yield* k.get_dev_pagemap(pfn);
}

/**
 * Takes pages under mmap_lock, faulting in what is not there.
 *
 * Models `mm/gup.c:__get_user_pages()` @ v6.12.
 * Left out: check_vma_flags, signals, dropping mmap_lock to retry.
 *
 * @param start First virtual page number.
 * @returns the pages, or a negative error.
 */
export function* __get_user_pages(
  k: Kernel,
  mm: MmStruct,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[] | number> {
  const pages: Page[] = [];
  for (let i = start; i < start + nr_pages; i++) {
    const vma = k.vma_lookup(mm, i);
    const ptep = mm.page_table[i];
    if (vma === null || ptep === undefined) return -EFAULT;
    let page = yield* k.follow_page_pte(vma, ptep, flags);
    while (page === null) {
      const fault = yield* k.handle_mm_fault(vma, i, (flags & FOLL_WRITE) !== 0);
      if (fault === "SIGBUS") {
        for (const taken of pages) yield* k.gup_put_folio(taken.folio, 1, flags);
        return -EFAULT;
      }
      page = yield* k.follow_page_pte(vma, ptep, flags);
    }
    if (typeof page === "number") return page;
    pages.push(page);
  }
  return pages;
}

/**
 * Takes pages of the current process: first without locks, and what that does not give under
 * mmap_lock, with faults.
 *
 * Models `mm/gup.c:gup_fast_fallback()` @ v6.12; v5.18 has it as internal_get_user_pages_fast().
 * Left out: write_protect_seq, which forbids pins while fork() copies the page table.
 *
 * @returns the pages, which may be fewer than asked for with FOLL_FAST_ONLY, or a negative error.
 */
export function* gup_fast_fallback(
  k: Kernel,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[] | number> {
  const { mm } = k.current;
  if (mm === null) return -EFAULT;
  const pages: Page[] = [];
  yield* local_irq_save(k);
  for (let i = start; i < start + nr_pages; i++) {
    const ptep = mm.page_table[i];
    const page = ptep === undefined ? null : yield* k.gup_fast_pte_range(ptep, flags);
    if (page === null) break;
    pages.push(page);
  }
  yield* local_irq_restore(k);
  if (pages.length === nr_pages || flags & FOLL_FAST_ONLY) return pages;

  yield* down_read(k, mm.mmap_lock);
  const rest = yield* k.__get_user_pages(mm, start + pages.length, nr_pages - pages.length, flags);
  yield* up_read(k, mm.mmap_lock);
  if (typeof rest === "number") return pages.length > 0 ? pages : rest;
  return [...pages, ...rest];
}

/** Ghost state: the caller holds these pages from here on. */
function* noteHeld(k: Kernel, pages: readonly Page[], kind: "heldPins" | "heldGets"): Code {
  const { name } = k.current;
  for (const page of pages) {
    if (is_zero_page(k, page)) continue;
    yield* rmw([page[kind]], (held: readonly string[]) => ({ next: [[...held, name]], result: null }), {
      note: { text: () => `holds pfn 0x${page.pfn.toString(16)}` },
    });
  }
}

/** Ghost state: the caller uses the page no longer, or hands back what another task took. */
function* noteReleased(k: Kernel, page: Page, kind: "heldPins" | "heldGets"): Code {
  const { name } = k.current;
  yield* rmw(
    [page[kind]],
    (held: readonly string[]) => {
      const at = Math.max(0, held.indexOf(name));
      return { next: [held.filter((_, i) => i !== at)], result: null };
    },
    { note: { text: () => "" } },
  );
}

/**
 * Takes references to pages of the current process.
 *
 * Models `mm/gup.c:get_user_pages_fast()` @ v6.12. Each is dropped with put_page().
 */
export function* get_user_pages_fast(
  k: Kernel,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[] | number> {
  const pages = yield* k.gup_fast_fallback(start, nr_pages, flags | FOLL_GET);
  if (typeof pages !== "number") yield* noteHeld(k, pages, "heldGets");
  return pages;
}

/**
 * Pins pages of the current process, for DMA or the like.
 *
 * Models `mm/gup.c:pin_user_pages_fast()` @ v6.12. Each is given back with unpin_user_page().
 */
export function* pin_user_pages_fast(
  k: Kernel,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[] | number> {
  const pages = yield* k.gup_fast_fallback(start, nr_pages, flags | FOLL_PIN);
  if (typeof pages !== "number") yield* noteHeld(k, pages, "heldPins");
  return pages;
}

/**
 * Pins pages of the current process, if that needs no lock; else fewer, or none.
 *
 * Models `mm/gup.c:pin_user_pages_fast_only()` @ v5.18.
 */
export function* pin_user_pages_fast_only(
  k: Kernel,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[] | number> {
  return yield* k.pin_user_pages_fast(start, nr_pages, flags | FOLL_FAST_ONLY);
}

/**
 * Gives back a pin. The caller's use of the page ends where this begins.
 *
 * Models `mm/gup.c:unpin_user_page()` @ v6.12.
 */
export function* unpin_user_page(k: Kernel, page: Page): Code {
  if (is_zero_page(k, page)) return;
  yield* noteReleased(k, page, "heldPins");
  const folio = yield* page_folio(k, page);
  yield* k.gup_put_folio(folio, 1, FOLL_PIN);
}

/**
 * Drops a reference that get_user_pages took. The caller's use of the page ends where this begins.
 *
 * Ours: what callers of get_user_pages() do with put_page().
 */
export function* put_user_page(k: Kernel, page: Page): Code {
  yield* k.user_is_done(page);
  yield* k.put_page(page);
}

/** Ghost state: the caller uses the page that it got no longer, however it drops the reference next. */
export function* user_is_done(k: Kernel, page: Page): Code {
  yield* noteReleased(k, page, "heldGets");
}

/** Models `mm/gup.c:unpin_user_pages()` @ v6.12, without its batching by folio. */
export function* unpin_user_pages(k: Kernel, pages: readonly Page[]): Code {
  for (const page of pages) yield* k.unpin_user_page(page);
}
