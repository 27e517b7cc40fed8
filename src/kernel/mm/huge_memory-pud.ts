// Entries of a PUD: how they come, how they go, and how GUP takes the page behind one. Only DAX devices have them.
// Source: mm/huge_memory.c, mm/memory.c, mm/gup.c.
import type { Pfn } from "../../base/brand.ts";
import type { Cell, Code } from "../../explore/access.ts";
import { WARN } from "../include/asm-generic/bug.ts";
import { folio_order, page_folio } from "../include/linux/mm.ts";
import {
  type Folio,
  type MmStruct,
  type Page,
  type Pte,
  TABLE,
  type UpperEntry,
  VM_NOHUGEPAGE,
  VM_SHARED,
  type VmArea,
} from "../include/linux/mm_types.ts";
import { folio_ref_inc } from "../include/linux/page_ref.ts";
import { isLeaf, pud_offset, pudOrder, pudPages, pudStart } from "../include/linux/pgtable.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE, WRITE_ONCE, xchg } from "../lib/atomic.ts";
import { followHugeEntry, setHugeEntry } from "./huge_memory.ts";
import { add_mm_counter, type VmFault, type VmFaultInfo } from "./memory.ts";
import type { Zapped } from "./memory-zap.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    zapped_page_pud: typeof zapped_page_pud;
    handle_huge_pud_fault: typeof handle_huge_pud_fault;
    vmf_insert_pfn_pud: typeof vmf_insert_pfn_pud;
    vmf_insert_folio_pud: typeof vmf_insert_folio_pud;
    zap_pud_range: typeof zap_pud_range;
    zap_huge_pud: typeof zap_huge_pud;
    __split_huge_pud: typeof __split_huge_pud;
    follow_huge_pud: typeof follow_huge_pud;
  }
}

/**
 * The page whose count falls when a PUD entry is cleared.
 *
 * Models what `mm/huge_memory.c:zap_huge_pud()` @ v6.12 asks of
 * `include/linux/mm.h:vma_is_special_huge()`, which is true of DAX: none.
 */
export const zapped_page_pud = (_k: Kernel, _pud: Pte): Page | null => null;

/** Has the mapping room for a PUD entry there? Models `mm/huge_memory.c:__thp_vma_allowable_orders()` @ v6.12. */
function hasRoomForPud(k: Kernel, vma: VmArea, address: number): boolean {
  const first = pudStart(k, address);
  return (
    (vma.vm_flags & VM_NOHUGEPAGE) === 0 &&
    first >= vma.vm_start &&
    first + pudPages(k) <= vma.vm_start + vma.vm_pages &&
    (first - vma.vm_start + vma.vm_pgoff) % pudPages(k) === 0
  );
}

/**
 * The part of a fault that looks at the PUD: an entry that is none may become a huge one, a huge one may become
 * writable, and where neither comes about there is a table afterwards.
 *
 * Models `mm/memory.c:create_huge_pud()` and `wp_huge_pud()` @ v7.2, with the beginning of `__handle_mm_fault()`.
 * Left out: that up to v5.18 it is create_huge_pud() that splits, and wp_huge_pud() does not (14c99d659415, v5.19): a DAX
 * device, which has no other mappings than shared ones, never declines a write to its entry.
 *
 * @returns FALLBACK where a smaller entry must do.
 */
export function* handle_huge_pud_fault(
  k: Kernel,
  vma: VmArea,
  address: number,
  write: boolean,
): Code<VmFault> {
  const pudp = pud_offset(k, vma.vm_mm, address);
  if (pudp === null) return "FALLBACK";
  const { huge_fault } = vma.vm_file.i_sb.s_type;
  const pgoff = vma.vm_pgoff + address - vma.vm_start;
  const vmf: VmFaultInfo = { vma, address, pgoff, write, order: pudOrder(k) };
  const pud = yield* READ_ONCE(pudp);
  if (pud === null && hasRoomForPud(k, vma, address)) {
    const fault = yield* k[huge_fault](vmf);
    if (fault !== "FALLBACK") return fault;
  } else if (isLeaf(pud)) {
    if (!write || pud.write) return "NOPAGE";
    if (vma.vm_flags & VM_SHARED) {
      const fault = yield* k[huge_fault](vmf);
      if (fault !== "FALLBACK") return fault;
    }
    yield* k.__split_huge_pud(vma, address);
  }
  return yield* pmd_alloc(k, vma.vm_mm, pudp);
}

