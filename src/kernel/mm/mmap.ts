// The mappings of a process: how they come, how they go. Source: mm/mmap.c, mm/vma.c.
import { requireUse } from "../../base/errors.ts";
import type { Code } from "../../explore/access.ts";
import type { MmStruct, UpperEntry, VmArea } from "../include/linux/mm_types.ts";
import { pmd_offset, pmdPages, pud_offset, pudPages } from "../include/linux/pgtable.ts";
import { down_write, up_write } from "../kernel/locking/rwsem.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../lib/atomic.ts";

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
 * Makes a mapping known to its process and its file.
 *
 * Models `mm/vma.c:vma_link()` @ v6.12. The vm_area_struct exists from setup on.
 */
export function* mmap(k: Kernel, vma: VmArea): Code {
  const { mmap_lock, mm_mt } = vma.vm_mm;
  yield* down_write(k, mmap_lock);
  const mapped = yield* READ_ONCE(mm_mt);
  yield* WRITE_ONCE(mm_mt, [...mapped, vma]);
  yield* linkFile(k, vma);
  yield* up_write(mmap_lock);
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
 * Takes a mapping away.
 *
 * Models `mm/vma.c:vms_complete_munmap_vmas()` @ v6.12: entries first, then the file forgets the mapping, and
 * the tables go.
 * Left out: splitting; the whole mapping goes.
 */
export function* munmap(k: Kernel, vma: VmArea): Code {
  const { i_mmap, i_mmap_rwsem } = vma.vm_file.i_mapping;
  const mm = vma.vm_mm;
  const end = vma.vm_start + vma.vm_pages;
  yield* down_write(k, mm.mmap_lock);
  const mapped = yield* READ_ONCE(mm.mm_mt);
  requireUse(mapped.includes(vma), `munmap() of a mapping that process ${mm.name} has no more`);
  yield* WRITE_ONCE(
    mm.mm_mt,
    mapped.filter((v) => v !== vma),
  );
  yield* k.zap_page_range(vma, vma.vm_start, end);
  yield* down_write(k, i_mmap_rwsem);
  const vmas = yield* READ_ONCE(i_mmap);
  yield* WRITE_ONCE(
    i_mmap,
    vmas.filter((v) => v !== vma),
  );
  yield* up_write(i_mmap_rwsem);
  for (let address = vma.vm_start; address < end; address += pmdPages(k)) {
    const pmdp = pmd_offset(k, mm, address);
    if (pmdp !== null) yield* WRITE_ONCE<UpperEntry>(pmdp, null);
  }
  for (let address = vma.vm_start; address < end; address += pudPages(k)) {
    const pudp = pud_offset(k, mm, address);
    if (pudp !== null) yield* WRITE_ONCE<UpperEntry>(pudp, null);
  }
  yield* up_write(mm.mmap_lock);
}
