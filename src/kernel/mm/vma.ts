// How mappings go, in whole or in part. Source: mm/vma.c; before v6.12 mm/mmap.c.

import type { Code } from "../../explore/access.ts";
import { dev_dax_may_split } from "../drivers/dax/device.ts";
import { EINVAL } from "../include/asm-generic/errno-base.ts";
import {
  type MmStruct,
  overlaps,
  type Page,
  partOfVma,
  type UpperEntry,
  type VmArea,
} from "../include/linux/mm_types.ts";
import { pmd_offset, pmdPages, pmdStart, pud_offset, pudPages, pudStart } from "../include/linux/pgtable.ts";
import { down_write, downgrade_write, up_read, up_write } from "../kernel/locking/rwsem.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../lib/atomic.ts";
import { inc_tlb_flush_pending } from "./mmu_gather.ts";
import { anon_vma_clone } from "./rmap.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    vm_munmap: typeof vm_munmap;
    munmap: typeof munmap;
    __split_vma: typeof __split_vma;
  }
}

/**
 * Takes away all that a process has mapped in a range. Where a mapping reaches out of it, that is split first, and the
 * rest stays. From the moment when the process has forgotten the mappings, others of it may fault elsewhere. What is not
 * mapped, since another thread was faster, is no error.
 *
 * Models `mm/mmap.c:vm_munmap()` @ v6.12, with `mm/vma.c:do_vmi_align_munmap()`, vms_gather_munmap_vmas() and
 * vms_complete_munmap_vmas().
 * Left out: the limit of the number of mappings.
 *
 * @param first First virtual page number; `end` is one past the last.
 * @returns 0, or a negative error: of an empty range, or of a device whose mapping cannot be split there. The split at the
 * beginning of the range is not undone if that at its end fails.
 */
export function* vm_munmap(k: Kernel, mm: MmStruct, first: number, end: number): Code<number> {
  if (first >= end) return -EINVAL;
  yield* down_write(k, mm.mmap_lock);
  let mapped = yield* READ_ONCE(mm.mm_mt);
  for (const addr of [first, end]) {
    const straddling = mapped.find((v) => v.vm_start < addr && overlaps(v, addr, addr + 1));
    if (straddling === undefined) continue;
    const error = yield* k.__split_vma(straddling, addr);
    if (error !== 0) {
      yield* up_write(mm.mmap_lock);
      return error;
    }
    mapped = yield* READ_ONCE(mm.mm_mt);
  }
  const gone = mapped.filter((v) => overlaps(v, first, end));
  if (gone.length > 0) {
    const others = mapped.filter((v) => !gone.includes(v));
    yield* WRITE_ONCE(mm.mm_mt, others);
    yield* downgrade_write(k, mm.mmap_lock);
    yield* unmap_region(k, mm, gone, others, true);
    yield* up_read(k, mm.mmap_lock);
  } else yield* up_write(mm.mmap_lock);
  return 0;
}

/**
 * Takes entries, tables and references of mappings that a process knows no longer: entries first, then the files forget the
 * mappings, the tables go, and the references at the very end. The TLB is flushed after each mapping, or at the end, as
 * tlb_end_vma() has it.
 *
 * Models `mm/vma.c:unmap_region()` @ v6.12, as vms_clear_ptes() is made, too.
 * Left out: batches of references that are dropped before the end.
 * Simplified: the files forget all mappings before the first table goes; free_pgtables() does that for neighbours, which
 * are at most a PMD apart, and frees their tables before it comes to the next ones.
 *
 * @param others The mappings that stay.
 * @param known Does the file know these, and is to forget them?
 */
export function* unmap_region(
  k: Kernel,
  mm: MmStruct,
  gone: readonly VmArea[],
  others: readonly VmArea[],
  known: boolean,
): Code {
  yield* inc_tlb_flush_pending(mm);
  let pages: readonly Page[] = [];
  let unflushed = false;
  for (const vma of gone) {
    const zapped = yield* k.unmap_page_range(vma, vma.vm_start, vma.vm_start + vma.vm_pages, true);
    pages = [...pages, ...zapped.pages];
    unflushed = unflushed || zapped.cleared;
    const flushed = unflushed && (yield* k.tlb_end_vma(vma));
    if (flushed) unflushed = false;
  }
  if (known) for (const vma of gone) yield* unlinkFile(k, vma);
  for (const vma of gone) yield* freeTables(k, vma, others);
  yield* k.tlb_finish_mmu(mm, pages, unflushed);
}

