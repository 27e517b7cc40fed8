// The series that normalised the counts of FS-DAX pages, as it reads in v7.2: a mapping holds a
// reference, an idle page has none, and break-layouts waits for 0.
import { pfn as toPfn } from "../base/brand.ts";
import type { Code } from "../explore/access.ts";
import { warnOfDoubleAssociation } from "../kernel/fs/dax.ts";
import { WARN } from "../kernel/include/asm-generic/bug.ts";
import { GUP_PIN_COUNTING_BIAS, is_zero_page, page_folio, pfn_to_page } from "../kernel/include/linux/mm.ts";
import type { DaxEntry, Page, PageMapping, Pte } from "../kernel/include/linux/mm_types.ts";
import { folio_ref_count, folio_ref_inc, folio_ref_sub_and_test } from "../kernel/include/linux/page_ref.ts";
import { change, type Kernel } from "../kernel/kernel.ts";
import { READ_ONCE, WRITE_ONCE, xchg } from "../kernel/lib/atomic.ts";
import { FOLL_PIN } from "../kernel/mm/gup.ts";
import type { VmFault, VmFaultInfo } from "../kernel/mm/memory.ts";

declare module "../kernel/kernel.ts" {
  interface KernelFunctions {
    vmf_insert_page_mkwrite: typeof vmf_insert_page_mkwrite;
    dax_folio_is_shared: typeof dax_folio_is_shared;
    dax_folio_make_shared: typeof dax_folio_make_shared;
  }
}

/** Models `mm/memory.c:vmf_insert_page_mkwrite()` @ v7.2. */
function* vmf_insert_page_mkwrite(k: Kernel, vmf: VmFaultInfo, page: Page, write: boolean): Code<VmFault> {
  return yield* k.insert_page(vmf.vma, vmf.address, page, write);
}

/**
 * Do several files have the page? No mapping is noted then, and the word of the index counts them.
 *
 * Models `fs/dax.c:dax_folio_is_shared()` @ v7.2.
 */
function* dax_folio_is_shared(_k: Kernel, page: Page): Code<boolean> {
  if ((yield* READ_ONCE(page.mapping)) !== null) return false;
  return (yield* READ_ONCE(page.index)) > 0;
}

/** Models `fs/dax.c:dax_folio_make_shared()` @ v7.2: the one file that was noted is counted from now on. */
function* dax_folio_make_shared(_k: Kernel, page: Page): Code {
  yield* WRITE_ONCE<PageMapping>(page.mapping, null);
  yield* WRITE_ONCE(page.index, 1);
}

