// How GUP came to be what it is: from v5.10, where the put of a pin ends in put_page(), to v6.12.
import { folio_test_large } from "../kernel/include/linux/mm.ts";
import { PAGE_MAPPING_ANON, PAGE_MAPPING_DAX_SHARED, TABLE } from "../kernel/include/linux/mm_types.ts";
import { change } from "../kernel/kernel.ts";
import { READ_ONCE } from "../kernel/lib/atomic.ts";
import { FOLL_FAST_ONLY, FOLL_LONGTERM, FOLL_PIN, FOLL_WRITE } from "../kernel/mm/gup-flags.ts";
import { gup_put_folio, try_get_folio, try_grab_folio_fast } from "../kernel/mm/gup-grab.ts";
import { __gup_longterm_locked, check_vma_flags } from "../kernel/mm/gup-slow.ts";

export const gupForkSeq = change({
  name: "gup-fork-seq",
  subject: "mm/gup: prevent gup_fast from racing with COW during fork",
  source: "commit 57efa1fe5957, v5.11; stable 5.10 has it, too",
  about:
    "Before, fork() could look for pins, find none, and share a page that GUP without locks pinned before the entry lost " +
    "the right to write.",
  functions: {
    /** Models write_protect_seq in `mm/gup.c:lockless_pages_from_mm()` @ v5.17. */
    gup_looks_for_fork: () => true,
  },
});

export const gupHeadRecheck = change({
  name: "gup-head-recheck",
  subject: "mm/gup: fix try_grab_compound_head() race with split_huge_page()",
  source: "commit c24d37322548, v5.14",
  about:
    "Before, GUP without locks could end with a reference to a folio that the page had left between the look at " +
    "the head and the reference. And it took all the units of a pin at once, as many as the page asked for before it " +
    "was held; since then one reference comes first, and the rest after it.",
  functions: { try_get_folio, try_grab_folio_fast },
});

export const gupPutFolio = change({
  name: "gup-put-folio",
  subject: "mm/gup: Add gup_put_folio()",
  source: "commit d8ddc099c6b3, v5.18",
  about:
    "Before, the last unit of a pin was dropped with put_page(), which knows that FS-DAX counts are one-based. " +
    "The new put does not: fsdax-wakeup/gup-put repairs that.",
  brings: ["folio_put"],
  functions: { gup_put_folio },
});

export const gupLongtermEarly = change({
  name: "gup-longterm-check-first",
  subject: "mm/gup: remove the vma allocation from gup_longterm_locked()",
  source: "commit 52650c8b466b, v5.11",
  about: "Before, the pages were pinned, then their mappings looked at, and the pins dropped again.",
  functions: { check_vma_flags, __gup_longterm_locked },
});

export const gupPmdRecheck = change({
  name: "gup-pmd-recheck",
  subject: "mm: gup: fix the fast GUP race against THP collapse",
  source: "commit 70cbc3cc78a9, v6.0",
  about: "Before, GUP without locks looked again at the page-table entry, and not at the entry above.",
  functions: {
    /** Models the comparison of pmd_val and pte_val in `mm/gup.c:gup_fast_pte_range()` @ v6.12. */
    *gup_pte_unchanged(_k, pmdp, ptep, pte) {
      if (pmdp !== null && (yield* READ_ONCE(pmdp)) !== TABLE) return false;
      return (yield* READ_ONCE(ptep)) === pte;
    },
  },
});

export const gupFolioAllowed = change({
  name: "gup-fast-folio-allowed",
  subject: "mm/gup: disallow FOLL_LONGTERM GUP-fast writing to file-backed mappings",
  source: "commit a6e79df92e4a, v6.5; as gup_fast_folio_allowed() from v6.10 on",
  about: "Before, pages of any file could be pinned for long and for writing without a look at the mapping.",
  functions: {
    /**
     * Models `mm/gup.c:gup_fast_folio_allowed()` @ v6.12, with CONFIG_SECRETMEM, as distributions build it.
     * Left out: hugetlb, shmem and secret memory, which are not here.
     */
    *gup_fast_folio_allowed(_k, folio, flags) {
      const long = FOLL_PIN | FOLL_LONGTERM | FOLL_WRITE;
      const rejectsFiles = (flags & long) === long;
      const large = yield* folio_test_large(folio);
      if (!rejectsFiles && large) return true;
      const mapping = yield* READ_ONCE(folio.mapping);
      if (mapping === null) return false;
      // The mark of a shared page is the bit by which anonymous pages are known.
      if (mapping === PAGE_MAPPING_ANON || mapping === PAGE_MAPPING_DAX_SHARED) return true;
      return !rejectsFiles;
    },
  },
});

export const gupTryGrab = change({
  name: "gup-devmap-try-grab",
  subject: "mm: gup: stop abusing try_grab_folio",
  source: "commit f442fa614137, v6.10",
  about:
    "Before, for the pages of a huge devmap entry GUP without locks looked whether the count is positive, and added to " +
    "it in a second step. Since then one step adds, unless the count is 0.",
  functions: {
    /** Models the call of try_grab_folio_fast() in `mm/gup.c:gup_fast_devmap_leaf()` @ v6.12. */
    *gup_grab_devmap_page(k, page, flags) {
      return (yield* k.try_grab_folio_fast(page, 1, flags)) !== null;
    },
  },
});

export const gupArguments = change({
  name: "gup-arguments",
  subject: "mm/gup: simplify the external interface functions and consolidate invariants",
  source: "commit d64e2dbc33a1, v6.3",
  about: "Before, a caller of pin_user_pages_fast() could say FOLL_PIN himself.",
  after: ["p2pdma-mmap"],
  functions: {
    /** Models INTERNAL_GUP_FLAGS in `mm/gup.c:is_valid_gup_args()` @ v6.12. */
    is_valid_gup_args: (k, flags, to_set) =>
      (flags & (FOLL_PIN | FOLL_FAST_ONLY)) === 0 && k.below.is_valid_gup_args(flags, to_set),
  },
});
