// What fork() does with the entries of mappings. Source: mm/memory.c, mm/huge_memory.c.
import { assert } from "../../base/assert.ts";
import type { Cell, Code } from "../../explore/access.ts";
import { folio_test_anon, page_folio, pfn_to_page } from "../include/linux/mm.ts";
import {
  type LowerEntry,
  type Pte,
  TABLE,
  VM_MIXEDMAP,
  VM_SHARED,
  type VmArea,
} from "../include/linux/mm_types.ts";
import { folio_ref_inc } from "../include/linux/page_ref.ts";
import { PG_anon_exclusive } from "../include/linux/page-flags.ts";
import {
  pmd_offset,
  pmdPages,
  pmdStart,
  pte_lockptr,
  pte_offset,
  pud_offset,
  pudStart,
} from "../include/linux/pgtable.ts";
import { isSwpEntry, type SwpEntry } from "../include/linux/swapops.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { atomic_add, clear_bits, READ_ONCE, WRITE_ONCE } from "../lib/atomic.ts";
import { pmd_alloc } from "./huge_memory-pud.ts";
import { set_pte_at } from "./memory.ts";
import { addNewAnonRmap, ownPte } from "./memory-private.ts";
import { hasAnonVma } from "./rmap.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    copy_page_range: typeof copy_page_range;
    copy_present_pte: typeof copy_present_pte;
    copy_nonpresent_pte: typeof copy_nonpresent_pte;
    copy_huge_pmd: typeof copy_huge_pmd;
  }
}

/**
 * Is a child to have the entries at once? Others come with its faults.
 *
 * Models `mm/memory.c:vma_needs_copy()` @ v6.12; v5.10 asks the same in copy_page_range().
 */
function* vma_needs_copy(src: VmArea): Code<boolean> {
  return (src.vm_flags & VM_MIXEDMAP) !== 0 || (yield* hasAnonVma(src));
}

/**
 * Copies the entries of a mapping to a child, if the child does not get them by faults: of one that has pages of its own,
 * or whose file gives it VM_MIXEDMAP.
 *
 * Models `mm/memory.c:copy_page_range()` @ v6.12.
 * Left out: entries of a PUD: mappings of DAX devices are neither.
 * Context: mmap_lock of both held for writing.
 */
export function* copy_page_range(k: Kernel, dst: VmArea, src: VmArea): Code {
  if (!(yield* vma_needs_copy(src))) return;
  const { write_protect_seq } = src.vm_mm;
  const cow = (src.vm_flags & VM_SHARED) === 0;
  if (cow) yield* atomic_add(write_protect_seq, 1);
  for (let address = src.vm_start; address < src.vm_start + src.vm_pages; address++) {
    const pudp = pud_offset(k, dst.vm_mm, address);
    if (pudp !== null && (address === src.vm_start || address === pudStart(k, address))) {
      yield* pmd_alloc(k, dst.vm_mm, pudp);
    }
    const pmdp = pmd_offset(k, src.vm_mm, address);
    const pmd = pmdp === null ? TABLE : yield* READ_ONCE(pmdp);
    if (pmd !== TABLE) {
      yield* k.copy_huge_pmd(dst, src, address);
      address = pmdStart(k, address) + pmdPages(k) - 1;
      continue;
    }
    const ptl = yield* k.get_locked_pte(dst.vm_mm, address);
    assert(ptl, `${dst.vm_mm.name} has a huge entry before it runs`);
    const srcPtl = pte_lockptr(k, src.vm_mm, address);
    yield* spin_lock(k, srcPtl);
    const pte = yield* READ_ONCE(pte_offset(src.vm_mm, address));
    if (isSwpEntry(pte)) yield* k.copy_nonpresent_pte(dst, src, address, pte);
    else if (pte !== null) yield* k.copy_present_pte(dst, src, address, pte);
    yield* spin_unlock(srcPtl);
    yield* spin_unlock(ptl);
  }
  if (cow) yield* atomic_add(write_protect_seq, 1);
}

/**
 * Copies a huge entry: not that of a file, which comes again with the next fault.
 *
 * Models `mm/huge_memory.c:copy_huge_pmd()` @ v6.12, for the mapping of a file.
 */
export function* copy_huge_pmd(_k: Kernel, _dst: VmArea, _src: VmArea, _address: number): Code {}

/**
 * Copies one entry. A page that may be pinned is not shared: the child gets a copy at once.
 *
 * Models `mm/memory.c:copy_present_pte()` and `copy_present_page()` @ v5.10.
 * Left out: MMF_HAS_PINNED, which spares processes that never pinned the question.
 */
