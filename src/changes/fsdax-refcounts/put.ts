// References to FS-DAX pages and their last put, when no page is one-based any more.
// Source: include/linux/mm.h, mm/swap.c, mm/memremap.c.
import { page_folio } from "../../kernel/include/linux/mm.ts";
import { folio_ref_sub_and_test } from "../../kernel/include/linux/page_ref.ts";
import type { KernelFunctions } from "../../kernel/kernel.ts";
import { READ_ONCE } from "../../kernel/lib/atomic.ts";
/** What drops references, and what the last drop does. */
export const putFunctions: Partial<KernelFunctions> = {
  /** Ours: the number that v6.15 spells 0. */
  fsdax_idle_count: () => 0,

  /** Models `include/linux/mm.h:put_page()` @ v6.15. */
  *put_page(k, page) {
    const folio = yield* page_folio(k, page);
    yield* k.folio_put(folio);
  },

  /** Models `mm/swap.c:folios_put_refs()` @ v6.15, for device memory. */
  *release_pages(k, pages) {
    for (const page of pages) {
      const folio = yield* page_folio(k, page);
      if (yield* folio_ref_sub_and_test(folio, 1)) yield* k.__folio_put(folio);
    }
  },

  /**
   * Models `mm/memremap.c:free_zone_device_folio()` @ v6.15, for FS-DAX: mapping and order belong to the
   * entry of the file and stay.
   */
  *free_zone_device_folio(k, folio) {
    yield* READ_ONCE(folio.pgmap);
    yield* k.wake_up_var(folio.page);
  },
};
