// get_user_pages: references and pins through a user's address, with and without locks.
// Source: mm/gup.c.
import type { Pfn } from "../../base/brand.ts";
import { type Cell, type Code, rmw } from "../../explore/access.ts";
import { WARN } from "../include/asm-generic/bug.ts";
import {
  addLargeCount,
  GUP_PIN_COUNTING_BIAS,
  is_zero_page,
  page_folio,
  pfn_to_page,
} from "../include/linux/mm.ts";
import {
  type DevPagemap,
  type Folio,
  type MmStruct,
  type Page,
  type Pte,
  TABLE,
  type UpperEntry,
  VM_WRITE,
  type VmArea,
} from "../include/linux/mm_types.ts";
import {
  folio_ref_add,
  folio_ref_count,
  folio_ref_sub,
  folio_ref_try_add,
} from "../include/linux/page_ref.ts";
import {
  isLeaf,
  pfnAt,
  pmd_offset,
  pmdPages,
  pmdStart,
  pte_lockptr,
  pte_offset,
} from "../include/linux/pgtable.ts";
import { down_read, up_read } from "../kernel/locking/rwsem.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE } from "../lib/atomic.ts";
import { local_irq_restore, local_irq_save } from "./mmu_gather.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    try_get_folio: typeof try_get_folio;
    try_get_folio_undo: typeof try_get_folio_undo;
    try_grab_folio_fast: typeof try_grab_folio_fast;
    try_grab_folio: typeof try_grab_folio;
    gup_put_folio: typeof gup_put_folio;
    gup_fast_pte_range: typeof gup_fast_pte_range;
    gup_fast_pmd_leaf: typeof gup_fast_pmd_leaf;
    gup_grab_devmap_page: typeof gup_grab_devmap_page;
    gup_fast_folio_allowed: typeof gup_fast_folio_allowed;
    gup_fast: typeof gup_fast;
    check_vma_flags: typeof check_vma_flags;
    follow_page_mask: typeof follow_page_mask;
    gup_pte_unchanged: typeof gup_pte_unchanged;
    follow_page_pte: typeof follow_page_pte;
    follow_devmap_page: typeof follow_devmap_page;
    __get_user_pages: typeof __get_user_pages;
    __gup_longterm_locked: typeof __gup_longterm_locked;
    gup_fast_fallback: typeof gup_fast_fallback;
    get_user_pages_fast: typeof get_user_pages_fast;
    get_user_pages_fast_only: typeof get_user_pages_fast_only;
    pin_user_pages_fast: typeof pin_user_pages_fast;
    pin_user_pages_fast_only: typeof pin_user_pages_fast_only;
    unpin_user_page: typeof unpin_user_page;
    unpin_user_pages: typeof unpin_user_pages;
    put_user_page: typeof put_user_page;
    user_is_done: typeof user_is_done;
  }
}

/** gup_flags. */
export const FOLL_WRITE = 1 << 0;
export const FOLL_GET = 1 << 1;
export const FOLL_LONGTERM = 1 << 8;
export const FOLL_FAST_ONLY = 1 << 17;
export const FOLL_PIN = 1 << 18;

/** Errors of the kernel that modelled functions return, negative as there. */
export const ENOMEM = 12;
export const EFAULT = 14;
export const EOPNOTSUPP = 95;

/**
 * Takes references to the folio of a page that might just be freed, or made part of another folio.
 *
 * Models `mm/gup.c:try_get_folio()` @ v5.18.
 *
 * @returns the folio, or null if it cannot be had.
 */
export function* try_get_folio(k: Kernel, page: Page, refs: number): Code<Folio | null> {
  for (;;) {
    const folio = yield* page_folio(k, page);
    if ((yield* folio_ref_count(folio)) < 0) {
      yield* WARN(k, "no-negative-refcount", `the count of ${folioName(folio)} is negative`);
      return null;
    }
    if (!(yield* folio_ref_try_add(folio, refs))) return null;
    // Only now is the folio stable; it may have been taken apart since it was looked up.
    if ((yield* page_folio(k, page)) === folio) return folio;
    yield* k.try_get_folio_undo(folio, refs);
  }
}

