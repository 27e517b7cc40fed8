// The end of a reference, and puts in batches. Source: mm/swap.c.
import type { Code } from "../../explore/access.ts";
import { page_folio } from "../include/linux/mm.ts";
import type { Folio, Page } from "../include/linux/mm_types.ts";
import { folio_ref_sub_and_test } from "../include/linux/page_ref.ts";
import type { Kernel } from "../kernel.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    __folio_put: typeof __folio_put;
    release_pages: typeof release_pages;
  }
}

/**
 * Frees a folio whose last reference is gone.
 *
 * Models `mm/swap.c:__folio_put()` @ v6.12, for device memory.
 */
export function* __folio_put(k: Kernel, folio: Folio): Code {
  yield* k.free_zone_device_folio(folio);
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
    if (yield* folio_ref_sub_and_test(folio, 1)) yield* k.free_zone_device_folio(folio);
  }
}