/** Models `include/linux/mm.h:pmd_alloc()` @ v7.2. A huge entry that came first is left, and the access tried again. */
export function* pmd_alloc(k: Kernel, vm_mm: MmStruct, pudp: Cell<UpperEntry>): Code<VmFault> {
  let pud = yield* READ_ONCE(pudp);
  if (pud === null) {
    yield* spin_lock(k, vm_mm.pmd_lock);
    pud = yield* READ_ONCE(pudp);
    if (pud === null) yield* WRITE_ONCE<UpperEntry>(pudp, TABLE);
    yield* spin_unlock(vm_mm.pmd_lock);
  }
  return isLeaf(pud) ? "NOPAGE" : "FALLBACK";
}

/** Makes the huge entry that is there writable. */
function* upgradePud(k: Kernel, pudp: Cell<UpperEntry>, old: UpperEntry, pfn: Pfn, write: boolean): Code {
  if (!write || !isLeaf(old)) return;
  if (old.pfn === pfn) {
    yield* WRITE_ONCE<UpperEntry>(pudp, { ...old, write: true, dirty: true });
    return;
  }
  const over = `pfn 0x${old.pfn.toString(16)}`;
  yield* WARN(k, "no-remap-of-present-pud", `pfn 0x${pfn.toString(16)} is mapped over ${over}`);
}

/**
 * Maps page frames with a PUD entry, of which no reference is counted.
 *
 * Models `mm/huge_memory.c:vmf_insert_pfn_pud()` and `insert_pfn_pud()` @ v6.12, for device memory.
 */
export function* vmf_insert_pfn_pud(k: Kernel, vmf: VmFaultInfo, pfn: Pfn, write: boolean): Code<VmFault> {
  const { vm_mm } = vmf.vma;
  const pudp = pud_offset(k, vm_mm, vmf.address);
  if (pudp === null) return "FALLBACK";
  yield* spin_lock(k, vm_mm.pmd_lock);
  const old = yield* READ_ONCE(pudp);
  if (old === null) {
    const entry: Pte = { kind: "pud", pfn, special: false, devmap: true, write, dirty: write };
    yield* WRITE_ONCE<UpperEntry>(pudp, entry);
  } else yield* upgradePud(k, pudp, old, pfn, write);
  yield* spin_unlock(vm_mm.pmd_lock);
  return "NOPAGE";
}

/**
 * Maps a folio with a PUD entry, which holds one reference and counts as one mapping.
 *
 * Models `mm/huge_memory.c:vmf_insert_folio_pud()` and `insert_pud()` @ v7.2.
 */
export function* vmf_insert_folio_pud(
  k: Kernel,
  vmf: VmFaultInfo,
  folio: Folio,
  write: boolean,
): Code<VmFault> {
  const { vm_mm } = vmf.vma;
  const pudp = pud_offset(k, vm_mm, vmf.address);
  if (pudp === null) return "FALLBACK";
  const { pfn } = folio.page;
  const order = yield* folio_order(k, folio);
  if (order !== pudOrder(k)) {
    const name = `pfn 0x${pfn.toString(16)}, of order ${order}`;
    yield* WARN(k, "no-pud-of-small-folio", `${name}, is mapped with a PUD entry`);
    return "SIGBUS";
  }
  yield* spin_lock(k, vm_mm.pmd_lock);
  const old = yield* READ_ONCE(pudp);
  if (old === null) {
    yield* folio_ref_inc(folio);
    yield* k.folio_add_file_rmap_pmd(folio);
    const special = k.special_folio_pmd();
    const entry: Pte = { kind: "pud", pfn, special, devmap: false, write, dirty: write };
    yield* setHugeEntry(pudp, entry, vm_mm.rss_file, pudPages(k));
  } else yield* upgradePud(k, pudp, old, pfn, write);
  yield* spin_unlock(vm_mm.pmd_lock);
  return "NOPAGE";
}