/**
 * Takes references to what is the head of a page now. It may be no longer when the references are there.
 *
 * Models `mm/gup.c:try_get_compound_head()` @ v5.10.
 */
export function* try_get_compound_head(k: Kernel, page: Page, refs: number): Code<Folio | null> {
  const folio = yield* page_folio(k, page);
  if ((yield* folio_ref_count(folio)) < 0) {
    yield* WARN(k, "no-negative-refcount", `the count of ${folioName(folio)} is negative`);
    return null;
  }
  return (yield* folio_ref_try_add(folio, refs)) ? folio : null;
}

/**
 * Gives back references that were taken to the wrong folio.
 *
 * Models the retry of `mm/gup.c:try_get_folio()` @ v5.18.
 */
export function* try_get_folio_undo(k: Kernel, folio: Folio, refs: number): Code {
  yield* k.folio_put_refs(folio, refs);
}

/**
 * Takes references or pins without holding any lock.
 *
 * Models `mm/gup.c:try_grab_folio_fast()` @ v6.12; v5.18 has it as try_grab_folio(), and asks before it takes
 * the reference whether the page may be pinned for long.
 * Left out: that before about v6.5, and before it came to stable 6.1, a pin of the page of zeroes counted as any other.
 */
export function* try_grab_folio_fast(k: Kernel, page: Page, refs: number, flags: number): Code<Folio | null> {
  if (is_zero_page(k, page)) return page.folio;
  const folio = yield* k.try_get_folio(page, refs);
  if (folio === null || !(flags & FOLL_PIN)) return folio;
  if (flags & FOLL_LONGTERM && !(yield* k.folio_is_longterm_pinnable(folio))) {
    yield* k.try_get_folio_undo(folio, refs);
    return null;
  }
  // The reference that was taken stays beneath the pin.
  if (yield* k.folio_has_pincount(folio)) yield* addLargeCount(k, folio, "_pincount", refs);
  else yield* folio_ref_add(folio, refs * (GUP_PIN_COUNTING_BIAS - 1));
  return folio;
}

/**
 * Takes references or pins of a folio that the page table holds still: its lock is held.
 *
 * Models `mm/gup.c:try_grab_folio()` @ v6.12; v5.18 has it as try_grab_page().
 *
 * @returns 0, or a negative error.
 */
export function* try_grab_folio(k: Kernel, folio: Folio, refs: number, flags: number): Code<number> {
  if (is_zero_page(k, folio.page)) return 0;
  const count = yield* folio_ref_count(folio);
  if (count <= 0) {
    yield* WARN(
      k,
      "no-grab-of-frozen-folio",
      `GUP takes a reference to ${folioName(folio)}, whose count is ${count}`,
    );
    return -ENOMEM;
  }
  if (!(flags & FOLL_PIN)) {
    yield* folio_ref_add(folio, refs);
  } else if (yield* k.folio_has_pincount(folio)) {
    yield* folio_ref_add(folio, refs);
    yield* addLargeCount(k, folio, "_pincount", refs);
  } else yield* folio_ref_add(folio, refs * GUP_PIN_COUNTING_BIAS);
  return 0;
}

const folioName = (folio: Folio): string => `pfn 0x${folio.page.pfn.toString(16)}`;

/**
 * Gives back the part of a pin that is counted apart.
 *
 * Models the beginning of `mm/gup.c:gup_put_folio()` @ v6.12.
 *
 * @returns how many references are left to drop.
 */
export function* dropPincount(k: Kernel, folio: Folio, refs: number, flags: number): Code<number> {
  if (!(flags & FOLL_PIN)) return refs;
  if (yield* k.folio_has_pincount(folio)) {
    yield* addLargeCount(k, folio, "_pincount", -refs);
    return refs;
  }
  return refs * GUP_PIN_COUNTING_BIAS;
}

