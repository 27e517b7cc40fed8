// get_user_pages: how it takes references and pins of a folio, and drops them. Source: mm/gup.c.

import type { Code } from "../../explore/access.ts";
import { WARN } from "../include/asm-generic/bug.ts";
import { ENOMEM, EREMOTEIO } from "../include/asm-generic/errno-base.ts";
import { addLargeCount, GUP_PIN_COUNTING_BIAS, is_zero_page, page_folio } from "../include/linux/mm.ts";
import type { Folio, Page } from "../include/linux/mm_types.ts";
import {
  folio_ref_add,
  folio_ref_count,
  folio_ref_sub,
  folio_ref_try_add,
} from "../include/linux/page_ref.ts";
import type { Kernel } from "../kernel.ts";
import { FOLL_GET, FOLL_LONGTERM, FOLL_PCI_P2PDMA, FOLL_PIN } from "./gup-flags.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    try_get_folio: typeof try_get_folio;
    try_get_folio_undo: typeof try_get_folio_undo;
    try_grab_folio_fast: typeof try_grab_folio_fast;
    try_grab_folio: typeof try_grab_folio;
    gup_put_folio: typeof gup_put_folio;
    is_pci_p2pdma_page: typeof is_pci_p2pdma_page;
  }
}

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
 * Takes references to what is the head of a page now. It may be no longer when the references are there.
 *
 * Models `mm/gup.c:try_get_compound_head()` @ v5.10.
 */
export function* try_get_compound_head(k: Kernel, page: Page, refs: number): Code<Folio | null> {
  const folio = yield* page_folio(k, page);
  if ((yield* folio_ref_count(folio)) < 0) {
    yield* WARN(k, "no-negative-refcount", `the count of ${folioName(folio)} is negative`);
    return null;
  }
  return (yield* folio_ref_try_add(folio, refs)) ? folio : null;
}

/**
 * Gives back references that were taken to the wrong folio.
 *
 * Models the retry of `mm/gup.c:try_get_folio()` @ v5.18.
 */
export function* try_get_folio_undo(k: Kernel, folio: Folio, refs: number): Code {
  yield* k.folio_put_refs(folio, refs);
}

/** Is it memory of a PCI device? Ours: before v6.2 no program can map such memory, and GUP does not ask. */
export function* is_pci_p2pdma_page(_k: Kernel, _page: Page): Code<boolean> {
  return false;
}

/**
 * Takes references or pins without holding any lock.
 *
 * Models `mm/gup.c:try_grab_folio_fast()` @ v6.12; v5.18 has it as try_grab_folio(), and asks before it takes
 * the reference whether the page may be pinned for long.
 * Left out: that before about v6.5, and before it came to stable 6.1, a pin of the page of zeroes counted as any other.
 */
export function* try_grab_folio_fast(k: Kernel, page: Page, refs: number, flags: number): Code<Folio | null> {
  if (flags & FOLL_PIN && is_zero_page(k, page)) return page.folio;
  if (!(flags & FOLL_PCI_P2PDMA) && (yield* k.is_pci_p2pdma_page(page))) return null;
  const folio = yield* k.try_get_folio(page, refs);
  if (folio === null || !(flags & FOLL_PIN)) return folio;
  if (flags & FOLL_LONGTERM && !(yield* k.folio_is_longterm_pinnable(folio))) {
    yield* k.try_get_folio_undo(folio, refs);
    return null;
  }
  // The reference that was taken stays beneath the pin.
  if (yield* k.folio_has_pincount(folio)) yield* addLargeCount(k, folio, "_pincount", refs);
  else yield* folio_ref_add(folio, refs * (GUP_PIN_COUNTING_BIAS - 1));
  return folio;
}

/**
 * Takes references or pins without holding any lock: all the units of a pin in one step, of which the page says how
 * many there are before anything holds it.
 *
 * Models `mm/gup.c:try_grab_compound_head()` @ v5.10.
 * Left out: CMA; that a pin of the page of zeroes counted as any other.
 */
