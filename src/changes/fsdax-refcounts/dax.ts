// What fs/dax.c does with pages whose mapping holds a reference: faults, and the folios of entries.
// Source: fs/dax.c.
import { pfn as toPfn } from "../../base/brand.ts";
import type { Code } from "../../explore/access.ts";
import { noteGiven, noteTakenAway, warnOfDoubleAssociation } from "../../kernel/fs/dax-associate.ts";
import { WARN } from "../../kernel/include/asm-generic/bug.ts";
import type { DaxEntry } from "../../kernel/include/linux/dax.ts";
import { folio_order, folio_page, page_folio, pfn_to_page } from "../../kernel/include/linux/mm.ts";
import type { Folio, Page, PageMapping, Word0 } from "../../kernel/include/linux/mm_types.ts";
import { folio_ref_count, folio_ref_inc, page_ref_count } from "../../kernel/include/linux/page_ref.ts";
import { PG_head } from "../../kernel/include/linux/page-flags.ts";
import { pmdOrder } from "../../kernel/include/linux/pgtable.ts";
import type { Kernel, KernelFunctions } from "../../kernel/kernel.ts";
import { clear_bits, READ_ONCE, WRITE_ONCE } from "../../kernel/lib/atomic.ts";

declare module "../../kernel/kernel.ts" {
  interface KernelFunctions {
    dax_folio_is_shared: typeof dax_folio_is_shared;
    dax_folio_make_shared: typeof dax_folio_make_shared;
    dax_folio_put: typeof dax_folio_put;
    clear_compound_head: typeof clear_compound_head;
  }
}

/**
 * Do several files have the page? No mapping is noted then, and the word of the index counts them.
 *
 * Models `fs/dax.c:dax_folio_is_shared()` @ v6.15.
 */
export function* dax_folio_is_shared(_k: Kernel, folio: Folio): Code<boolean> {
  if ((yield* READ_ONCE(folio.mapping)) !== null) return false;
  return (yield* READ_ONCE(folio.index)) > 0;
}

/** Models `fs/dax.c:dax_folio_make_shared()` @ v6.15: the one file that was noted is counted from now on. */
export function* dax_folio_make_shared(_k: Kernel, folio: Folio): Code {
  yield* WRITE_ONCE<PageMapping>(folio.mapping, null);
  yield* WRITE_ONCE(folio.index, 1);
}

/**
 * Clears the word of a page that is the link of a tail to its head, and that is the pgmap of a head.
 *
 * Models `include/linux/page-flags.h:clear_compound_head()` @ v6.15.
 */
export function* clear_compound_head(_k: Kernel, page: Page): Code {
  yield* WRITE_ONCE<Word0>(page.pgmap, null);
}

/**
 * Takes a folio away from a file: it is one file less, or none has it any more. A large one is taken apart then;
 * clearing the mapping of its first tail clears the counts that lie there. Of a page of its own, only the mapping
 * goes, and nobody asks for its count.
 *
 * Models `fs/dax.c:dax_folio_put()` @ v6.15.
 */
export function* dax_folio_put(k: Kernel, folio: Folio): Code {
  if (yield* k.dax_folio_is_shared(folio)) {
    const share = yield* READ_ONCE(folio.index);
    yield* WRITE_ONCE(folio.index, share - 1);
    if (share > 1) return;
  }
  yield* WRITE_ONCE<PageMapping>(folio.mapping, null, [noteTakenAway(k, folio)]);
  const order = yield* folio_order(k, folio);
  if (order === 0) return;
  yield* WRITE_ONCE(folio_page(k, folio, 1).order, 0);
  for (let i = 0; i < 2 ** order; i++) {
    const pgmap = yield* READ_ONCE(folio.pgmap);
    const page = folio_page(k, folio, i);
    yield* clear_bits(page.flags, PG_head);
    yield* k.clear_compound_head(page);
    yield* WRITE_ONCE<PageMapping>(page.mapping, null);
    yield* WRITE_ONCE(page.pgmap, pgmap);
    yield* WRITE_ONCE(page.index, 0);
    yield* warnOfReference(k, page);
  }
}

/** WARN_ON_ONCE(folio_ref_count()) of a page that leaves its file. */
export function* warnOfReference(k: Kernel, page: Page): Code {
  const count = yield* page_ref_count(page);
  if (count === 0) return;
  yield* WARN(
    k,
    "no-disassociation-of-referenced-folio",
    `pfn 0x${page.pfn.toString(16)} leaves its file with a count of ${count}`,
  );
}

