// Private mappings of a file: pages of one's own on the first store, and what fork() does with them.
// Source: mm/memory.c, mm/rmap.c. Ordinary memory comes from a pool that setup made.
// Left out everywhere: swap, LRU, userfaultfd; and that PG_anon_exclusive came with v5.19.

import { assert } from "../../base/assert.ts";
import type { Pfn } from "../../base/brand.ts";
import { requireUse } from "../../base/errors.ts";
import { type Code, rmw } from "../../explore/access.ts";
import { folio_test_anon, page_folio } from "../include/linux/mm.ts";
import {
  type LowerEntry,
  PAGE_MAPPING_ANON,
  type Page,
  type PageMapping,
  type Pte,
  TABLE,
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
import { isSwpEntry } from "../include/linux/swapops.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { atomic_add, READ_ONCE, WRITE_ONCE } from "../lib/atomic.ts";
import { pmd_alloc } from "./huge_memory-pud.ts";
import { set_pte_at, type VmFault, type VmFaultInfo } from "./memory.ts";
import { anon_vma_prepare } from "./rmap.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    alloc_anon_folio: typeof alloc_anon_folio;
    handle_private_fault: typeof handle_private_fault;
    finish_cow_fault: typeof finish_cow_fault;
    copy_page_range: typeof copy_page_range;
    copy_present_pte: typeof copy_present_pte;
    copy_huge_pmd: typeof copy_huge_pmd;
  }
}

/**
 * Takes a page of ordinary memory, with one reference.
 *
 * Models `mm/memory.c:folio_prealloc()` @ v6.12. It is charged to the control group.
 *
 * @returns null if there is none: VM_FAULT_OOM.
 */
export function* alloc_anon_folio(k: Kernel): Code<Page | null> {
  const { free_ram } = k.world;
  for (;;) {
    const free = yield* READ_ONCE(free_ram);
    const pfn = free[0];
    const page = pfn === undefined ? undefined : k.world.mem_map.get(pfn);
    if (page === undefined) return null;
    const taken = yield* rmw([free_ram, page._refcount], (pool: readonly Pfn[], count: number) =>
      pool.includes(page.pfn)
        ? { next: [pool.filter((p) => p !== page.pfn), 1], result: true }
        : { next: [pool, count], result: false },
    );
    if (taken) {
      yield* k.mem_cgroup_charge(page.folio);
      return page;
    }
  }
}

/** Makes a new page one's own: models `mm/rmap.c:folio_add_new_anon_rmap()` @ v6.12, RMAP_EXCLUSIVE. */
export function* addNewAnonRmap(page: Page): Code {
  yield* WRITE_ONCE<PageMapping>(page.mapping, PAGE_MAPPING_ANON);
  const flags = yield* READ_ONCE(page.flags);
  yield* WRITE_ONCE(page.flags, flags | PG_anon_exclusive);
  yield* atomic_add(page._mapcount, 1);
}

/** The entry of a page that is one process's own. */
export const ownPte = (page: Page): Pte => ({
  kind: "pte",
  pfn: page.pfn,
  special: false,
  devmap: false,
  write: true,
  dirty: true,
});

/**
 * A fault in a private mapping: a read maps the page of the file, a store brings a copy.
 *
 * Models `mm/memory.c:handle_pte_fault()` @ v6.12, with do_read_fault() and do_cow_fault().
 *
 * @param unshare FAULT_FLAG_UNSHARE: GUP is to pin the page for reading, and nobody else may have it then.
 */
