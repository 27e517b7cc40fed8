// Entries of the page table that hold a reference and count as mappings. Source: mm/memory.c.

import type { Code } from "../../explore/access.ts";
import { page_folio, pfn_to_page } from "../../kernel/include/linux/mm.ts";
import type { Page } from "../../kernel/include/linux/mm_types.ts";
import { pte_lockptr, pte_offset } from "../../kernel/include/linux/pgtable.ts";
import { isSwpEntry } from "../../kernel/include/linux/swapops.ts";
import { spin_lock, spin_unlock } from "../../kernel/kernel/locking/spinlock.ts";
import type { Kernel, KernelFunctions } from "../../kernel/kernel.ts";
import { READ_ONCE } from "../../kernel/lib/atomic.ts";
import type { VmFault, VmFaultInfo } from "../../kernel/mm/memory.ts";
import { clearCounted, should_zap, vma_is_anonymous } from "../../kernel/mm/memory-zap.ts";

declare module "../../kernel/kernel.ts" {
  interface KernelFunctions {
    vmf_insert_page_mkwrite: typeof vmf_insert_page_mkwrite;
  }
}

/** Models `mm/memory.c:vmf_insert_page_mkwrite()` @ v6.15. */
export function* vmf_insert_page_mkwrite(
  k: Kernel,
  vmf: VmFaultInfo,
  page: Page,
  write: boolean,
): Code<VmFault> {
  return yield* k.insert_page(vmf.vma, vmf.address, page, write);
}

/** How such entries are removed. */
export const memoryFunctions: Partial<KernelFunctions> = {
  /** Models `mm/memory.c:vm_normal_page()` @ v6.15: entries of DAX pages are ordinary ones. */
  vm_normal_page: (k, pte) => (pte.special ? null : pfn_to_page(k, pte.pfn)),

  /**
   * Models `mm/memory.c:zap_pte_range()` @ v6.15, with zap_present_folio_ptes(). The mapcount falls under the
   * page-table lock, the reference after that. For dirty entries the TLB is flushed between, before the lock
   * is dropped.
   */
  *zap_pte_range(k, vma, first, end, even_cows) {
    const ptl = pte_lockptr(k, vma.vm_mm, first);
    const pages: Page[] = [];
    const delayed: Page[] = [];
    let cleared = false;
    yield* spin_lock(k, ptl);
    for (let address = first; address < end; address++) {
      const pte = yield* READ_ONCE(pte_offset(vma.vm_mm, address));
      if (isSwpEntry(pte) && even_cows) yield* k.zap_nonpresent_pte(vma, address, pte);
      if (!should_zap(k, pte, even_cows)) continue;
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
   * Models `mm/memory.c:zap_present_folio_ptes()` @ v6.15: the mapcount of an entry that was dirty when it was cleared
   * falls later.
   * Left out: the marks of the entry, dirty and young, that pass to the folio; nobody asks a DAX page for them.
   */
  *zap_present_pte(k, vma, address, pte) {
    const ptep = pte_offset(vma.vm_mm, address);
    const page = k.vm_normal_page(pte);
    const ofFile = page?.zone === "ZONE_DEVICE" && !vma_is_anonymous(vma);
    if (!ofFile) return yield* k.below.zap_present_pte(vma, address, pte);
    const delayed = yield* clearCounted(ptep, vma.vm_mm.rss_file);
    if (!delayed) {
      const folio = yield* page_folio(k, page);
      yield* k.folio_remove_rmap_pte(folio, page);
    }
    return { page, delayed };
  },
};
