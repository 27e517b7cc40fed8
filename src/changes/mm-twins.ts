// Changes that break page tables, GUP and counts on purpose.

import { GUP_PIN_COUNTING_BIAS, page_folio, pfn_to_page } from "../kernel/include/linux/mm.ts";
import type { Page } from "../kernel/include/linux/mm_types.ts";
import {
  folio_ref_add,
  folio_ref_sub,
  folio_ref_sub_and_test,
  folio_ref_try_add,
} from "../kernel/include/linux/page_ref.ts";
import { pte_lockptr, pte_offset } from "../kernel/include/linux/pgtable.ts";
import { pte_present } from "../kernel/include/linux/swapops.ts";
import { copyOf } from "../kernel/kernel/fork.ts";
import { down_write, up_write } from "../kernel/kernel/locking/rwsem.ts";
import { spin_lock, spin_unlock } from "../kernel/kernel/locking/spinlock.ts";
import { change } from "../kernel/kernel.ts";
import { atomic_add, atomic_read, READ_ONCE, WRITE_ONCE } from "../kernel/lib/atomic.ts";
import { FOLL_PIN } from "../kernel/mm/gup-flags.ts";
import { should_zap } from "../kernel/mm/memory-zap.ts";
import { linkFile } from "../kernel/mm/mmap.ts";
import { anon_vma_prepare } from "../kernel/mm/rmap.ts";
import { __split_vma } from "../kernel/mm/vma.ts";

const twin = (name: string, subject: string, functions: Parameters<typeof change>[0]["functions"]) =>
  change({ name: `twin/${name}`, subject, source: "twin", functions });

export const insertPageOneBased = twin(
  "insert-page-one-based",
  "a one-based FS-DAX page is mapped with insert_page(), and its entry is still special",
  {
    *vmf_insert_mixed(k, vmf, pfn, mkwrite) {
      const page = pfn_to_page(k, pfn);
      const fault = yield* k.insert_page(vmf.vma, vmf.address, page, mkwrite);
      const ptep = pte_offset(vmf.vma.vm_mm, vmf.address);
      const pte = yield* READ_ONCE(ptep);
      if (pte !== null) yield* WRITE_ONCE(ptep, { ...pte, special: true, devmap: true });
      return fault;
    },
  },
);

export const insertWithoutMapcount = twin(
  "insert-without-mapcount",
  "a normalised FS-DAX page is mapped with a reference, but its mapcount stays",
  {
    *folio_add_file_rmap_pte() {},
  },
);

export const zapKeepsRss = twin("zap-keeps-rss", "a zap leaves the pages in the count of the process", {
  *zap_present_pte(k, vma, address, pte) {
    const zapped = yield* k.below.zap_present_pte(vma, address, pte);
    if (zapped.page !== null) yield* atomic_add(vma.vm_mm.rss_file, 1);
    return zapped;
  },
});

export const rmapAfterUnlock = twin(
  "rmap-after-unlock",
  "the delayed fall of the mapcounts of dirty entries comes after the page-table lock is dropped",
  {
    *zap_pte_range(k, vma, first, end, even_cows) {
      const ptl = pte_lockptr(k, vma.vm_mm, first);
      const pages: Page[] = [];
      const delayed: Page[] = [];
      yield* spin_lock(k, ptl);
      for (let address = first; address < end; address++) {
        const pte = yield* READ_ONCE(pte_offset(vma.vm_mm, address));
        if (!should_zap(k, pte, even_cows)) continue;
        const { page, delayed: later } = yield* k.zap_present_pte(vma, address, pte);
        if (page !== null) pages.push(page);
        if (page !== null && later) delayed.push(page);
      }
      yield* spin_unlock(ptl);
      if (pages.length > 0) yield* k.flush_tlb_mm(vma.vm_mm);
      for (const page of delayed) {
        const folio = yield* page_folio(k, page);
        yield* k.folio_remove_rmap_pte(folio, page);
      }
      yield* k.zap_drop_references(pages);
      return { pages: [], cleared: false };
    },
  },
);

export const dropBeforeFlush = twin(
  "drop-before-flush",
  "a zap drops the references of entries before the TLB is flushed",
  {
    *zap_pte_range(k, vma, first, end) {
      const ptl = pte_lockptr(k, vma.vm_mm, first);
      const pages: Page[] = [];
      yield* spin_lock(k, ptl);
      for (let address = first; address < end; address++) {
        const pte = yield* READ_ONCE(pte_offset(vma.vm_mm, address));
        if (!pte_present(pte)) continue;
        const { page, delayed } = yield* k.zap_present_pte(vma, address, pte);
        if (page === null) continue;
        pages.push(page);
        if (!delayed) continue;
        const folio = yield* page_folio(k, page);
        yield* k.folio_remove_rmap_pte(folio, page);
      }
      yield* spin_unlock(ptl);
      yield* k.zap_drop_references(pages);
      return { pages: [], cleared: pages.length > 0 };
    },
  },
);

export const flushForgetsNested = twin(
  "flush-forgets-nested",
  "a zap that finds nothing to clear does not flush, whoever else is about to",
  {
    *zap_page_range(k, vma, first, end, even_cows = true) {
      const { pages, cleared } = yield* k.zap_pmd_range(vma, first, end, even_cows);
      if (!cleared) return;
      yield* k.flush_tlb_mm(vma.vm_mm);
      yield* k.zap_drop_references(pages);
    },
  },
);

export const dropBeforeFlushNotNested = twin(
  "drop-before-flush-not-nested",
  "a zap drops the references of entries before the TLB is flushed, and none flushes for another",
  { ...dropBeforeFlush.functions, ...flushForgetsNested.functions },
);

