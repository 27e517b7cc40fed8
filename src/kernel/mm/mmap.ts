// The mappings of a process: how they come, how they go. Source: mm/mmap.c, mm/vma.c.
import type { Code } from "../../explore/access.ts";
import type { MmStruct, UpperEntry, VmArea } from "../include/linux/mm_types.ts";
import { pmd_offset, pmdPages, pmdStart, pud_offset, pudPages, pudStart } from "../include/linux/pgtable.ts";
import { down_write, up_write } from "../kernel/locking/rwsem.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../lib/atomic.ts";
import { inc_tlb_flush_pending } from "./mmu_gather.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    vma_lookup: typeof vma_lookup;
    mmap: typeof mmap;
    munmap: typeof munmap;
  }
}

/**
 * The mapping that an address is in.
 *
 * Models `mm/mmap.c:vma_lookup()` @ v6.12.
 * Context: mmap_lock held.
 */
export function* vma_lookup(_k: Kernel, mm: MmStruct, address: number): Code<VmArea | null> {
  const vmas = yield* READ_ONCE(mm.mm_mt);
  return vmas.find((v) => v.vm_start <= address && address < v.vm_start + v.vm_pages) ?? null;
}

/**
 * Makes a mapping known to its process and its file, after the file has seen it.
 *
 * Models `mm/vma.c:vma_link()` @ v6.12, with call_mmap(). The vm_area_struct exists from setup on.
 *
 * @returns 0, or the negative error of the file.
 */
export function* mmap(k: Kernel, vma: VmArea): Code<number> {
  const { mmap_lock, mm_mt } = vma.vm_mm;
  yield* down_write(k, mmap_lock);
  const call = vma.vm_file.i_sb.s_type.mmap;
  const error = call === null ? 0 : yield* k[call](vma);
  if (error !== 0) {
    yield* up_write(mmap_lock);
    return error;
  }
  const mapped = yield* READ_ONCE(mm_mt);
  yield* WRITE_ONCE(mm_mt, [...mapped, vma]);
  yield* linkFile(k, vma);
  yield* up_write(mmap_lock);
  return 0;
}

/** Makes a mapping known to its file. Models `mm/vma.c:vma_link_file()` @ v6.12. */
export function* linkFile(k: Kernel, vma: VmArea): Code {
  const { i_mmap, i_mmap_rwsem } = vma.vm_file.i_mapping;
  yield* down_write(k, i_mmap_rwsem);
  const vmas = yield* READ_ONCE(i_mmap);
  yield* WRITE_ONCE(i_mmap, [...vmas, vma]);
  yield* up_write(i_mmap_rwsem);
}

/**
 * Takes a mapping away. If another thread has done so before, there is nothing left to do.
 *
 * Models `mm/vma.c:do_vmi_align_munmap()` @ v6.12, with vms_complete_munmap_vmas() and vms_clear_ptes(): entries first,
 * then the file forgets the mapping, the tables go, and the references at the very end. The TLB is flushed before the
 * file forgets the mapping, or at the end, as tlb_end_vma() has it.
 * Left out: splitting; the whole mapping goes. That mmap_lock is only held for reading from the moment when the process
 * has forgotten the mapping; batches of references that are dropped before the end.
 */
export function* munmap(k: Kernel, vma: VmArea): Code {
  const mm = vma.vm_mm;
  yield* down_write(k, mm.mmap_lock);
  const mapped = yield* READ_ONCE(mm.mm_mt);
  if (mapped.includes(vma)) {
    const others = mapped.filter((v) => v !== vma);
    yield* WRITE_ONCE(mm.mm_mt, others);
    yield* inc_tlb_flush_pending(mm);
    const { pages, cleared } = yield* k.unmap_page_range(
      vma,
      vma.vm_start,
      vma.vm_start + vma.vm_pages,
      true,
    );
    const flushed = cleared && (yield* k.tlb_end_vma(mm));
    yield* unlinkFile(k, vma);
    yield* freeTables(k, vma, others);
    yield* k.tlb_finish_mmu(mm, pages, cleared && !flushed);
  }
  yield* up_write(mm.mmap_lock);
}

/** The file forgets a mapping. Models `mm/vma.c:unlink_file_vma()` @ v6.12. */
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