export function* handle_private_fault(
  k: Kernel,
  vma: VmArea,
  address: number,
  write: boolean,
  unshare: boolean = false,
): Code<VmFault> {
  const { huge_fault } = vma.vm_file.i_sb.s_type;
  const pgoff = vma.vm_pgoff + address - vma.vm_start;
  const pte = yield* READ_ONCE(pte_offset(vma.vm_mm, address));
  if (isSwpEntry(pte)) return yield* k.do_swap_page(vma, address, pte);
  if (pte !== null) {
    const copies = (write || unshare) && !pte.write;
    return copies ? yield* k.do_wp_page(vma, address, pte, unshare) : "NOPAGE";
  }
  if (!write) return yield* k[huge_fault]({ vma, address, pgoff, write, order: 0 });

  yield* anon_vma_prepare(vma);
  const cow_page = yield* k.alloc_anon_folio();
  if (cow_page === null) return "SIGBUS";
  const fault = yield* k[huge_fault]({ vma, address, pgoff, write, order: 0, cow_page });
  // The entry holds the reference now, if it was written.
  if (fault !== "DONE_COW") yield* k.folio_put(cow_page.folio);
  return fault === "DONE_COW" ? "NOPAGE" : fault;
}

/**
 * Maps the copy of a page, unless somebody was faster.
 *
 * Models `fs/dax.c:dax_fault_cow_page()` and `mm/memory.c:finish_fault()` @ v6.12.
 */
export function* finish_cow_fault(k: Kernel, vmf: VmFaultInfo, page: Page): Code<VmFault> {
  const { vm_mm } = vmf.vma;
  const ptep = pte_offset(vm_mm, vmf.address);
  const ptl = yield* k.get_locked_pte(vm_mm, vmf.address);
  if (ptl === null) return "NOPAGE";
  const old = yield* READ_ONCE(ptep);
  if (old === null) {
    yield* addNewAnonRmap(page);
    yield* set_pte_at(ptep, ownPte(page), vm_mm.rss_anon, 1);
  }
  yield* spin_unlock(ptl);
  return old === null ? "DONE_COW" : "NOPAGE";
}

/**
 * Copies the entries of a private mapping that has pages of its own to a child.
 *
 * Models `mm/memory.c:copy_page_range()` @ v6.12, for a mapping with an anon_vma; others are not copied at all.
 * Left out: entries of a PUD: DAX devices are not mapped privately; entries that are not present.
 * Context: mmap_lock of both held for writing.
 */
export function* copy_page_range(k: Kernel, dst: VmArea, src: VmArea): Code {
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
    requireUse(!isSwpEntry(pte), `${src.vm_mm.name} forks with memory that only a device reaches`);
    if (pte !== null) yield* k.copy_present_pte(dst, src, address, pte);
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
 * Models `mm/memory.c:copy_present_ptes()` and `copy_present_page()` @ v6.12, for one entry.
 * Left out: MMF_HAS_PINNED, which spares processes that never pinned the question.
 */
export function* copy_present_pte(k: Kernel, dst: VmArea, src: VmArea, address: number, pte: Pte): Code {
  const srcp = pte_offset(src.vm_mm, address);
  const dstp = pte_offset(dst.vm_mm, address);
  const cow = (src.vm_flags & VM_SHARED) === 0;
  const page = k.vm_normal_page(pte);
  let anon = false;
  if (page !== null) {
    const folio = yield* page_folio(k, page);
    anon = yield* folio_test_anon(folio);
    yield* folio_ref_inc(folio);
    if (anon) {
      const flags = yield* READ_ONCE(page.flags);
      const exclusive = (flags & PG_anon_exclusive) !== 0;
      if (exclusive && (yield* k.folio_maybe_dma_pinned(folio))) {
        yield* k.folio_put(folio);
        const copy = yield* k.alloc_anon_folio();
        if (copy === null) return;
        yield* addNewAnonRmap(copy);
        yield* set_pte_at(dstp, ownPte(copy), dst.vm_mm.rss_anon, 1);
        return;
      }
      if (exclusive) yield* WRITE_ONCE(page.flags, flags & ~PG_anon_exclusive);
      yield* atomic_add(page._mapcount, 1);
    } else yield* k.folio_add_file_rmap_pte(folio, page);
  }
  if (cow && pte.write) yield* WRITE_ONCE<LowerEntry>(srcp, { ...pte, write: false });
  const entry: Pte = cow ? { ...pte, write: false } : pte;
  if (page === null) yield* WRITE_ONCE<LowerEntry>(dstp, entry);
  else yield* set_pte_at(dstp, entry, anon ? dst.vm_mm.rss_anon : dst.vm_mm.rss_file, 1);
}
