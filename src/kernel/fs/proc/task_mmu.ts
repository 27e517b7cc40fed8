// What /proc tells of the memory of a process. Source: fs/proc/task_mmu.c.
import type { Code } from "../../../explore/access.ts";
import { page_folio } from "../../include/linux/mm.ts";
import { TABLE, type VmArea } from "../../include/linux/mm_types.ts";
import {
  isLeaf,
  pmd_offset,
  pmdPages,
  pmdStart,
  pte_lockptr,
  pte_offset,
  pud_offset,
  pudPages,
  pudStart,
} from "../../include/linux/pgtable.ts";
import { down_read, up_read } from "../../kernel/locking/rwsem.ts";
import { spin_lock, spin_unlock } from "../../kernel/locking/spinlock.ts";
import type { Kernel } from "../../kernel.ts";
import { READ_ONCE } from "../../lib/atomic.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    smap_gather_stats: typeof smap_gather_stats;
  }
}

/**
 * How many pages of a mapping are there, as /proc/PID/smaps says in Rss. Entries without a page to be counted are not
 * seen.
 *
 * Models `fs/proc/task_mmu.c:smap_gather_stats()` @ v6.12, with smaps_pte_range(). A PUD entry is split: the walk asks
 * for tables (`mm/pagewalk.c:walk_pud_range()`), so that looking takes the memory of a DAX device out of the page table.
 * Left out: all but Rss; the mapcount is read, for Pss, and not used.
 */
export function* smap_gather_stats(k: Kernel, vma: VmArea): Code<number> {
  const { vm_mm } = vma;
  let rss = 0;
  yield* down_read(k, vm_mm.mmap_lock);
  for (let address = vma.vm_start; address < vma.vm_start + vma.vm_pages; address++) {
    const pudp = pud_offset(k, vm_mm, address);
    const pud = pudp === null ? TABLE : yield* READ_ONCE(pudp);
    if (isLeaf(pud)) yield* k.__split_huge_pud(vma, address);
    if (pud !== TABLE) {
      address = pudStart(k, address) + pudPages(k) - 1;
      continue;
    }
    const pmdp = pmd_offset(k, vm_mm, address);
    const pmd = pmdp === null ? TABLE : yield* READ_ONCE(pmdp);
    if (pmd === null) continue;
    const huge = isLeaf(pmd);
    const ptl = huge ? vm_mm.pmd_lock : pte_lockptr(k, vm_mm, address);
    yield* spin_lock(k, ptl);
    const entry =
      huge && pmdp !== null ? yield* READ_ONCE(pmdp) : yield* READ_ONCE(pte_offset(vm_mm, address));
    let page = null;
    if (isLeaf(entry)) page = huge ? k.vm_normal_page_pmd(entry) : k.vm_normal_page(entry);
    if (page !== null) {
      const folio = yield* page_folio(k, page);
      yield* k.folio_mapcount(folio);
      rss += huge ? pmdPages(k) : 1;
    }
    yield* spin_unlock(ptl);
    if (huge) address = pmdStart(k, address) + pmdPages(k) - 1;
  }
  yield* up_read(k, vm_mm.mmap_lock);
  return rss;
}
