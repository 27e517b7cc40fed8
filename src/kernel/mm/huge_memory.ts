// Entries of a PMD: how they come, and how GUP takes the page behind one. Source: mm/huge_memory.c. How they go is
// in huge_memory-zap.ts; entries of a PUD are in huge_memory-pud.ts.

import type { Pfn } from "../../base/brand.ts";
import { type Cell, type Code, rmw } from "../../explore/access.ts";
import { WARN } from "../include/asm-generic/bug.ts";
import { EEXIST, EFAULT } from "../include/asm-generic/errno-base.ts";
import { folio_order, is_zero_pfn, page_folio, pfn_to_page } from "../include/linux/mm.ts";
import {
  type Folio,
  type Page,
  type Pte,
  type UpperEntry,
  VM_NOHUGEPAGE,
  VM_SHARED,
  type VmArea,
} from "../include/linux/mm_types.ts";
import { folio_ref_inc } from "../include/linux/page_ref.ts";
import { isLeaf, pfnAt, pmd_offset, pmdOrder, pmdPages, pmdStart } from "../include/linux/pgtable.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../lib/atomic.ts";
import { FOLL_GET, FOLL_PIN } from "./gup-flags.ts";
import type { VmFault, VmFaultInfo } from "./memory.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    vm_normal_page_pmd: typeof vm_normal_page_pmd;
    handle_huge_fault: typeof handle_huge_fault;
    special_folio_pmd: typeof special_folio_pmd;
    vmf_insert_pfn_pmd: typeof vmf_insert_pfn_pmd;
    vmf_insert_folio_pmd: typeof vmf_insert_folio_pmd;
    follow_huge_pmd: typeof follow_huge_pmd;
  }
}

/** Models `mm/memory.c:vm_normal_page_pmd()` @ v6.12. */
export function vm_normal_page_pmd(k: Kernel, pmd: Pte): Page | null {
  return pmd.special || pmd.devmap || is_zero_pfn(k, pmd.pfn) ? null : pfn_to_page(k, pmd.pfn);
}

/** Is the PMD entry of a counted folio marked special? Ours: a knob; v6.15 does so by mistake. */
export const special_folio_pmd = (_k: Kernel): boolean => false;

/**
 * Has the mapping room for a PMD entry there?
 *
 * Models what `mm/huge_memory.c:__thp_vma_allowable_orders()` @ v6.12 asks of a DAX file.
 * Simplified: of a DAX file it asks for VM_NOHUGEPAGE alone; the rest the file system asks again with its locks held, in
 * dax_fault_check_fallback(), which is not called here where the answer is no.
 */
function hasRoomForPmd(k: Kernel, vma: VmArea, address: number): boolean {
  const first = pmdStart(k, address);
  return (
    (vma.vm_flags & VM_NOHUGEPAGE) === 0 &&
    first >= vma.vm_start &&
    first + pmdPages(k) <= vma.vm_start + vma.vm_pages &&
    (first - vma.vm_start + vma.vm_pgoff) % pmdPages(k) === 0
  );
}

/**
 * The part of a fault that looks at upper levels: an entry that is none may become a huge one, and a huge one
 * may become writable.
 *
 * Models the upper levels of `mm/memory.c:__handle_mm_fault()` @ v6.12, with create_huge_pmd() and wp_huge_pmd().
 * Left out: huge_pmd_set_accessed(), which marks an entry young under its lock; that v6.1 asks the file system for a store
 * to a private mapping, too, which says FALLBACK; FAULT_FLAG_UNSHARE, with which nobody comes to a huge entry here.
 *
 * @returns FALLBACK where a small entry must do.
 */
export function* handle_huge_fault(k: Kernel, vma: VmArea, address: number, write: boolean): Code<VmFault> {
  const larger = yield* k.handle_huge_pud_fault(vma, address, write);
  if (larger !== "FALLBACK") return larger;
  const pmdp = pmd_offset(k, vma.vm_mm, address);
  if (pmdp === null) return "FALLBACK";
  const { huge_fault } = vma.vm_file.i_sb.s_type;
  const pgoff = vma.vm_pgoff + address - vma.vm_start;
  const pmd = yield* READ_ONCE(pmdp);
  if (pmd === null) {
    if (!hasRoomForPmd(k, vma, address)) return "FALLBACK";
    return yield* k[huge_fault]({ vma, address, pgoff, write, order: pmdOrder(k) });
  }
  if (!isLeaf(pmd)) return "FALLBACK";
  if (!write || pmd.write) return "NOPAGE";
  if ((vma.vm_flags & VM_SHARED) === 0) {
    yield* k.__split_huge_pmd(vma, address);
    return "FALLBACK";
  }
  const fault = yield* k[huge_fault]({ vma, address, pgoff, write, order: pmdOrder(k) });
  if (fault === "FALLBACK") yield* k.__split_huge_pmd(vma, address);
  return fault;
}

/** Writes a huge entry where there is none, or makes the one that is there writable. */
function* upgradePmd(k: Kernel, pmdp: Cell<UpperEntry>, old: UpperEntry, pfn: Pfn, write: boolean): Code {
  if (!write || !isLeaf(old)) return;
  if (old.pfn === pfn) {
    yield* WRITE_ONCE<UpperEntry>(pmdp, { ...old, write: true, dirty: true });
  } else if (!is_zero_pfn(k, old.pfn)) {
    yield* WARN(
      k,
      "no-remap-of-present-pmd",
      `pfn 0x${pfn.toString(16)} is mapped over pfn 0x${old.pfn.toString(16)}`,
    );
  }
}

