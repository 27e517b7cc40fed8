// Taking a folio apart when it leaves its last file, as v7.2 has it.
import type { Code } from "../explore/access.ts";
import { noteTakenAway } from "../kernel/fs/dax-associate.ts";
import { folio_order, folio_page } from "../kernel/include/linux/mm.ts";
import type { Folio, PageMapping } from "../kernel/include/linux/mm_types.ts";
import { PG_head } from "../kernel/include/linux/page-flags.ts";
import { change, type Kernel } from "../kernel/kernel.ts";
import { clear_bits, READ_ONCE, WRITE_ONCE } from "../kernel/lib/atomic.ts";
import { warnOfReference } from "./fsdax-refcounts/dax.ts";

declare module "../kernel/kernel.ts" {
  interface KernelFunctions {
    dax_folio_reset_order: typeof dax_folio_reset_order;
  }
}

/**
 * Takes a folio apart, if it is large, and makes each of its pages one that no file has. Clearing the mapping of the
 * first tail clears the counts that lie there.
 *
 * Models `fs/dax.c:dax_folio_reset_order()` @ v7.2.
 *
 * @returns the order that the folio had.
 */
function* dax_folio_reset_order(k: Kernel, folio: Folio): Code<number> {
  const pgmap = yield* READ_ONCE(folio.pgmap);
  const order = yield* folio_order(k, folio);
  yield* WRITE_ONCE<PageMapping>(folio.mapping, null, [noteTakenAway(k, folio)]);
  yield* WRITE_ONCE(folio.index, 0);
  if (order === 0) {
    yield* WRITE_ONCE(folio.pgmap, pgmap);
    return 0;
  }
  yield* WRITE_ONCE(folio_page(k, folio, 1).order, 0);
  for (let i = 0; i < 2 ** order; i++) {
    const page = folio_page(k, folio, i);
    yield* clear_bits(page.flags, PG_head);
    yield* k.clear_compound_head(page);
    yield* WRITE_ONCE<PageMapping>(page.mapping, null);
    yield* WRITE_ONCE(page.index, 0);
    yield* WRITE_ONCE(page.pgmap, pgmap);
  }
  return order;
}

export const daxFolioResetOrder = change({
  name: "dax-folio-reset-order",
  subject: "dax: Factor out dax_folio_reset_order() helper",
  source: "commit 59eb73b98ae0, J. Groves, 2026",
  about:
    "Before, a page of its own kept its index when it left its file, and nobody warned if it was referenced; a large " +
    "folio was taken apart in the same way.",
  after: ["fsdax-refcounts"],
  adds: { dax_folio_reset_order },
  functions: {
    /** Models `fs/dax.c:dax_folio_put()` @ v7.2. The kernel warns where a folio leaves its last file with references. */
    *dax_folio_put(k, folio) {
      if (yield* k.dax_folio_is_shared(folio)) {
        const share = yield* READ_ONCE(folio.index);
        yield* WRITE_ONCE(folio.index, share - 1);
        if (share > 1) return;
      }
      const order = yield* k.dax_folio_reset_order(folio);
      for (let i = 0; i < 2 ** order; i++) yield* warnOfReference(k, folio_page(k, folio, i));
    },
  },
});
