// The series that normalised the counts of FS-DAX pages, as it reads in v7.2: a mapping holds a
// reference, an idle page has none, and break-layouts waits for 0.
import { pfn as toPfn } from "../base/brand.ts";
import { type Code, fail } from "../explore/access.ts";
import { warnOfDoubleAssociation } from "../kernel/fs/dax.ts";
import { WARN } from "../kernel/include/asm-generic/bug.ts";
import {
  folio_order,
  folio_page,
  is_zero_page,
  isTail,
  page_folio,
  pfn_to_page,
} from "../kernel/include/linux/mm.ts";
import {
  type DaxEntry,
  type Folio,
  MEMORY_DEVICE_FS_DAX,
  type Page,
  type PageMapping,
  PG_head,
  type Word0,
} from "../kernel/include/linux/mm_types.ts";
import {
  folio_ref_count,
  folio_ref_inc,
  folio_ref_sub_and_test,
  page_ref_count,
} from "../kernel/include/linux/page_ref.ts";
import { pfnAt, pmdOrder, pte_lockptr, pte_offset } from "../kernel/include/linux/pgtable.ts";
import { spin_lock, spin_unlock } from "../kernel/kernel/locking/spinlock.ts";
import { change, type Kernel } from "../kernel/kernel.ts";
import { clear_bits, READ_ONCE, WRITE_ONCE } from "../kernel/lib/atomic.ts";
import { dropPincount, FOLL_WRITE } from "../kernel/mm/gup.ts";
import { clearCounted, type VmFault, type VmFaultInfo } from "../kernel/mm/memory.ts";