export function* try_grab_compound_head(
  k: Kernel,
  page: Page,
  refs: number,
  flags: number,
): Code<Folio | null> {
  if (!(flags & FOLL_PIN)) return yield* k.try_get_folio(page, refs);
  if (is_zero_page(k, page)) return page.folio;
  const head = yield* page_folio(k, page);
  const apart = yield* k.folio_has_pincount(head);
  const folio = yield* k.try_get_folio(page, apart ? refs : refs * GUP_PIN_COUNTING_BIAS);
  if (folio !== null && apart) yield* addLargeCount(k, folio, "_pincount", refs);
  return folio;
}

/**
 * Takes references or pins of a folio that the page table holds still: its lock is held. Without FOLL_GET and FOLL_PIN it
 * only asks whether they could be had.
 *
 * Models `mm/gup.c:try_grab_folio()` @ v6.12; v5.18 has it as try_grab_page().
 * Left out: that v5.10 does not ask for the count where nothing is taken; that a pin of the huge page of zeroes counts as
 * any other.
 *
 * @returns 0, or a negative error.
 */
export function* try_grab_folio(k: Kernel, folio: Folio, refs: number, flags: number): Code<number> {
  if (flags & FOLL_PIN && is_zero_page(k, folio.page)) return 0;
  const count = yield* folio_ref_count(folio);
  if (count <= 0) {
    yield* WARN(
      k,
      "no-grab-of-frozen-folio",
      `GUP takes a reference to ${folioName(folio)}, whose count is ${count}`,
    );
    return -ENOMEM;
  }
  if (!(flags & FOLL_PCI_P2PDMA) && (yield* k.is_pci_p2pdma_page(folio.page))) return -EREMOTEIO;
  if (flags & FOLL_GET) {
    yield* folio_ref_add(folio, refs);
  } else if (!(flags & FOLL_PIN)) {
    return 0;
  } else if (yield* k.folio_has_pincount(folio)) {
    yield* folio_ref_add(folio, refs);
    yield* addLargeCount(k, folio, "_pincount", refs);
  } else yield* folio_ref_add(folio, refs * GUP_PIN_COUNTING_BIAS);
  return 0;
}

const folioName = (folio: Folio): string => `pfn 0x${folio.page.pfn.toString(16)}`;

/**
 * Gives back the part of a pin that is counted apart.
 *
 * Models the beginning of `mm/gup.c:gup_put_folio()` @ v6.12.
 *
 * @returns how many references are left to drop.
 */
export function* dropPincount(k: Kernel, folio: Folio, refs: number, flags: number): Code<number> {
  if (!(flags & FOLL_PIN)) return refs;
  if (yield* k.folio_has_pincount(folio)) {
    yield* addLargeCount(k, folio, "_pincount", -refs);
    return refs;
  }
  return refs * GUP_PIN_COUNTING_BIAS;
}

/**
 * Drops references or pins that GUP took.
 *
 * Models `mm/gup.c:gup_put_folio()` @ v5.18. It knows nothing of one-based counts: the last pin of an
 * FS-DAX page goes from 1025 to 1 unseen, and nobody who waits for 1 is woken.
 */
export function* gup_put_folio(k: Kernel, folio: Folio, refs: number, flags: number): Code {
  if (flags & FOLL_PIN && is_zero_page(k, folio.page)) return;
  const units = yield* dropPincount(k, folio, refs, flags);
  yield* k.folio_put_refs(folio, units);
}

/**
 * Drops references or pins that GUP took: the last unit with put_page(), which has the hook.
 *
 * Models `mm/gup.c:put_compound_head()` @ v5.10; in v5.10, unpin_user_page() drops all the units in one step, and looks
 * for the base reference itself.
 */
export function* put_compound_head(k: Kernel, folio: Folio, refs: number, flags: number): Code {
  if (flags & FOLL_PIN && is_zero_page(k, folio.page)) return;
  const units = yield* dropPincount(k, folio, refs, flags);
  if (units > 1) yield* folio_ref_sub(folio, units - 1);
  yield* k.put_page(folio.page);
}