export function* copy_present_pte(k: Kernel, dst: VmArea, src: VmArea, address: number, pte: Pte): Code {
  const page = k.vm_normal_page(pte);
  if (page === null) {
    yield* copyEntry(dst, src, address, pte, null);
    return;
  }
  const folio = yield* page_folio(k, page);
  const cow = (src.vm_flags & VM_SHARED) === 0;
  if (cow && (yield* k.folio_maybe_dma_pinned(folio))) {
    yield* copyPage(k, dst, address);
    return;
  }
  yield* folio_ref_inc(folio);
  const anon = yield* folio_test_anon(folio);
  if (anon) yield* atomic_add(page._mapcount, 1);
  else yield* k.folio_add_file_rmap_pte(folio, page);
  yield* copyEntry(dst, src, address, pte, anon ? dst.vm_mm.rss_anon : dst.vm_mm.rss_file);
}

/**
 * The same, where a page says of itself that it is one process's own: no other may be pinned.
 *
 * Models `mm/memory.c:copy_present_ptes()` and `copy_present_page()` @ v6.12, with folio_try_dup_anon_rmap_ptes(), for one
 * entry. Of the two questions it asks first what v6.1 asks first (page_try_dup_anon_rmap()): whether the page is one's own.
 */
export function* copy_present_pte_exclusive(
  k: Kernel,
  dst: VmArea,
  src: VmArea,
  address: number,
  pte: Pte,
): Code {
  const page = k.vm_normal_page(pte);
  if (page === null) {
    yield* copyEntry(dst, src, address, pte, null);
    return;
  }
  const folio = yield* page_folio(k, page);
  yield* folio_ref_inc(folio);
  const anon = yield* folio_test_anon(folio);
  if (anon) {
    const exclusive = ((yield* READ_ONCE(page.flags)) & PG_anon_exclusive) !== 0;
    if (exclusive && (yield* k.folio_maybe_dma_pinned(folio))) {
      yield* k.folio_put(folio);
      yield* copyPage(k, dst, address);
      return;
    }
    if (exclusive) yield* clear_bits(page.flags, PG_anon_exclusive);
    yield* atomic_add(page._mapcount, 1);
  } else yield* k.folio_add_file_rmap_pte(folio, page);
  yield* copyEntry(dst, src, address, pte, anon ? dst.vm_mm.rss_anon : dst.vm_mm.rss_file);
}

/**
 * Copies an entry that is not present. A page that only a device reaches is shared as others are; it cannot be pinned. That
 * of one that is being moved holds no reference, and both become entries of the page when the move has ended.
 *
 * Models `mm/memory.c:copy_nonpresent_pte()` @ v6.12.
 */
export function* copy_nonpresent_pte(
  k: Kernel,
  dst: VmArea,
  src: VmArea,
  address: number,
  entry: SwpEntry,
): Code {
  const { rss_anon } = dst.vm_mm;
  const cow = (src.vm_flags & VM_SHARED) === 0;
  if (entry.kind === "device-private") {
    const page = pfn_to_page(k, entry.pfn);
    yield* folio_ref_inc(page.folio);
    const exclusive = k.has_anon_exclusive() && ((yield* READ_ONCE(page.flags)) & PG_anon_exclusive) !== 0;
    if (exclusive) yield* clear_bits(page.flags, PG_anon_exclusive);
    yield* atomic_add(page._mapcount, 1);
  }
  const readable: SwpEntry = { ...entry, write: false, exclusive: false };
  if (cow && (entry.write || entry.exclusive)) {
    yield* WRITE_ONCE<LowerEntry>(pte_offset(src.vm_mm, address), readable);
  }
  yield* set_pte_at(pte_offset(dst.vm_mm, address), cow ? readable : entry, rss_anon, 1);
}

/** Gives the child a page of its own. Left out: that fork() fails where there is no memory for it. */
function* copyPage(k: Kernel, dst: VmArea, address: number): Code {
  const copy = yield* k.alloc_anon_folio();
  if (copy === null) return;
  yield* addNewAnonRmap(k, copy);
  yield* set_pte_at(pte_offset(dst.vm_mm, address), ownPte(copy), dst.vm_mm.rss_anon, 1);
}

/**
 * Writes the child's entry. In a private mapping both lose the right to write; in a shared one the child's is clean. Models the end of
 * `mm/memory.c:__copy_present_ptes()` @ v6.12.
 *
 * @param rss The count of the child that the page is added to; null if no reference of it is counted.
 */
function* copyEntry(dst: VmArea, src: VmArea, address: number, pte: Pte, rss: Cell<number> | null): Code {
  const dstp = pte_offset(dst.vm_mm, address);
  const cow = (src.vm_flags & VM_SHARED) === 0;
  if (cow && pte.write) {
    yield* WRITE_ONCE<LowerEntry>(pte_offset(src.vm_mm, address), { ...pte, write: false });
  }
  const entry: Pte = cow ? { ...pte, write: false } : { ...pte, dirty: false };
  if (rss === null) yield* WRITE_ONCE<LowerEntry>(dstp, entry);
  else yield* set_pte_at(dstp, entry, rss, 1);
}