/**
 * Drops references or pins that GUP took.
 *
 * Models `mm/gup.c:gup_put_folio()` @ v5.18. It knows nothing of one-based counts: the last pin of an
 * FS-DAX page goes from 1025 to 1 unseen, and nobody who waits for 1 is woken.
 */
export function* gup_put_folio(k: Kernel, folio: Folio, refs: number, flags: number): Code {
  if (is_zero_page(k, folio.page)) return;
  const units = yield* dropPincount(k, folio, refs, flags);
  yield* k.folio_put_refs(folio, units);
}

/**
 * Drops references or pins that GUP took: the last unit with put_page(), which has the hook.
 *
 * Models `mm/gup.c:put_compound_head()` @ v5.10.
 */
export function* put_compound_head(k: Kernel, folio: Folio, refs: number, flags: number): Code {
  if (is_zero_page(k, folio.page)) return;
  const units = yield* dropPincount(k, folio, refs, flags);
  if (units > 1) yield* folio_ref_sub(folio, units - 1);
  yield* k.put_page(folio.page);
}

/**
 * Takes the page behind one page-table entry, without any lock.
 *
 * Models `mm/gup.c:gup_fast_pte_range()` @ v6.12, for one entry; v5.18 has it as gup_pte_range().
 * Left out: protnone, gup_must_unshare, the cache of the last pgmap.
 * Context: interrupts off; may not sleep.
 *
 * @param pmdp The entry above, which led here; null where there is none to look at.
 * @returns the page, or null where the kernel goes on to the slow path.
 */
export function* gup_fast_pte_range(
  k: Kernel,
  pmdp: Cell<UpperEntry> | null,
  ptep: Cell<Pte | null>,
  flags: number,
): Code<Page | null> {
  const pte = yield* READ_ONCE(ptep);
  if (pte === null) return null;
  if (flags & FOLL_WRITE && !pte.write) return null;
  let pgmap: DevPagemap | null = null;
  if (pte.devmap) {
    if (flags & FOLL_LONGTERM) return null;
    pgmap = yield* k.get_dev_pagemap(pte.pfn);
    if (pgmap === null) return null;
  } else if (pte.special) return null;

  const page = pfn_to_page(k, pte.pfn);
  let taken: Page | null = null;
  const folio = yield* k.try_grab_folio_fast(page, 1, flags);
  if (folio !== null) {
    const unchanged = yield* k.gup_pte_unchanged(pmdp, ptep, pte);
    if (unchanged && (yield* k.gup_fast_folio_allowed(folio, flags))) taken = page;
    else yield* k.gup_put_folio(folio, 1, flags);
  }
  if (pgmap !== null) yield* k.put_dev_pagemap(pgmap);
  return taken;
}

/**
 * Looks again: is the entry, and with it the right to the page, still there now that we hold a reference?
 *
 * Models the comparison of pte_val in `mm/gup.c:gup_pte_range()` @ v5.18.
 */
export function* gup_pte_unchanged(
  _k: Kernel,
  _pmdp: Cell<UpperEntry> | null,
  ptep: Cell<Pte | null>,
  pte: Pte,
): Code<boolean> {
  return (yield* READ_ONCE(ptep)) === pte;
}

/**
 * Is this a folio that may be pinned so without a look at the mapping of the process?
 *
 * Models `mm/gup.c:gup_pte_range()` @ v5.18, which asks only whether the page is secret memory; here none is.
 */
export function* gup_fast_folio_allowed(_k: Kernel, _folio: Folio, _flags: number): Code<boolean> {
  return true;
}

/**
 * Takes pages behind one PMD entry, without any lock, each by itself.
 *
 * Models `mm/gup.c:__gup_device_huge_pmd()` and `__gup_device_huge()` @ v5.18; v6.12 has them as
 * gup_fast_devmap_pmd_leaf() and gup_fast_devmap_leaf().
 * Left out: huge entries that are not devmap: here there are none but of the huge zero page.
 * Context: interrupts off; may not sleep.
 *
 * @returns the pages, or none where the kernel goes on to the slow path.
 */