/**
 * Takes a mapping away, or what is left of it.
 *
 * Ours: munmap(2) of all pages of the mapping.
 */
export function* munmap(k: Kernel, vma: VmArea): Code {
  yield* k.vm_munmap(vma.vm_mm, vma.vm_start, vma.vm_start + vma.vm_pages);
}

/**
 * Makes two mappings of one, of which the second begins at `addr`. A huge entry that maps pages of both is taken apart,
 * before anybody who looks for the mappings of the file is held off.
 *
 * Models `mm/mmap.c:__split_vma()` @ v5.10, with __vma_adjust().
 * Left out: running out of memory; policies, which are not here.
 * Context: mmap_lock held for writing.
 *
 * @returns 0, or the negative error of a device.
 */
export function* __split_vma(k: Kernel, vma: VmArea, addr: number): Code<number> {
  const error = dev_dax_may_split(vma, addr);
  if (error !== 0) return error;
  const { i_mmap_rwsem } = vma.vm_file.i_mapping;
  yield* anon_vma_clone(vma, addr);
  yield* k.vma_adjust_trans_huge(vma, addr);
  yield* down_write(k, i_mmap_rwsem);
  yield* replaceByParts(vma, addr);
  yield* up_write(i_mmap_rwsem);
  return 0;
}

/** The same with a huge entry taken apart while nobody can look for the mappings of the file. */
export function* __split_vma_prepared(k: Kernel, vma: VmArea, addr: number): Code<number> {
  const error = dev_dax_may_split(vma, addr);
  if (error !== 0) return error;
  const { i_mmap_rwsem } = vma.vm_file.i_mapping;
  yield* anon_vma_clone(vma, addr);
  yield* down_write(k, i_mmap_rwsem);
  yield* k.vma_adjust_trans_huge(vma, addr);
  yield* replaceByParts(vma, addr);
  yield* up_write(i_mmap_rwsem);
  return 0;
}

/** The file and the process know two mappings in place of one. The file is never without a mapping meanwhile. */
function* replaceByParts(vma: VmArea, addr: number): Code {
  const parts = [
    partOfVma(vma, vma.vm_start, addr),
    partOfVma(vma, addr, vma.vm_start + vma.vm_pages),
  ] as const;
  for (const list of [vma.vm_file.i_mapping.i_mmap, vma.vm_mm.mm_mt]) {
    const vmas = yield* READ_ONCE(list);
    yield* WRITE_ONCE(
      list,
      vmas.flatMap((v) => (v === vma ? parts : [v])),
    );
  }
}

/**
 * The file forgets a mapping.
 *
 * Models `mm/vma.c:unlink_file_vma()` @ v6.12.
 * Left out: the count of writable mappings.
 * Simplified: one at a time; from v6.12 on unlink_file_vma_batch_process() takes up to eight neighbours of one file away
 * while it holds the lock.
 */
function* unlinkFile(k: Kernel, vma: VmArea): Code {
  const { i_mmap, i_mmap_rwsem } = vma.vm_file.i_mapping;
  yield* down_write(k, i_mmap_rwsem);
  const vmas = yield* READ_ONCE(i_mmap);
  yield* WRITE_ONCE(
    i_mmap,
    vmas.filter((v) => v !== vma),
  );
  yield* up_write(i_mmap_rwsem);
}

/**
 * Tables that no other mapping reaches into go.
 *
 * Models `mm/memory.c:free_pgd_range()` @ v6.12.
 * Left out: that the TLB is flushed for the tables, too.
 */
function* freeTables(k: Kernel, vma: VmArea, others: readonly VmArea[]): Code {
  const { vm_mm: mm, vm_start } = vma;
  const end = vm_start + vma.vm_pages;
  const unused = (first: number, pages: number): boolean =>
    others.every((v) => v.vm_start + v.vm_pages <= first || first + pages <= v.vm_start);
  for (let first = pmdStart(k, vm_start); first < end; first += pmdPages(k)) {
    const pmdp = pmd_offset(k, mm, first);
    if (pmdp !== null && unused(first, pmdPages(k))) yield* WRITE_ONCE<UpperEntry>(pmdp, null);
  }
  for (let first = pudStart(k, vm_start); first < end; first += pudPages(k)) {
    const pudp = pud_offset(k, mm, first);
    if (pudp !== null && unused(first, pudPages(k))) yield* WRITE_ONCE<UpperEntry>(pudp, null);
  }
}