export const fsdaxRefcounts = change({
  name: "fsdax-refcounts",
  subject: "fs/dax: normalise the reference counts of FS-DAX pages (series, as in v7.2)",
  source: "series of 2025 by A. Popple, merged for v6.15; later changes up to v7.2 included",
  about:
    "Before, an FS-DAX page had a base reference, a mapping took none, and every put had to look for 2 -> 1. " +
    "Afterwards a mapping holds a reference and counts, and the last put wakes who waits for 0.",
  adds: { vmf_insert_page_mkwrite, dax_folio_is_shared, dax_folio_make_shared },
  functions: {
    /** Ours: the number that v7.2 spells 0. */
    fsdax_idle_count: () => 0,

    /** Models `include/linux/mm.h:put_page()` @ v7.2. */
    *put_page(k, page) {
      const folio = yield* page_folio(k, page);
      yield* k.folio_put(folio);
    },

    /** Models `mm/swap.c:folios_put_refs()` @ v7.2, for device memory. */
    *release_pages(k, pages) {
      for (const page of pages) {
        const folio = yield* page_folio(k, page);
        if (yield* folio_ref_sub_and_test(folio, 1)) yield* k.free_zone_device_folio(folio);
      }
    },

    /**
     * Models `mm/memremap.c:free_zone_device_folio()` @ v7.2, for FS-DAX: mapping and order belong to the
     * entry of the file and stay.
     */
    *free_zone_device_folio(k, folio) {
      yield* READ_ONCE(folio.pgmap);
      yield* k.wake_up_var(folio.page);
    },

    /** Models the retry of `mm/gup.c:try_get_folio()` @ v7.2. */
    *try_get_folio_undo(k, folio, refs) {
      yield* k.folio_put_refs(folio, refs);
    },

    /** Models `mm/gup.c:gup_put_folio()` @ v7.2, for a folio of one page. */
    *gup_put_folio(k, folio, refs, flags) {
      yield* k.folio_put_refs(folio, flags & FOLL_PIN ? refs * GUP_PIN_COUNTING_BIAS : refs);
    },

    /** Models `mm/memory.c:vm_normal_page()` @ v7.2: entries of DAX pages are ordinary ones. */
    vm_normal_page: (k, pte) => (pte.special ? null : pfn_to_page(k, pte.pfn)),

    /**
     * Models `mm/memory.c:zap_present_folio_ptes()` @ v7.2. The mapcount falls under the page-table lock,
     * the reference only after the TLB flush.
     * Left out: the delay of the mapcount of dirty entries, which ends before the lock is dropped.
     */
    *zap_present_pte(k, vma, address, pte) {
      const ptep = vma.vm_mm.page_table[address];
      if (ptep !== undefined) yield* xchg<Pte | null>(ptep, null);
      const page = k.vm_normal_page(pte);
      if (page === null || is_zero_page(k, page)) return null;
      yield* k.folio_remove_rmap_pte(page.folio);
      return page;
    },

    /** Models the end of `fs/dax.c:dax_fault_iter()` @ v7.2: the fault holds a reference while it maps. */
    *dax_fault_insert(k, vmf, page) {
      const { folio } = page;
      yield* folio_ref_inc(folio);
      const fault = yield* k.vmf_insert_page_mkwrite(vmf, page, vmf.write);
      yield* k.folio_put(folio);
      return fault;
    },

    /** Models `fs/dax.c:dax_associate_entry()` @ v7.2: the first file is noted, whether it shares the page or not. */
    *dax_associate_entry(k, entry: DaxEntry, mapping, index, shared) {
      if (entry.kind !== "normal") return;
      const page = pfn_to_page(k, toPfn(entry.pfn));
      const of = yield* READ_ONCE(page.mapping);
      if (shared && (of !== null || (yield* k.dax_folio_is_shared(page)))) {
        if (of !== null) yield* k.dax_folio_make_shared(page);
        const share = yield* READ_ONCE(page.index);
        yield* WRITE_ONCE(page.index, share + 1);
        return;
      }
      if (of !== null) yield* warnOfDoubleAssociation(k, page);
      yield* WRITE_ONCE<PageMapping>(page.mapping, mapping);
      yield* WRITE_ONCE(page.index, index);
    },

    /**
     * Models `fs/dax.c:dax_disassociate_entry()`, `dax_folio_put()` and `dax_folio_reset_order()` @ v7.2,
     * for a folio of one page. The kernel warns where a folio leaves its last file with references.
     */
    *dax_disassociate_entry(k, entry: DaxEntry) {
      if (entry.kind !== "normal") return;
      const page = pfn_to_page(k, toPfn(entry.pfn));
      if (yield* k.dax_folio_is_shared(page)) {
        const share = yield* READ_ONCE(page.index);
        yield* WRITE_ONCE(page.index, share - 1);
        if (share > 1) return;
      }
      yield* WRITE_ONCE<PageMapping>(page.mapping, null);
      yield* WRITE_ONCE(page.index, 0);
      const count = yield* folio_ref_count(page.folio);
      if (count !== 0) {
        yield* WARN(
          k,
          "no-disassociation-of-referenced-folio",
          `pfn 0x${entry.pfn.toString(16)} leaves its file with a count of ${count}`,
        );
      }
    },

    /** Models `fs/dax.c:dax_busy_page()` @ v7.2: references beyond mappings. */
    *dax_busy_page(k, entry: DaxEntry) {
      if (entry.kind !== "normal") return null;
      const page = pfn_to_page(k, toPfn(entry.pfn));
      const count = yield* folio_ref_count(page.folio);
      const mapped = yield* k.folio_mapcount(page.folio);
      return count - mapped === 0 ? null : page;
    },

    /** Ours: v7.2 waits for the page itself, as an address. */
    page_idle_key: (_k, page) => page,
  },
});
