// get_user_pages under mmap_lock, with faults for what is not there. Source: mm/gup.c.

import type { Pfn } from "../../base/brand.ts";
import type { Code } from "../../explore/access.ts";
import { EEXIST, EFAULT, EMLINK, EOPNOTSUPP } from "../include/asm-generic/errno-base.ts";
import type { DevPagemap } from "../include/linux/memremap.ts";
import { page_folio, pfn_to_page } from "../include/linux/mm.ts";
import {
  type MmStruct,
  overlaps,
  type Page,
  TABLE,
  VM_WRITE,
  type VmArea,
} from "../include/linux/mm_types.ts";
import { isLeaf, pmd_offset, pte_lockptr, pte_offset, pud_offset } from "../include/linux/pgtable.ts";
import { pte_present } from "../include/linux/swapops.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE } from "../lib/atomic.ts";
import { FOLL_GET, FOLL_LONGTERM, FOLL_PIN, FOLL_TOUCH, FOLL_WRITE } from "./gup-flags.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    check_vma_flags: typeof check_vma_flags;
    follow_page_mask: typeof follow_page_mask;
    follow_page_pte: typeof follow_page_pte;
    follow_devmap_page: typeof follow_devmap_page;
    __get_user_pages: typeof __get_user_pages;
    __gup_longterm_locked: typeof __gup_longterm_locked;
  }
}

/**
 * Takes the page behind one page-table entry, under the page-table lock.
 *
 * Models `mm/gup.c:follow_page_pte()` @ v5.18.
 * Left out: protnone; that FOLL_TOUCH marks a page dirty that may be written to, which the entry of a page of one's own is
 * here from the start.
 * Context: mmap_lock held for reading.
 *
 * @returns the page, null if a fault must bring it first, or a negative error: -EMLINK if the process is to get a page
 * of its own by a fault, -EEXIST if the page is there, and is none to be had without a reference.
 */
export function* follow_page_pte(
  k: Kernel,
  vma: VmArea,
  address: number,
  flags: number,
): Code<Page | number | null> {
  const ptl = pte_lockptr(k, vma.vm_mm, address);
  yield* spin_lock(k, ptl);
  const pte = yield* READ_ONCE(pte_offset(vma.vm_mm, address));
  if (!pte_present(pte) || (flags & FOLL_WRITE && !pte.write)) {
    yield* spin_unlock(ptl);
    return null;
  }
  let page = k.vm_normal_page(pte);
  let pgmap: DevPagemap | null = null;
  if (page === null && pte.devmap) {
    if (!(flags & (FOLL_GET | FOLL_PIN))) {
      yield* spin_unlock(ptl);
      return -EEXIST;
    }
    pgmap = yield* k.follow_devmap_page(pte.pfn);
    // The device goes: the kernel tries the fault again, which will fail before long.
    if (pgmap === null) {
      yield* spin_unlock(ptl);
      return null;
    }
    page = pfn_to_page(k, pte.pfn);
  }
  page ??= k.world.zero_page;
  const folio = yield* page_folio(k, page);
  const unshare = !pte.write && (yield* k.gup_must_unshare(vma, flags, page));
  const error = unshare ? -EMLINK : yield* k.try_grab_folio(folio, 1, flags);
  if (error === 0 && flags & FOLL_TOUCH) yield* k.folio_mark_accessed(folio);
  yield* spin_unlock(ptl);
  // The kernel keeps the pgmap until the whole range is done.
  if (pgmap !== null) yield* k.put_dev_pagemap(pgmap);
  return error === 0 ? page : error;
}

/** The pgmap reference of `mm/gup.c:follow_page_pte()` @ v5.18. */
export function* follow_devmap_page(k: Kernel, pfn: Pfn): Code<DevPagemap | null> {
  return yield* k.get_dev_pagemap(pfn);
}

/**
 * Takes the page at an address, whatever the size of the entry that maps it.
 *
 * Models `mm/gup.c:follow_page_mask()`, `follow_pud_mask()` and `follow_pmd_mask()` @ v6.12.
 * Left out: that an ordinary huge entry which is a table by the time its lock is held is followed there and then; here a
 * fault comes first.
 * Context: mmap_lock held for reading.
 *
 * @returns the page, null if a fault must bring it first, or a negative error.
 */
export function* follow_page_mask(
  k: Kernel,
  vma: VmArea,
  address: number,
  flags: number,
): Code<Page | number | null> {
  const wantsWrite = (flags & FOLL_WRITE) !== 0;
  const pudp = pud_offset(k, vma.vm_mm, address);
  const pud = pudp === null ? TABLE : yield* READ_ONCE(pudp);
  if (pud === null) return null;
  if (isLeaf(pud)) return yield* k.follow_huge_pud(vma, address, flags, wantsWrite);
  const pmdp = pmd_offset(k, vma.vm_mm, address);
  const pmd = pmdp === null ? TABLE : yield* READ_ONCE(pmdp);
  if (pmd === null) return null;
  if (isLeaf(pmd)) return yield* k.follow_huge_pmd(vma, address, flags, wantsWrite);
  return yield* k.follow_page_pte(vma, address, flags);
}