export const dropBeforeRmap = twin(
  "drop-before-rmap",
  "a zap drops the reference of an entry before it lowers the mapcount",
  {
    *zap_present_pte(k, vma, address, pte) {
      const page = k.vm_normal_page(pte);
      if (page !== null) {
        const folio = yield* page_folio(k, page);
        if (yield* folio_ref_sub_and_test(folio, 1)) yield* k.free_zone_device_folio(folio);
        const { delayed } = yield* k.below.zap_present_pte(vma, address, pte);
        if (delayed) yield* k.folio_remove_rmap_pte(folio, page);
      }
      return { page: null, delayed: false };
    },
  },
);

export const hookReadsAfterSub = twin(
  "hook-reads-after-sub",
  "the put hook of one-based pages lowers the count, and reads it in a second step",
  {
    *__put_devmap_managed_folio_refs(k, folio, refs) {
      yield* folio_ref_sub(folio, refs);
      if ((yield* atomic_read(folio._refcount)) === 1) yield* k.wake_up_var(folio._refcount);
      return true;
    },
  },
);

export const releasePagesWithoutHook = twin(
  "release-pages-without-hook",
  "release_pages() drops references without the hook of one-based pages, as from v4.20 to v5.2",
  {
    *release_pages(k, pages) {
      for (const page of pages) {
        const folio = yield* page_folio(k, page);
        if (yield* folio_ref_sub_and_test(folio, 1)) yield* k.free_zone_device_folio(folio);
      }
    },
  },
);

export const undoWithoutHook = twin(
  "undo-without-hook",
  "try_get_folio() gives back what it took of the wrong folio without the hook of one-based pages",
  {
    *try_get_folio_undo(k, folio, refs) {
      yield* k.folio_put_refs(folio, refs);
    },
  },
);

export const fsdaxLongtermPinnable = twin(
  "fsdax-longterm-pinnable",
  "pages of a DAX file may be pinned for long without locks",
  {
    *folio_is_longterm_pinnable() {
      return true;
    },
  },
);

export const vmaLongtermAllowed = twin(
  "vma-longterm-allowed",
  "a mapping of a DAX file does not forbid pins for long",
  {
    check_vma_flags: () => 0,
  },
);

export const zapTrustsSpecial = twin(
  "zap-trusts-special",
  "a zap takes a special PMD entry for one of which no reference is counted",
  {
    zapped_page_pmd: (k, pmd) => k.vm_normal_page_pmd(pmd),
  },
);

export const skipHeadRecheck = twin(
  "skip-head-recheck",
  "GUP without locks does not look again whether the page still belongs to the folio",
  {
    *try_get_folio(k, page, refs) {
      const folio = yield* page_folio(k, page);
      return (yield* folio_ref_try_add(folio, refs)) ? folio : null;
    },
  },
);

export const unpinWithBias = twin(
  "unpin-with-bias",
  "pins of a large folio are given back as those of a page of its own",
  {
    *gup_put_folio(k, folio, refs, flags) {
      yield* k.folio_put_refs(folio, flags & FOLL_PIN ? refs * GUP_PIN_COUNTING_BIAS : refs);
    },
  },
);

export const pinWithBias = twin(
  "pin-with-bias",
  "pins of a large folio are taken without locks as those of a page of its own",
  {
    *try_grab_folio_fast(k, page, refs, flags) {
      if (!(flags & FOLL_PIN)) return yield* k.below.try_grab_folio_fast(page, refs, flags);
      const folio = yield* k.below.try_grab_folio_fast(page, refs, flags & ~FOLL_PIN);
      if (folio !== null) yield* folio_ref_add(folio, refs * (GUP_PIN_COUNTING_BIAS - 1));
      return folio;
    },
  },
);

export const unpinDropsTwice = twin("unpin-drops-twice", "a pin is given back twice", {
  *gup_put_folio(k, folio, refs, flags) {
    yield* k.below.gup_put_folio(folio, refs, flags);
    yield* k.below.gup_put_folio(folio, refs, flags);
  },
});

export const childIsLinkedLate = twin(
  "child-is-linked-late",
  "fork() copies the entries of a mapping before the file knows of the child's",
  {
    *dup_mmap(k, parent, child) {
      yield* down_write(k, parent.mmap_lock);
      yield* down_write(k, child.mmap_lock);
      const vmas = yield* READ_ONCE(parent.mm_mt);
      for (const vma of vmas) {
        const copy = copyOf(parent, child, vma);
        yield* anon_vma_prepare(copy);
        yield* k.copy_page_range(copy, vma);
        const there = yield* READ_ONCE(child.mm_mt);
        yield* WRITE_ONCE(child.mm_mt, [...there, copy]);
        yield* linkFile(k, copy);
      }
      yield* up_write(child.mmap_lock);
      yield* up_write(parent.mmap_lock);
    },
  },
);

export const splitBeforeRmapLock = twin(
  "split-before-rmap-lock",
  "__split_vma() takes the huge entry over the border apart before it holds off those who look for mappings of the file",
  { __split_vma },
);

export const mmTwins = [
  insertPageOneBased,
  insertWithoutMapcount,
  zapKeepsRss,
  rmapAfterUnlock,
  dropBeforeRmap,
  dropBeforeFlush,
  flushForgetsNested,
  dropBeforeFlushNotNested,
  hookReadsAfterSub,
  releasePagesWithoutHook,
  undoWithoutHook,
  fsdaxLongtermPinnable,
  vmaLongtermAllowed,
  zapTrustsSpecial,
  skipHeadRecheck,
  unpinWithBias,
  pinWithBias,
  unpinDropsTwice,
  childIsLinkedLate,
  splitBeforeRmapLock,
];
