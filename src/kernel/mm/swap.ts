// The end of a reference, and puts in batches. Source: mm/swap.c.
import type { Pfn } from "../../base/brand.ts";
import { type Code, rmw } from "../../explore/access.ts";
import { page_folio } from "../include/linux/mm.ts";
import type { Folio, Page, PageMapping } from "../include/linux/mm_types.ts";
import { folio_ref_sub_and_test } from "../include/linux/page_ref.ts";
import { PG_active, PG_referenced } from "../include/linux/page-flags.ts";
import type { Kernel } from "../kernel.ts";
import { clear_bits, READ_ONCE, set_bits, WRITE_ONCE } from "../lib/atomic.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    __folio_put: typeof __folio_put;
    release_pages: typeof release_pages;
    folio_mark_accessed: typeof folio_mark_accessed;
  }
}

/**
 * Frees a folio whose last reference is gone.
 *
 * Models `mm/swap.c:__folio_put()` @ v6.12: device memory has its own way, other pages go back to the pool.
 */
export function* __folio_put(k: Kernel, folio: Folio): Code {
  const { page } = folio;
  if (page.zone === "ZONE_DEVICE") {
    yield* k.free_zone_device_folio(folio);
    return;
  }
  const { pfn } = page;
  yield* k.mem_cgroup_uncharge(folio);
  yield* WRITE_ONCE<PageMapping>(page.mapping, null);
  yield* rmw([k.world.free_ram], (pool: readonly Pfn[]) => ({
    next: [[...pool, pfn].sort((a, b) => a - b)],
    result: null,
  }));
}

/**
 * Drops a reference to each of several pages.
 *
 * Models `mm/swap.c:release_pages()` @ v5.18, for device memory.
 */
export function* release_pages(k: Kernel, pages: readonly Page[]): Code {
  for (const page of pages) {
    const folio = yield* page_folio(k, page);
    if (yield* k.put_devmap_managed_folio_refs(folio, 1)) continue;
    if (yield* folio_ref_sub_and_test(folio, 1)) yield* k.__folio_put(folio);
  }
}

/**
 * Notes that a page was used. A page of device memory is on no list from which to be reclaimed, so nothing but flags
 * comes of it.
 *
 * Models `mm/swap.c:folio_mark_accessed()` @ v6.12, for a folio that is on no list and in no batch.
 * Left out: the multi-generational LRU, idle tracking.
 */
export function* folio_mark_accessed(_k: Kernel, folio: Folio): Code {
  const flags = yield* READ_ONCE(folio.flags);
  if (!(flags & PG_referenced)) yield* set_bits(folio.flags, PG_referenced);
  else if (!(flags & PG_active)) yield* clear_bits(folio.flags, PG_referenced);
}
