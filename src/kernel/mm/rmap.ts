// Who maps a folio, as a count. Source: mm/rmap.c, include/linux/mm.h.
import type { Code } from "../../explore/access.ts";
import type { Folio } from "../include/linux/mm_types.ts";
import type { Kernel } from "../kernel.ts";
import { atomic_add, atomic_read } from "../lib/atomic.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    folio_mapcount: typeof folio_mapcount;
    folio_add_file_rmap_pte: typeof folio_add_file_rmap_pte;
    folio_remove_rmap_pte: typeof folio_remove_rmap_pte;
  }
}

/** Models `include/linux/mm.h:folio_mapcount()` @ v6.12, for a folio of one page. */
export function* folio_mapcount(_k: Kernel, folio: Folio): Code<number> {
  return (yield* atomic_read(folio._mapcount)) + 1;
}

/** Models `mm/rmap.c:folio_add_file_rmap_ptes()` @ v6.12, for one entry. */
export function* folio_add_file_rmap_pte(_k: Kernel, folio: Folio): Code {
  yield* atomic_add(folio._mapcount, 1);
}

/** Models `mm/rmap.c:folio_remove_rmap_ptes()` @ v6.12, for one entry. */
export function* folio_remove_rmap_pte(_k: Kernel, folio: Folio): Code {
  yield* atomic_add(folio._mapcount, -1);
}