declare module "../kernel/kernel.ts" {
  interface KernelFunctions {
    vmf_insert_page_mkwrite: typeof vmf_insert_page_mkwrite;
    dax_folio_is_shared: typeof dax_folio_is_shared;
    dax_folio_make_shared: typeof dax_folio_make_shared;
    dax_folio_put: typeof dax_folio_put;
    dax_folio_reset_order: typeof dax_folio_reset_order;
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
function* dax_folio_is_shared(_k: Kernel, folio: Folio): Code<boolean> {
  if ((yield* READ_ONCE(folio.mapping)) !== null) return false;
  return (yield* READ_ONCE(folio.index)) > 0;
}

/** Models `fs/dax.c:dax_folio_make_shared()` @ v7.2: the one file that was noted is counted from now on. */
function* dax_folio_make_shared(_k: Kernel, folio: Folio): Code {
  yield* WRITE_ONCE<PageMapping>(folio.mapping, null);
  yield* WRITE_ONCE(folio.index, 1);
}

/**
 * Takes a folio away from a file: it is one file less, or none has it any more. A large one is taken apart then;
 * clearing the mapping of its first tail clears the counts that lie there. Of a page of its own, only the mapping
 * goes, and nobody asks for its count.
 *
 * Models `fs/dax.c:dax_folio_put()` @ v6.15.
 */
function* dax_folio_put(k: Kernel, folio: Folio): Code {
  if (yield* k.dax_folio_is_shared(folio)) {
    const share = yield* READ_ONCE(folio.index);
    yield* WRITE_ONCE(folio.index, share - 1);
    if (share > 1) return;
  }
  yield* WRITE_ONCE<PageMapping>(folio.mapping, null);
  const order = yield* folio_order(k, folio);
  if (order === 0) return;
  yield* WRITE_ONCE(folio_page(k, folio, 1).order, 0);
  for (let i = 0; i < 2 ** order; i++) {
    const pgmap = yield* READ_ONCE(folio.pgmap);
    const page = folio_page(k, folio, i);
    yield* clear_bits(page.flags, PG_head);
    yield* WRITE_ONCE<Word0>(page.pgmap, null);
    yield* WRITE_ONCE<PageMapping>(page.mapping, null);
    yield* WRITE_ONCE(page.pgmap, pgmap);
    yield* WRITE_ONCE(page.index, 0);
    yield* warnOfReference(k, page);
  }
}

/** I8: whoever follows the pgmap of a page finds one. Models `include/linux/memremap.h:is_pci_p2pdma_page()` @ v7.2. */
function* peekPgmap(k: Kernel, page: Page): Code {
  const folio = yield* page_folio(k, page);
  const pgmap = yield* READ_ONCE(folio.pgmap);
  if (pgmap !== null && !isTail(pgmap)) return;
  const found = pgmap === null ? "0" : "a link to a head";
  fail(
    "pgmap-is-valid",
    `${k.current.name} follows the pgmap of pfn 0x${folio.page.pfn.toString(16)}, which is ${found}`,
  );
}

/** WARN_ON_ONCE(folio_ref_count()) of a page that leaves its file. */
function* warnOfReference(k: Kernel, page: Page): Code {
  const count = yield* page_ref_count(page);
  if (count === 0) return;
  yield* WARN(
    k,
    "no-disassociation-of-referenced-folio",
    `pfn 0x${page.pfn.toString(16)} leaves its file with a count of ${count}`,
  );
}

export const fsdaxRefcounts = change({
  name: "fsdax-refcounts",
  subject: "fs/dax: normalise the reference counts of FS-DAX pages (series)",
  source: "series of 2025 by A. Popple, merged for v6.15; later changes up to v7.2 included",
  about:
    "Before, an FS-DAX page had a base reference, a mapping took none, and every put had to look for 2 -> 1. " +
    "Afterwards a mapping holds a reference and counts, and the last put wakes who waits for 0. Of this the functions of " +
    "v6.15 are written as they read in v7.2; where v6.15 is not named, its source was not at hand.",
  adds: { vmf_insert_page_mkwrite, dax_folio_is_shared, dax_folio_make_shared, dax_folio_put },
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
        if (yield* folio_ref_sub_and_test(folio, 1)) yield* k.__folio_put(folio);
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

    /**
     * Models the test of is_pci_p2pdma_page() in `mm/gup.c:try_grab_folio_fast()` @ v7.2: the pgmap of the head is
     * looked at before any reference is held.
     */
    *try_grab_folio_fast(k, page, refs, flags) {
      if (page.zone === "ZONE_DEVICE") yield* peekPgmap(k, page);
      return yield* k.below.try_grab_folio_fast(page, refs, flags);
    },

    /** Models `mm/gup.c:gup_put_folio()` @ v7.2. */
    *gup_put_folio(k, folio, refs, flags) {
      if (is_zero_page(k, folio.page)) return;
      const units = yield* dropPincount(k, folio, refs, flags);
      yield* k.folio_put_refs(folio, units);
    },

    /** Models `include/linux/mm.h:folio_is_longterm_pinnable()` @ v7.2: a file system waits for short pins only. */
    *folio_is_longterm_pinnable(_k, folio) {
      const pgmap = yield* READ_ONCE(folio.pgmap);
      return pgmap === null || isTail(pgmap) || pgmap.type !== MEMORY_DEVICE_FS_DAX;
    },

    /** Models `mm/gup.c:gup_fast_pmd_leaf()` @ v7.2: one step takes all the references. */
    *gup_fast_pmd_leaf(k, pmdp, pmd, address, nr_pages, flags) {
      if ((flags & FOLL_WRITE && !pmd.write) || pmd.special) return [];
      const pages = Array.from({ length: nr_pages }, (_, i) => pfn_to_page(k, pfnAt(k, pmd, address + i)));
      const [page] = pages;
      const folio = page === undefined ? null : yield* k.try_grab_folio_fast(page, nr_pages, flags);
      if (folio === null) return [];
      const unchanged = (yield* READ_ONCE(pmdp)) === pmd;
      if (unchanged && (yield* k.gup_fast_folio_allowed(folio, flags))) return pages;
      yield* k.gup_put_folio(folio, nr_pages, flags);
      return [];
    },

    /** Models `mm/memory.c:vm_normal_page()` @ v7.2: entries of DAX pages are ordinary ones. */
    vm_normal_page: (k, pte) => (pte.special ? null : pfn_to_page(k, pte.pfn)),

    /**
     * Models `mm/memory.c:zap_pte_range()` @ v7.2, with zap_present_folio_ptes(). The mapcount falls under the
     * page-table lock, the reference after that. For dirty entries the TLB is flushed between, before the lock
     * is dropped.
     */
    *zap_pte_range(k, vma, first, end) {
      const ptl = pte_lockptr(k, vma.vm_mm, first);
      const pages: Page[] = [];
      const delayed: Page[] = [];
      let cleared = false;
      yield* spin_lock(k, ptl);
      for (let address = first; address < end; address++) {
        const pte = yield* READ_ONCE(pte_offset(vma.vm_mm, address));
        if (pte === null) continue;
        const zapped = yield* k.zap_present_pte(vma, address, pte);
        cleared = true;
        if (zapped.page === null) continue;
        pages.push(zapped.page);
        if (zapped.delayed) delayed.push(zapped.page);
      }
      if (delayed.length > 0) yield* k.flush_tlb_mm(vma.vm_mm);
      for (const page of delayed) {
        const folio = yield* page_folio(k, page);
        yield* k.folio_remove_rmap_pte(folio, page);
      }
      yield* spin_unlock(ptl);
      if (delayed.length === 0) return { pages, cleared };
      yield* k.zap_drop_references(pages);
      return { pages: [], cleared: false };
    },

    /**
     * Models `mm/memory.c:zap_present_folio_ptes()` @ v7.2: the mapcount of an entry that was dirty when it was cleared
     * falls later.
     */
    *zap_present_pte(k, vma, address, pte) {
      const ptep = pte_offset(vma.vm_mm, address);
      const page = k.vm_normal_page(pte);
      if (page?.zone !== "ZONE_DEVICE") return yield* k.below.zap_present_pte(vma, address, pte);
      const delayed = yield* clearCounted(ptep, vma.vm_mm.rss_file);
      if (!delayed) {
        const folio = yield* page_folio(k, page);
        yield* k.folio_remove_rmap_pte(folio, page);
      }
      return { page, delayed };
    },

    /** Models the end of `fs/dax.c:dax_fault_iter()` @ v7.2: the fault holds a reference while it maps. */
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
     * Models the insertion in `fs/dax.c:dax_insert_pfn_mkwrite()` @ v7.2: the reference is to the folio of the page
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
     * Models `fs/dax.c:dax_associate_entry()` and `dax_folio_init()` @ v7.2: the first file is noted, whether it
     * shares the folio or not; and the pages of a PMD entry become one folio then.
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
      yield* WRITE_ONCE<PageMapping>(folio.mapping, mapping);
      yield* WRITE_ONCE(folio.index, index);
    },

    /** Models `fs/dax.c:dax_disassociate_entry()` @ v7.2. */
    *dax_disassociate_entry(k, entry: DaxEntry) {
      if (entry.kind !== "normal") return;
      const folio = yield* page_folio(k, pfn_to_page(k, toPfn(entry.pfn)));
      yield* k.dax_folio_put(folio);
    },

    /**
     * Models `fs/dax.c:dax_busy_page()` @ v7.2: references beyond mappings. C does not say which of the two counts is
     * read first; here it is the reference count, always.
     */
    *dax_busy_page(k, entry: DaxEntry) {
      if (entry.kind !== "normal") return null;
      const folio = yield* page_folio(k, pfn_to_page(k, toPfn(entry.pfn)));
      const count = yield* folio_ref_count(folio);
      const mapped = yield* k.folio_mapcount(folio);
      return count - mapped === 0 ? null : folio.page;
    },

    /** Ours: v7.2 waits for the page itself, as an address. */
    page_idle_key: (_k, page) => page,
  },
});

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
  yield* WRITE_ONCE<PageMapping>(folio.mapping, null);
  yield* WRITE_ONCE(folio.index, 0);
  if (order === 0) {
    yield* WRITE_ONCE(folio.pgmap, pgmap);
    return 0;
  }
  yield* WRITE_ONCE(folio_page(k, folio, 1).order, 0);
  for (let i = 0; i < 2 ** order; i++) {
    const page = folio_page(k, folio, i);
    yield* clear_bits(page.flags, PG_head);
    yield* WRITE_ONCE<Word0>(page.pgmap, null);
    yield* WRITE_ONCE<PageMapping>(page.mapping, null);
    yield* WRITE_ONCE(page.index, 0);
    yield* WRITE_ONCE(page.pgmap, pgmap);
  }
  return order;
}

export const daxFolioResetOrder = change({
  name: "dax-folio-reset-order",
  subject: "fs/dax: give the taking apart of a folio a function of its own, dax_folio_reset_order()",
  source: "v7.2",
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
