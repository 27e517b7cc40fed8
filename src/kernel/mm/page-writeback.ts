// Dirty pages, as others than DAX see them. Source: mm/page-writeback.c, mm/filemap.c.
import { acquire, type Code } from "../../explore/access.ts";
import { page_folio } from "../include/linux/mm.ts";
import type { Folio, Page } from "../include/linux/mm_types.ts";
import { PG_dirty, PG_locked } from "../include/linux/page-flags.ts";
import type { Kernel } from "../kernel.ts";
import { clear_bits, READ_ONCE, set_bits } from "../lib/atomic.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    set_page_dirty_lock: typeof set_page_dirty_lock;
    folio_mark_dirty: typeof folio_mark_dirty;
  }
}

/** Models `include/linux/pagemap.h:folio_lock()` @ v6.12. Left out: its wait queue. */
export function* folio_lock(folio: Folio): Code {
  yield* acquire([folio.flags], (flags: number) =>
    flags & PG_locked ? null : { next: [flags | PG_locked], result: null },
  );
}

/** Models `mm/filemap.c:folio_unlock()` @ v6.12. */
export function* folio_unlock(folio: Folio): Code {
  yield* clear_bits(folio.flags, PG_locked);
}

/**
 * Marks a page dirty, as who has written to a pinned page does.
 *
 * Models `mm/page-writeback.c:set_page_dirty_lock()` @ v6.12.
 */
export function* set_page_dirty_lock(k: Kernel, page: Page): Code {
  const folio = yield* page_folio(k, page);
  yield* folio_lock(folio);
  yield* k.folio_mark_dirty(folio);
  yield* folio_unlock(folio);
}

/**
 * Marks a folio dirty.
 *
 * Models `mm/page-writeback.c:folio_mark_dirty()` @ v6.12, with the noop_dirty_folio() of DAX file systems: a flag,
 * and no mark of the page cache.
 */
export function* folio_mark_dirty(_k: Kernel, folio: Folio): Code {
  yield* READ_ONCE(folio.mapping);
  yield* set_bits(folio.flags, PG_dirty);
}