/**
 * May pages of this mapping be had at all?
 *
 * Models `mm/gup.c:check_vma_flags()` @ v6.12, for a mapping of a DAX file: no pins for long, which would hold up
 * the file system for as long. A DAX device has no such qualms, and its mapping needs no dirty tracking.
 * Left out: FOLL_FORCE, protection keys, and mappings of other kinds.
 *
 * @returns 0, or a negative error.
 */
export function check_vma_flags(_k: Kernel, vma: VmArea, flags: number): number {
  if (flags & FOLL_LONGTERM && vma.vm_file.is_fsdax) return -EOPNOTSUPP;
  if (flags & FOLL_WRITE && !(vma.vm_flags & VM_WRITE)) return -EFAULT;
  return 0;
}

/**
 * Takes pages under mmap_lock, faulting in what is not there, as often as it takes.
 *
 * Models `mm/gup.c:__get_user_pages()` @ v6.12, with faultin_page().
 * Left out: signals, dropping mmap_lock to retry; -ENOMEM and -EHWPOISON of a fault, which are -EFAULT here; that v5.10
 * says -EFAULT whatever check_vma_flags() says, which says nothing else there.
 *
 * @param start First virtual page number.
 * @param flags Without FOLL_GET and FOLL_PIN, for who only wants the pages to be there.
 * @returns the pages, fewer than asked for where an error came later, or a negative error.
 */
export function* __get_user_pages(
  k: Kernel,
  mm: MmStruct,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[] | number> {
  const pages: Page[] = [];
  let vma: VmArea | null = null;
  for (let i = start; i < start + nr_pages; i++) {
    if (vma === null || !overlaps(vma, i, i + 1)) {
      vma = yield* k.vma_lookup(mm, i);
      const refused = vma === null ? -EFAULT : k.check_vma_flags(vma, flags);
      if (vma === null || refused !== 0) return pages.length > 0 ? pages : refused;
    }
    let page = yield* k.follow_page_mask(vma, i, flags);
    while (page === null || page === -EMLINK) {
      const fault = yield* k.handle_mm_fault(vma, i, (flags & FOLL_WRITE) !== 0, page === -EMLINK);
      if (fault !== "NOPAGE") return pages.length > 0 ? pages : -EFAULT;
      page = yield* k.follow_page_mask(vma, i, flags);
    }
    if (typeof page !== "number") pages.push(page);
    else if (page !== -EEXIST) return pages.length > 0 ? pages : page;
  }
  return pages;
}

/**
 * May pages of this mapping be had at all? That they are to be pinned for long is looked at later.
 *
 * Models `mm/gup.c:check_vma_flags()` @ v5.10.
 */
export function check_vma_flags_without_longterm(_k: Kernel, vma: VmArea, flags: number): number {
  return flags & FOLL_WRITE && !(vma.vm_flags & VM_WRITE) ? -EFAULT : 0;
}

/**
 * Takes pages under mmap_lock, for long if so asked.
 *
 * Models `mm/gup.c:__gup_longterm_locked()` @ v6.12.
 * Left out: pages that must move first: those of coherent device memory, CMA and movable zones.
 */
export function* __gup_longterm_locked(
  k: Kernel,
  mm: MmStruct,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[] | number> {
  return yield* k.__get_user_pages(mm, start, nr_pages, flags);
}

/**
 * Takes pages under mmap_lock, and gives all of them back if they were to be kept for long and one is of a DAX file.
 *
 * Models `mm/gup.c:__gup_longterm_locked()` @ v5.10, with check_dax_vmas().
 * Left out: check_and_migrate_cma_pages().
 */
export function* __gup_longterm_locked_afterwards(
  k: Kernel,
  mm: MmStruct,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[] | number> {
  const pages = yield* k.__get_user_pages(mm, start, nr_pages, flags);
  if (typeof pages === "number" || !(flags & FOLL_LONGTERM)) return pages;
  let vma: VmArea | null = null;
  for (let i = start; i < start + pages.length; i++) {
    if (vma === null || !overlaps(vma, i, i + 1)) vma = yield* k.vma_lookup(mm, i);
    if (vma === null || !vma.vm_file.is_fsdax) continue;
    for (const page of pages) {
      const folio = yield* page_folio(k, page);
      yield* k.gup_put_folio(folio, 1, flags);
    }
    return -EOPNOTSUPP;
  }
  return pages;
}
