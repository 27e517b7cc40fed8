// The two candidate fixes of the missed wakeup of 2022. Both make the last drop of a pin see that an
// FS-DAX page is idle at 1; they differ in who looks.

import { is_zero_page } from "../kernel/include/linux/mm.ts";
import { folio_put_testzero, folio_ref_sub } from "../kernel/include/linux/page_ref.ts";
import { change } from "../kernel/kernel.ts";
import { FOLL_PIN } from "../kernel/mm/gup-flags.ts";
import { dropPincount } from "../kernel/mm/gup-grab.ts";

/** As posted: every folio put looks. A drop of several keeps one unit back for the put that looks. */
export const folioPut = change({
  name: "fsdax-wakeup/folio-put",
  subject: "mm: fix missing wake-up event for FSDAX pages (v1)",
  source: "Message-ID: <20220704074054.32310-1-songmuchun@bytedance.com>",
  about:
    "gup_put_folio() of v5.18 drops the last pin with a folio put that knows nothing of one-based " +
    "counts, and nobody wakes the waiter in break-layouts. Here folio_put() itself has the hook.",
  onto: ["v5.18"],
  functions: {
    *folio_put(k, folio) {
      if (yield* k.put_devmap_managed_folio_refs(folio, 1)) return;
      if (yield* folio_put_testzero(folio)) yield* k.__folio_put(folio);
    },
    *folio_put_refs(k, folio, refs) {
      if (refs > 1) yield* folio_ref_sub(folio, refs - 1);
      yield* k.folio_put(folio);
    },
  },
});

/** As proposed in the answer, and merged: the callers in GUP look, with the number of references. */
export const gupPut = change({
  name: "fsdax-wakeup/gup-put",
  subject: "mm: fix missing wake-up event for FSDAX pages",
  source:
    "commit f4f451a16dd1, v5.19; proposed in reply to Message-ID <20220704074054.32310-1-songmuchun@bytedance.com>",
  about:
    "gup_put_folio() of v5.18 drops the last pin with a folio put that knows nothing of one-based " +
    "counts, and nobody wakes the waiter in break-layouts. Here the hook takes a number of references, " +
    "and gup_put_folio() and the undo path of try_get_folio() call it; folio_put() stays as it is.",
  onto: ["v5.18"],
  functions: {
    *try_get_folio_undo(k, folio, refs) {
      if (yield* k.put_devmap_managed_folio_refs(folio, refs)) return;
      yield* k.folio_put_refs(folio, refs);
    },
    *gup_put_folio(k, folio, refs, flags) {
      if (flags & FOLL_PIN && is_zero_page(k, folio.page)) return;
      const units = yield* dropPincount(k, folio, refs, flags);
      if (yield* k.put_devmap_managed_folio_refs(folio, units)) return;
      yield* k.folio_put_refs(folio, units);
    },
  },
});
