// Folios of pages, and the put paths. Source: include/linux/mm.h, include/linux/page-flags.h.
import { assert } from "../../../base/assert.ts";
import { hex, type Pfn } from "../../../base/brand.ts";
import type { Code } from "../../../explore/access.ts";
import type { Kernel } from "../../kernel.ts";
import { READ_ONCE } from "../../lib/atomic.ts";
import type { Folio, Page } from "./mm_types.ts";
import { folio_put_testzero, folio_ref_sub_and_test } from "./page_ref.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    put_page: typeof put_page;
    folio_put: typeof folio_put;
    folio_put_refs: typeof folio_put_refs;
    put_devmap_managed_folio_refs: typeof put_devmap_managed_folio_refs;
    fsdax_idle_count: typeof fsdax_idle_count;
  }
}

/** A pin of a folio of one page counts as this many references. */
export const GUP_PIN_COUNTING_BIAS = 1024;

/** The struct page of a page frame. Not a step: the memory map does not change. */
export function pfn_to_page(k: Kernel, pfn: Pfn): Page {
  const page = k.world.mem_map.get(pfn);
  assert(page, `pfn ${hex(pfn)} has no struct page`);
  return page;
}

/** True for the page that holes are read from, of which no references are counted. */
export const is_zero_page = (k: Kernel, page: Page): boolean => page === k.world.zero_page;

/**
 * The folio that a page is part of now.
 *
 * Models `include/linux/page-flags.h:page_folio()` @ v6.12: one read of word 0, which is the head of
 * the folio if the page is a tail.
 */
export function* page_folio(k: Kernel, page: Page): Code<Folio> {
  const word0 = yield* READ_ONCE(page.pgmap);
  return word0 !== null && "head" in word0 ? pfn_to_page(k, word0.head).folio : page.folio;
}

/**
 * The count of an FS-DAX page that no one uses, whether it is in a file or free.
 *
 * Ours: the number that E0 to E2 of the kernel spell 1 in many places.
 */
export const fsdax_idle_count = (_k: Kernel): number => 1;

/**
 * Drops a reference to a page.
 *
 * Models `include/linux/mm.h:put_page()` @ v5.18: FS-DAX pages go through the hook that sees 2 -> 1.
 */
export function* put_page(k: Kernel, page: Page): Code {
  const folio = yield* page_folio(k, page);
  if (yield* k.put_devmap_managed_folio_refs(folio, 1)) return;
  yield* k.folio_put(folio);
}

/**
 * Drops a reference to a folio. Knows nothing of one-based counts.
 *
 * Models `include/linux/mm.h:folio_put()` @ v5.18.
 */
export function* folio_put(k: Kernel, folio: Folio): Code {
  if (yield* folio_put_testzero(folio)) yield* k.__folio_put(folio);
}

/**
 * Drops several references to a folio. Knows nothing of one-based counts.
 *
 * Models `include/linux/mm.h:folio_put_refs()` @ v5.18.
 */
export function* folio_put_refs(k: Kernel, folio: Folio, refs: number): Code {
  if (yield* folio_ref_sub_and_test(folio, refs)) yield* k.__folio_put(folio);
}

/**
 * Drops references to an FS-DAX page, whose count is one-based, and wakes those who wait for it to be
 * idle. Other pages are left to the caller.
 *
 * Models `include/linux/mm.h:put_devmap_managed_page()` @ v5.18, which drops one reference; callers of
 * v5.18 pass 1.
 * Left out: the static key, which is on while there is FS-DAX memory.
 *
 * @returns whether the references were dropped here.
 */
export function* put_devmap_managed_folio_refs(k: Kernel, folio: Folio, refs: number): Code<boolean> {
  if (is_zero_page(k, folio.page)) return false;
  return yield* k.__put_devmap_managed_folio_refs(folio, refs);
}