/**
 * Clears the PUD entry of a part of a mapping, if there is one; one of which only a part goes is split.
 *
 * Models `mm/memory.c:zap_pud_range()` @ v6.12, for one PUD.
 * Left out: what becomes of a PUD entry that a fault has brought since.
 *
 * @param first First virtual page number; `end` is one past the last.
 * @returns null where there are tables below, which are still to be looked at.
 */
export function* zap_pud_range(k: Kernel, vma: VmArea, first: number, end: number): Code<Zapped | null> {
  const pudp = pud_offset(k, vma.vm_mm, first);
  if (pudp === null) return null;
  let pud = yield* READ_ONCE(pudp);
  if (isLeaf(pud)) {
    if (end - first === pudPages(k)) {
      const zapped = yield* k.zap_huge_pud(vma, first);
      if (zapped.cleared) return zapped;
    } else yield* k.__split_huge_pud(vma, first);
    pud = yield* READ_ONCE(pudp);
  }
  return pud === TABLE ? null : { pages: [], cleared: false };
}

/**
 * Clears a PUD entry.
 *
 * Models `mm/huge_memory.c:zap_huge_pud()` @ v7.2; in v6.12 that of a DAX device counts for nothing.
 */
export function* zap_huge_pud(k: Kernel, vma: VmArea, address: number): Code<Zapped> {
  const pudp = pud_offset(k, vma.vm_mm, address);
  if (pudp === null) return { pages: [], cleared: false };
  const { pmd_lock, rss_file } = vma.vm_mm;
  yield* spin_lock(k, pmd_lock);
  const pud = yield* READ_ONCE(pudp);
  let page: Page | null = null;
  if (isLeaf(pud)) {
    yield* xchg<UpperEntry>(pudp, null);
    page = k.zapped_page_pud(pud);
    if (page !== null) {
      const folio = yield* page_folio(k, page);
      yield* k.folio_remove_rmap_pmd(folio);
      yield* add_mm_counter(rss_file, -pudPages(k));
    }
  }
  yield* spin_unlock(pmd_lock);
  return { pages: page === null ? [] : [page], cleared: isLeaf(pud) };
}

/**
 * Takes a PUD entry apart: it is cleared, and smaller entries come with the next faults, if the device has any. The TLB
 * is flushed, and the reference dropped, while the lock is held.
 *
 * Models `mm/huge_memory.c:__split_huge_pud()` and `__split_huge_pud_locked()` @ v7.2; in v6.12 that of a DAX device counts
 * for nothing.
 * Left out: the marks of the entry, dirty and young, that pass to the folio; that v6.15 drops the reference before it takes
 * the pages from the count of the process.
 */
export function* __split_huge_pud(k: Kernel, vma: VmArea, address: number): Code {
  const { vm_mm } = vma;
  const pudp = pud_offset(k, vm_mm, address);
  if (pudp === null) return;
  yield* spin_lock(k, vm_mm.pmd_lock);
  const pud = yield* READ_ONCE(pudp);
  if (isLeaf(pud)) {
    const page = k.zapped_page_pud(pud);
    yield* xchg<UpperEntry>(pudp, null);
    yield* k.flush_tlb_mm(vm_mm);
    if (page !== null) {
      const folio = yield* page_folio(k, page);
      yield* k.folio_remove_rmap_pmd(folio);
      yield* add_mm_counter(vm_mm.rss_file, -pudPages(k));
      yield* k.folio_put(folio);
    }
  }
  yield* spin_unlock(vm_mm.pmd_lock);
}

/**
 * Takes the page behind a PUD entry, under its lock.
 *
 * Models `mm/gup.c:follow_huge_pud()` @ v6.12; v5.18 has it in mm/huge_memory.c, as follow_devmap_pud().
 * Left out: references to several pages at once; each is taken by itself.
 *
 * @returns as follow_huge_pmd().
 */
export function* follow_huge_pud(
  k: Kernel,
  vma: VmArea,
  address: number,
  flags: number,
  wantsWrite: boolean,
): Code<Page | number | null> {
  const pudp = pud_offset(k, vma.vm_mm, address);
  return pudp === null ? null : yield* followHugeEntry(k, pudp, vma, address, flags, wantsWrite);
}
