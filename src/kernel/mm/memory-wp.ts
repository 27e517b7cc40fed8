// Write-protected entries of private mappings: what a store to one brings, and what GUP asks for before it pins a page
// for reading. Source: mm/memory.c.
// Left out everywhere: swap, KSM, userfaultfd.
import type { Code } from "../../explore/access.ts";
import { folio_test_anon, page_folio } from "../include/linux/mm.ts";
import type { Folio, LowerEntry, Page, Pte, VmArea } from "../include/linux/mm_types.ts";
import { folio_ref_count, folio_ref_inc } from "../include/linux/page_ref.ts";
import { PG_anon_exclusive } from "../include/linux/page-flags.ts";
import { pte_lockptr, pte_offset } from "../include/linux/pgtable.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE, set_bits, WRITE_ONCE } from "../lib/atomic.ts";
import { set_pte_at, type VmFault } from "./memory.ts";
import { addNewAnonRmap, ownPte } from "./memory-private.ts";
import { folio_trylock, folio_unlock } from "./memory-swap.ts";
import { clearCounted } from "./memory-zap.ts";
import { anon_vma_prepare } from "./rmap.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    do_wp_page: typeof do_wp_page;
    wp_page_copy: typeof wp_page_copy;
    wp_unshares_anon_only: (k: Kernel) => boolean;
  }
}

/**
 * Does an unshare fault leave alone what is no anonymous page?
 *
 * Models the tests of `unshare` in `mm/memory.c:do_wp_page()` @ v6.1.
 */
export const wp_unshares_anon_only = (_k: Kernel): boolean => true;

/**
 * A store to a page that is mapped for reading: it is one's own already, or is copied. So it is where GUP wants to pin
 * the page for reading, but then the entry does not become writable.
 *
 * Models `mm/memory.c:do_wp_page()` @ v6.12, for a private mapping. Before v5.19 a page does not say that it is one's own,
 * and is copied unless it has one reference.
 *
 * @param orig The entry, as it was seen without the lock.
 * @param unshare FAULT_FLAG_UNSHARE.
 */
export function* do_wp_page(
  k: Kernel,
  vma: VmArea,
  address: number,
  orig: Pte,
  unshare: boolean = false,
): Code<VmFault> {
  const ptep = pte_offset(vma.vm_mm, address);
  const ptl = pte_lockptr(k, vma.vm_mm, address);
  yield* spin_lock(k, ptl);
  if ((yield* READ_ONCE(ptep)) !== orig) {
    yield* spin_unlock(ptl);
    return "NOPAGE";
  }
  const page = k.vm_normal_page(orig);
  if (page !== null && (yield* folio_test_anon(yield* page_folio(k, page)))) {
    const known = k.has_anon_exclusive() && ((yield* READ_ONCE(page.flags)) & PG_anon_exclusive) !== 0;
    if (known || (yield* wp_can_reuse_anon_folio(page.folio))) {
      if (!known && k.has_anon_exclusive()) yield* set_bits(page.flags, PG_anon_exclusive);
      if (!unshare) yield* WRITE_ONCE<LowerEntry>(ptep, { ...orig, write: true, dirty: true });
      yield* spin_unlock(ptl);
      return "NOPAGE";
    }
  } else if (unshare && k.wp_unshares_anon_only()) {
    yield* spin_unlock(ptl);
    return "NOPAGE";
  }
  if (page !== null) {
    const folio = yield* page_folio(k, page);
    yield* folio_ref_inc(folio);
  }
  yield* spin_unlock(ptl);
  return yield* k.wp_page_copy(vma, address, orig, page, unshare);
}

/**
 * Has nobody but the entry a reference to an anonymous page, so that it need not be copied?
 *
 * Models `mm/memory.c:wp_can_reuse_anon_folio()` @ v6.12, for a page that is in no batch and not in the swap cache; v5.10
 * has it in do_wp_page(), and looks at the mapcount, too, which is 1 where the count is.
 * Context: page-table lock held.
 */
function* wp_can_reuse_anon_folio(folio: Folio): Code<boolean> {
  if ((yield* folio_ref_count(folio)) > 1) return false;
  if (!(yield* folio_trylock(folio))) return false;
  const count = yield* folio_ref_count(folio);
  yield* folio_unlock(folio);
  return count === 1;
}

/**
 * Puts a copy in the place of a page, unless the entry has changed meanwhile. Drops the reference to the page.
 *
 * Models `mm/memory.c:wp_page_copy()` @ v6.12.
 *
 * @param page The page, or null if no reference of it is counted.
 */
export function* wp_page_copy(
  k: Kernel,
  vma: VmArea,
  address: number,
  orig: Pte,
  page: Page | null,
  unshare: boolean,
): Code<VmFault> {
  const { vm_mm } = vma;
  const ptep = pte_offset(vm_mm, address);
  const ptl = pte_lockptr(k, vm_mm, address);
  const old = page === null ? null : yield* page_folio(k, page);
  yield* anon_vma_prepare(vma);
  const copy = yield* k.alloc_anon_folio();
  let replaced = false;
  if (copy !== null) {
    yield* spin_lock(k, ptl);
    replaced = (yield* READ_ONCE(ptep)) === orig;
    if (replaced) {
      const rss = old !== null && (yield* folio_test_anon(old)) ? vm_mm.rss_anon : vm_mm.rss_file;
      if (page !== null) yield* clearCounted(ptep, rss);
      else yield* WRITE_ONCE<LowerEntry>(ptep, null);
      yield* k.flush_tlb_mm(vm_mm);
      yield* addNewAnonRmap(k, copy);
      const entry = unshare ? { ...ownPte(copy), write: false, dirty: false } : ownPte(copy);
      yield* set_pte_at(ptep, entry, vm_mm.rss_anon, 1);
      if (old !== null && page !== null) yield* k.folio_remove_rmap_pte(old, page);
    }
    yield* spin_unlock(ptl);
    if (!replaced) yield* k.folio_put(copy.folio);
  }
  if (old !== null) {
    if (replaced) yield* k.folio_put(old);
    yield* k.folio_put(old);
  }
  return copy === null ? "SIGBUS" : "NOPAGE";
}
