// GUP of pages whose mapping holds a reference, without a look at a devmap bit. Source: mm/gup.c.
import {
  MEMORY_DEVICE_COHERENT,
  MEMORY_DEVICE_FS_DAX,
  MEMORY_DEVICE_PCI_P2PDMA,
} from "../../kernel/include/linux/memremap.ts";
import { is_zero_page, pfn_to_page } from "../../kernel/include/linux/mm.ts";
import { followPgmap, page_pgmap } from "../../kernel/include/linux/mmzone.ts";
import { pfnAt } from "../../kernel/include/linux/pgtable.ts";
import type { KernelFunctions } from "../../kernel/kernel.ts";
import { READ_ONCE } from "../../kernel/lib/atomic.ts";
import { FOLL_PIN, FOLL_WRITE } from "../../kernel/mm/gup-flags.ts";
import { dropPincount } from "../../kernel/mm/gup-grab.ts";

/** How GUP takes such pages, and gives them back. */
export const gupFunctions: Partial<KernelFunctions> = {
  /** Models the retry of `mm/gup.c:try_get_folio()` @ v6.15. */
  *try_get_folio_undo(k, folio, refs) {
    yield* k.folio_put_refs(folio, refs);
  },

  /**
   * Models `include/linux/memremap.h:is_pci_p2pdma_page()` @ v6.15: the pgmap of the head is looked at, by GUP without
   * locks before any reference is held.
   */
  *is_pci_p2pdma_page(k, page) {
    if (page.zone !== "ZONE_DEVICE") return false;
    const pgmap = yield* page_pgmap(k, page);
    return pgmap?.type === MEMORY_DEVICE_PCI_P2PDMA;
  },

  /** Models `mm/gup.c:gup_put_folio()` @ v6.15. */
  *gup_put_folio(k, folio, refs, flags) {
    if (flags & FOLL_PIN && is_zero_page(k, folio.page)) return;
    const units = yield* dropPincount(k, folio, refs, flags);
    yield* k.folio_put_refs(folio, units);
  },

  /**
   * Models `include/linux/mm.h:folio_is_longterm_pinnable()` @ v6.15: a file system waits for short pins
   * only, and coherent memory must be free to move.
   */
  *folio_is_longterm_pinnable(k, folio) {
    const pgmap = yield* followPgmap(k, folio.page);
    return pgmap?.type !== MEMORY_DEVICE_COHERENT && pgmap?.type !== MEMORY_DEVICE_FS_DAX;
  },

  /** Models `mm/gup.c:gup_fast_pmd_leaf()` @ v6.15: one step takes all the references. */
  *gup_fast_pmd_leaf(k, pmdp, pmd, address, nr_pages, flags) {
    if ((flags & FOLL_WRITE && !pmd.write) || pmd.special) return [];
    const pages = Array.from({ length: nr_pages }, (_, i) => pfn_to_page(k, pfnAt(k, pmd, address + i)));
    const [page] = pages;
    const folio = page === undefined ? null : yield* k.try_grab_folio_fast(page, nr_pages, flags);
    if (folio === null) return [];
    const unchanged = (yield* READ_ONCE(pmdp)) === pmd;
    const allowed = unchanged && (yield* k.gup_fast_folio_allowed(folio, flags));
    const unshare = allowed && !pmd.write && (yield* k.gup_must_unshare(null, flags, folio.page));
    if (allowed && !unshare) return pages;
    yield* k.gup_put_folio(folio, nr_pages, flags);
    return [];
  },
};