export function* gup_fast_pmd_leaf(
  k: Kernel,
  pmdp: Cell<UpperEntry>,
  pmd: Pte,
  address: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[]> {
  if ((flags & FOLL_WRITE && !pmd.write) || pmd.special || !pmd.devmap) return [];
  if (flags & FOLL_LONGTERM) return [];
  const pgmap = yield* k.get_dev_pagemap(pfnAt(k, pmd, address));
  if (pgmap === null) return [];
  const pages: Page[] = [];
  for (let i = address; i < address + nr_pages; i++) {
    const page = pfn_to_page(k, pfnAt(k, pmd, i));
    if (!(yield* k.gup_grab_devmap_page(page, flags))) break;
    pages.push(page);
  }
  yield* k.put_dev_pagemap(pgmap);
  const unchanged = (yield* READ_ONCE(pmdp)) === pmd;
  if (unchanged && pages.length === nr_pages) return pages;
  for (const page of pages) {
    const folio = yield* page_folio(k, page);
    yield* k.gup_put_folio(folio, 1, flags);
  }
  return [];
}

/**
 * Takes one page of a huge devmap entry, without any lock, and without asking whether its count is 0.
 *
 * Models the call of try_grab_page() in `mm/gup.c:__gup_device_huge()` @ v5.18.
 */
export function* gup_grab_devmap_page(k: Kernel, page: Page, flags: number): Code<boolean> {
  const folio = yield* page_folio(k, page);
  return (yield* k.try_grab_folio(folio, 1, flags)) === 0;
}

/**
 * Takes the page behind one page-table entry, under the page-table lock.
 *
 * Models `mm/gup.c:follow_page_pte()` @ v5.18.
 * Left out: protnone, gup_must_unshare, FOLL_TOUCH, migration entries.
 * Context: mmap_lock held for reading.
 *
 * @returns the page, null if a fault must bring it first, or a negative error.
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
  if (pte === null || (flags & FOLL_WRITE && !pte.write)) {
    yield* spin_unlock(ptl);
    return null;
  }
  let page = k.vm_normal_page(pte);
  let pgmap: DevPagemap | null = null;
  if (page === null && pte.devmap) {
    pgmap = yield* k.follow_devmap_page(pte.pfn);
    if (pgmap === null) {
      yield* spin_unlock(ptl);
      return -EFAULT;
    }
    page = pfn_to_page(k, pte.pfn);
  }
  page ??= k.world.zero_page;
  const folio = yield* page_folio(k, page);
  const error = yield* k.try_grab_folio(folio, 1, flags);
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
 * Models `mm/gup.c:follow_page_mask()` and `follow_pmd_mask()` @ v6.12.
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
  const pmdp = pmd_offset(k, vma.vm_mm, address);
  const pmd = pmdp === null ? TABLE : yield* READ_ONCE(pmdp);
  if (pmd === null) return null;
  if (isLeaf(pmd)) return yield* k.follow_huge_pmd(vma, address, flags, (flags & FOLL_WRITE) !== 0);
  return yield* k.follow_page_pte(vma, address, flags);
}

/**
 * May pages of this mapping be had at all?
 *
 * Models `mm/gup.c:check_vma_flags()` @ v6.12, for a mapping of a DAX file: no pins for long, which would hold up
 * the file system for as long.
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
 * Takes pages under mmap_lock, faulting in what is not there.
 *
 * Models `mm/gup.c:__get_user_pages()` @ v6.12.
 * Left out: signals, dropping mmap_lock to retry.
 *
 * @param start First virtual page number.
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
  for (let i = start; i < start + nr_pages; i++) {
    const vma = yield* k.vma_lookup(mm, i);
    const refused = vma === null ? -EFAULT : k.check_vma_flags(vma, flags);
    if (vma === null || refused !== 0) return pages.length > 0 ? pages : refused;
    let page = yield* k.follow_page_mask(vma, i, flags);
    while (page === null) {
      const fault = yield* k.handle_mm_fault(vma, i, (flags & FOLL_WRITE) !== 0);
      if (fault !== "NOPAGE") return pages.length > 0 ? pages : -EFAULT;
      page = yield* k.follow_page_mask(vma, i, flags);
    }
    if (typeof page === "number") return pages.length > 0 ? pages : page;
    pages.push(page);
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
 * Takes pages under mmap_lock, and gives them back if they were to be kept for long and are of a DAX file.
 *
 * Models `mm/gup.c:__gup_longterm_locked()` @ v5.10, with check_dax_vmas().
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
  const vma = yield* k.vma_lookup(mm, start);
  if (vma === null || !vma.vm_file.is_fsdax) return pages;
  for (const page of pages) {
    const folio = yield* page_folio(k, page);
    yield* k.gup_put_folio(folio, 1, flags);
  }
  return -EOPNOTSUPP;
}

/**
 * Takes pages of a process without locks: those that its page table has, up to the first that cannot be had so.
 *
 * Models `mm/gup.c:gup_fast()` @ v7.2, with gup_fast_pmd_range(); v5.18 has it as lockless_pages_from_mm().
 * Left out: write_protect_seq of a process that has no child here, where nobody changes it.
 */
export function* gup_fast(
  k: Kernel,
  mm: MmStruct,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[]> {
  const forks = (flags & FOLL_PIN) !== 0 && mm.children.length > 0;
  const seq = forks ? yield* READ_ONCE(mm.write_protect_seq) : 0;
  if (seq % 2 === 1) return [];
  let pages: readonly Page[] = [];
  yield* local_irq_save(k);
  const end = Math.min(start + nr_pages, mm.page_table.length);
  let address = start;
  while (address < end) {
    const pmdp = pmd_offset(k, mm, address);
    const pmd = pmdp === null ? TABLE : yield* READ_ONCE(pmdp);
    if (pmd === null) break;
    if (pmdp !== null && isLeaf(pmd)) {
      const n = Math.min(end, pmdStart(k, address) + pmdPages(k)) - address;
      const taken = yield* k.gup_fast_pmd_leaf(pmdp, pmd, address, n, flags);
      if (taken.length === 0) break;
      pages = [...pages, ...taken];
      address += n;
    } else {
      const page = yield* k.gup_fast_pte_range(pmdp, pte_offset(mm, address), flags);
      if (page === null) break;
      pages = [...pages, page];
      address++;
    }
  }
  yield* local_irq_restore(k);
  if (!forks || (yield* READ_ONCE(mm.write_protect_seq)) === seq) return pages;
  for (const page of pages) {
    const folio = yield* page_folio(k, page);
    yield* k.gup_put_folio(folio, 1, flags);
  }
  return [];
}

/**
 * Takes pages of the current process: first without locks, and what that does not give under
 * mmap_lock, with faults.
 *
 * Models `mm/gup.c:gup_fast_fallback()` @ v6.12; v5.18 has it as internal_get_user_pages_fast().
 *
 * @returns the pages, which may be fewer than asked for with FOLL_FAST_ONLY, or a negative error.
 */
export function* gup_fast_fallback(
  k: Kernel,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[] | number> {
  const { mm } = k.current;
  if (mm === null) return -EFAULT;
  const pages = yield* k.gup_fast(mm, start, nr_pages, flags);
  if (pages.length === nr_pages || flags & FOLL_FAST_ONLY) return pages;

  yield* down_read(k, mm.mmap_lock);
  const rest = yield* k.__gup_longterm_locked(mm, start + pages.length, nr_pages - pages.length, flags);
  yield* up_read(k, mm.mmap_lock);
  if (typeof rest === "number") return pages.length > 0 ? pages : rest;
  return [...pages, ...rest];
}

/** Ghost state: the caller holds these pages from here on. */
function* noteHeld(k: Kernel, pages: readonly Page[], kind: "heldPins" | "heldGets", flags: number): Code {
  const { name } = k.current;
  const long = flags & FOLL_LONGTERM ? 1 : 0;
  for (const page of pages) {
    if (is_zero_page(k, page)) continue;
    yield* rmw(
      [page[kind], page.longtermPins],
      (held: readonly string[], pins: number) => ({ next: [[...held, name], pins + long], result: null }),
      { note: { text: () => `holds pfn 0x${page.pfn.toString(16)}` } },
    );
  }
}

/** Ghost state: the caller uses the page no longer, or hands back what another task took. */
function* noteReleased(k: Kernel, page: Page, kind: "heldPins" | "heldGets"): Code {
  const { name } = k.current;
  yield* rmw(
    [page[kind]],
    (held: readonly string[]) => {
      const at = Math.max(0, held.indexOf(name));
      return { next: [held.filter((_, i) => i !== at)], result: null };
    },
    { note: { text: () => "" } },
  );
}

/**
 * Takes references to pages of the current process.
 *
 * Models `mm/gup.c:get_user_pages_fast()` @ v6.12. Each is dropped with put_page().
 */
export function* get_user_pages_fast(
  k: Kernel,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[] | number> {
  const pages = yield* k.gup_fast_fallback(start, nr_pages, flags | FOLL_GET);
  if (typeof pages !== "number") yield* noteHeld(k, pages, "heldGets", flags);
  return pages;
}

/**
 * Takes references to pages of the current process, if that needs no lock; else fewer, or none.
 *
 * Models `mm/gup.c:get_user_pages_fast_only()` @ v6.12.
 */
export function* get_user_pages_fast_only(
  k: Kernel,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[]> {
  const pages = yield* k.get_user_pages_fast(start, nr_pages, flags | FOLL_FAST_ONLY);
  return typeof pages === "number" ? [] : pages;
}

/**
 * Pins pages of the current process, for DMA or the like.
 *
 * Models `mm/gup.c:pin_user_pages_fast()` @ v6.12. Each is given back with unpin_user_page().
 */
export function* pin_user_pages_fast(
  k: Kernel,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[] | number> {
  const pages = yield* k.gup_fast_fallback(start, nr_pages, flags | FOLL_PIN);
  if (typeof pages !== "number") yield* noteHeld(k, pages, "heldPins", flags);
  return pages;
}

/**
 * Pins pages of the current process, if that needs no lock; else fewer, or none.
 *
 * Models `mm/gup.c:pin_user_pages_fast_only()` @ v5.18.
 */
export function* pin_user_pages_fast_only(
  k: Kernel,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[] | number> {
  return yield* k.pin_user_pages_fast(start, nr_pages, flags | FOLL_FAST_ONLY);
}

/**
 * Gives back a pin. The caller's use of the page ends where this begins.
 *
 * Models `mm/gup.c:unpin_user_page()` @ v6.12.
 */
export function* unpin_user_page(k: Kernel, page: Page): Code {
  if (is_zero_page(k, page)) return;
  yield* noteReleased(k, page, "heldPins");
  const folio = yield* page_folio(k, page);
  yield* k.gup_put_folio(folio, 1, FOLL_PIN);
}

/**
 * Drops a reference that get_user_pages took. The caller's use of the page ends where this begins.
 *
 * Ours: what callers of get_user_pages() do with put_page().
 */
export function* put_user_page(k: Kernel, page: Page): Code {
  yield* k.user_is_done(page);
  yield* k.put_page(page);
}

/** Ghost state: the caller uses the page that it got no longer, however it drops the reference next. */
export function* user_is_done(k: Kernel, page: Page): Code {
  yield* noteReleased(k, page, "heldGets");
}

/** Models `mm/gup.c:unpin_user_pages()` @ v6.12, without its batching by folio. */
export function* unpin_user_pages(k: Kernel, pages: readonly Page[]): Code {
  for (const page of pages) yield* k.unpin_user_page(page);
}