/** Faults, association, and the test whether a page is in use. */
export const daxFunctions: Partial<KernelFunctions> = {
  /**
   * Models the end of `fs/dax.c:dax_fault_iter()` @ v6.15: the fault holds a reference while it maps.
   * Left out: that a PMD is mapped by the folio of the page frame, where that of the entry is taken here: it is the same
   * one, unless the entry is stale.
   */
  *dax_fault_insert(k, vmf, entry, page) {
    const folio = yield* page_folio(k, pfn_to_page(k, toPfn(entry.pfn)));
    yield* folio_ref_inc(folio);
    const fault =
      vmf.order > 0
        ? yield* k.vmf_insert_folio_pmd(vmf, folio, vmf.write)
        : yield* k.vmf_insert_page_mkwrite(vmf, page, vmf.write);
    yield* k.folio_put(folio);
    return fault;
  },

  /**
   * Models the insertion in `fs/dax.c:dax_insert_pfn_mkwrite()` @ v6.15: the reference is to the folio of the page
   * frame that the fault found, whatever the entry is of by now.
   */
  *dax_pfn_insert(k, vmf, page) {
    const folio = yield* page_folio(k, page);
    yield* folio_ref_inc(folio);
    const fault =
      vmf.order > 0
        ? yield* k.vmf_insert_folio_pmd(vmf, folio, true)
        : yield* k.vmf_insert_page_mkwrite(vmf, folio.page, true);
    yield* k.folio_put(folio);
    return fault;
  },

  /**
   * Models `fs/dax.c:dax_associate_entry()` and `dax_folio_init()` @ v6.15: the first file is noted, whether it
   * shares the folio or not; and the pages of a PMD entry become one folio then. How many files share it is read once,
   * for the warning and to count one more, as a compiler may.
   */
  *dax_associate_entry(k, entry: DaxEntry, mapping, index, shared) {
    if (entry.kind !== "normal") return;
    const page = pfn_to_page(k, toPfn(entry.pfn));
    const folio = yield* page_folio(k, page);
    const name = `pfn 0x${entry.pfn.toString(16)}`;
    const of = yield* READ_ONCE(folio.mapping);
    if (shared && (of !== null || (yield* k.dax_folio_is_shared(folio)))) {
      if (of !== null) yield* k.dax_folio_make_shared(folio);
      const share = yield* READ_ONCE(folio.index);
      if (share === 0) yield* WARN(k, "no-sharing-of-unshared-folio", `${name} is shared by 0 files`);
      const order = yield* folio_order(k, folio);
      if (order !== (entry.pmd ? pmdOrder(k) : 0)) {
        yield* WARN(
          k,
          "no-sharing-of-other-order",
          `${name}, part of a folio of order ${order}, is shared by an entry of another`,
        );
      }
      yield* WRITE_ONCE(folio.index, share + 1);
      return;
    }
    if (of !== null) yield* warnOfDoubleAssociation(k, page);
    if ((yield* folio_order(k, folio)) !== 0) {
      yield* WARN(
        k,
        "no-association-of-large-folio",
        `${name} is given to a file, but is part of a large folio`,
      );
    }
    if (entry.pmd) {
      yield* k.prep_compound_page(page, pmdOrder(k));
      const count = yield* folio_ref_count(folio);
      if (count !== 0) {
        yield* WARN(
          k,
          "no-association-of-referenced-folio",
          `${name} is given to a file with a count of ${count}`,
        );
      }
    }
    yield* WRITE_ONCE<PageMapping>(folio.mapping, mapping, [noteGiven(folio)]);
    yield* WRITE_ONCE(folio.index, index);
  },

  /** Models `fs/dax.c:dax_disassociate_entry()` @ v6.15. */
  *dax_disassociate_entry(k, entry: DaxEntry) {
    if (entry.kind !== "normal") return;
    const folio = yield* page_folio(k, pfn_to_page(k, toPfn(entry.pfn)));
    yield* k.dax_folio_put(folio);
  },

  /**
   * Models `fs/dax.c:dax_busy_page()` @ v6.15: references beyond mappings. C does not say which of the two counts is
   * read first; here it is the reference count, always.
   */
  *dax_busy_page(k, entry: DaxEntry) {
    if (entry.kind !== "normal") return null;
    const folio = yield* page_folio(k, pfn_to_page(k, toPfn(entry.pfn)));
    const count = yield* folio_ref_count(folio);
    const mapped = yield* k.folio_mapcount(folio);
    return count - mapped === 0 ? null : folio.page;
  },

  /** Ours: v6.15 waits for the page itself, as an address. */
  page_idle_key: (_k, page) => page,
};