/**
 * Maps page frames with a PMD entry, of which no reference is counted: devmap, or special for the huge zero page.
 *
 * Models `mm/huge_memory.c:vmf_insert_pfn_pmd()` and `insert_pfn_pmd()` @ v6.12.
 * Left out: that the huge zero page has an unmarked entry up to v6.15, which GUP without locks follows.
 */
export function* vmf_insert_pfn_pmd(k: Kernel, vmf: VmFaultInfo, pfn: Pfn, write: boolean): Code<VmFault> {
  const { vm_mm } = vmf.vma;
  const pmdp = pmd_offset(k, vm_mm, vmf.address);
  if (pmdp === null) return "FALLBACK";
  yield* spin_lock(k, vm_mm.pmd_lock);
  const old = yield* READ_ONCE(pmdp);
  if (old === null) {
    const zero = is_zero_pfn(k, pfn);
    yield* WRITE_ONCE<UpperEntry>(pmdp, {
      kind: "pmd",
      pfn,
      special: zero,
      devmap: !zero,
      write,
      dirty: write,
    });
  } else yield* upgradePmd(k, pmdp, old, pfn, write);
  yield* spin_unlock(vm_mm.pmd_lock);
  return "NOPAGE";
}

/**
 * Maps a folio with a PMD entry, which holds one reference and counts as one mapping.
 *
 * Models `mm/huge_memory.c:vmf_insert_folio_pmd()` and `insert_pmd()` @ v7.2.
 */
export function* vmf_insert_folio_pmd(
  k: Kernel,
  vmf: VmFaultInfo,
  folio: Folio,
  write: boolean,
): Code<VmFault> {
  const { vm_mm } = vmf.vma;
  const pmdp = pmd_offset(k, vm_mm, vmf.address);
  if (pmdp === null) return "FALLBACK";
  const { pfn } = folio.page;
  const order = yield* folio_order(k, folio);
  if (order !== pmdOrder(k)) {
    yield* WARN(
      k,
      "no-pmd-of-small-folio",
      `pfn 0x${pfn.toString(16)}, of order ${order}, is mapped with a PMD entry`,
    );
    return "SIGBUS";
  }
  yield* spin_lock(k, vm_mm.pmd_lock);
  const old = yield* READ_ONCE(pmdp);
  if (old === null) {
    yield* folio_ref_inc(folio);
    yield* k.folio_add_file_rmap_pmd(folio);
    const special = k.special_folio_pmd();
    const entry: Pte = { kind: "pmd", pfn, special, devmap: false, write, dirty: write };
    yield* setHugeEntry(pmdp, entry, vm_mm.rss_file, pmdPages(k));
  } else yield* upgradePmd(k, pmdp, old, pfn, write);
  yield* spin_unlock(vm_mm.pmd_lock);
  return "NOPAGE";
}

/** Writes a huge entry, and counts its pages. */
export function* setHugeEntry(
  entryp: Cell<UpperEntry>,
  entry: UpperEntry,
  rss: Cell<number>,
  pages: number,
): Code {
  yield* rmw([entryp, rss], (_old: UpperEntry, count: number) => ({
    next: [entry, count + pages],
    result: null,
  }));
}

/**
 * Takes the page behind a PMD entry, under its lock.
 *
 * Models `mm/huge_memory.c:follow_devmap_pmd()` and, for ordinary entries, `mm/gup.c:follow_huge_pmd()` @ v6.12.
 * Left out: references to several pages at once; each is taken by itself; gup_must_unshare(), which says no of every
 * page that a huge entry maps here; the tails of the huge page of zeroes, for each of which its head is given; FOLL_TOUCH,
 * which marks an entry young.
 *
 * @returns the page, null if a fault must bring it first, or a negative error, as follow_page_pte().
 */
export function* follow_huge_pmd(
  k: Kernel,
  vma: VmArea,
  address: number,
  flags: number,
  wantsWrite: boolean,
): Code<Page | number | null> {
  const pmdp = pmd_offset(k, vma.vm_mm, address);
  return pmdp === null ? null : yield* followHugeEntry(k, pmdp, vma, address, flags, wantsWrite);
}

/** Takes the page behind a huge entry, of whichever size: what follow_huge_pmd() and follow_huge_pud() have in common. */
export function* followHugeEntry(
  k: Kernel,
  entryp: Cell<UpperEntry>,
  vma: VmArea,
  address: number,
  flags: number,
  wantsWrite: boolean,
): Code<Page | number | null> {
  const { pmd_lock } = vma.vm_mm;
  yield* spin_lock(k, pmd_lock);
  const entry = yield* READ_ONCE(entryp);
  const fits = isLeaf(entry) && (entry.write || !wantsWrite);
  const taken = fits ? yield* takeBehind(k, entry, address, flags) : null;
  yield* spin_unlock(pmd_lock);
  return taken;
}

/** Takes the page that an entry of a PMD or a PUD maps at an address. Context: its lock held. */
function* takeBehind(k: Kernel, leaf: Pte, address: number, flags: number): Code<Page | number> {
  const zero = is_zero_pfn(k, leaf.pfn);
  const page = zero ? k.world.huge_zero_page : pfn_to_page(k, pfnAt(k, leaf, address));
  if (leaf.devmap && !(flags & (FOLL_GET | FOLL_PIN))) return -EEXIST;
  const pgmap = leaf.devmap ? yield* k.follow_devmap_page(page.pfn) : null;
  if (leaf.devmap && pgmap === null) return -EFAULT;
  const folio = yield* page_folio(k, page);
  const error = yield* k.try_grab_folio(folio, 1, flags);
  // The kernel keeps the pgmap until the whole range is done.
  if (pgmap !== null) yield* k.put_dev_pagemap(pgmap);
  return error === 0 ? page : error;
}
