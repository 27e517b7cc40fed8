// The PMD entries of normalised FS-DAX folios: how v6.15 marks them, and that it stopped.
import { is_zero_pfn, pfn_to_page } from "../kernel/include/linux/mm.ts";
import type { UpperEntry } from "../kernel/include/linux/mm_types.ts";
import { isLeaf, pmd_offset } from "../kernel/include/linux/pgtable.ts";
import { spin_lock, spin_unlock } from "../kernel/kernel/locking/spinlock.ts";
import { change } from "../kernel/kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../kernel/lib/atomic.ts";
import { copy_huge_pmd } from "../kernel/mm/memory-fork.ts";

export const pmdMarkedSpecial = change({
  name: "fsdax-pmd-special",
  subject: "mm/huge_memory: add vmf_insert_folio_pmd()",
  source: "of the series that normalised FS-DAX counts (2025, v6.15)",
  about:
    "The entry of a counted folio is written with insert_pfn_pmd(), which marks what is not devmap as special. GUP " +
    "without locks refuses it then; zapping does not ask; and fork() takes it for an entry of no counted page.",
  functions: {
    /** Models the pmd_mkspecial() of `mm/huge_memory.c:insert_pfn_pmd()` @ v6.15. */
    special_folio_pmd: () => true,
    /** Models the pmd_page() of `mm/huge_memory.c:zap_huge_pmd()` @ v6.15: a mark on the entry does not matter. */
    zapped_page_pmd: (k, pmd) => (is_zero_pfn(k, pmd.pfn) ? null : pfn_to_page(k, pmd.pfn)),
    /** Models `mm/huge_memory.c:copy_huge_pmd()` @ v6.15: a special entry is copied as it is, and counted nowhere. */
    *copy_huge_pmd(k, dst, src, address) {
      const from = pmd_offset(k, src.vm_mm, address);
      const to = pmd_offset(k, dst.vm_mm, address);
      const pmd = from === null ? null : yield* READ_ONCE(from);
      if (to === null || !isLeaf(pmd) || !pmd.special || is_zero_pfn(k, pmd.pfn)) return;
      yield* spin_lock(k, dst.vm_mm.pmd_lock);
      yield* spin_lock(k, src.vm_mm.pmd_lock);
      yield* WRITE_ONCE<UpperEntry>(to, pmd);
      yield* spin_unlock(src.vm_mm.pmd_lock);
      yield* spin_unlock(dst.vm_mm.pmd_lock);
    },
  },
});

export const pmdNotSpecial = change({
  name: "fsdax-pmd-not-special",
  subject: "mm/huge_memory: don't mark refcounted folios special in vmf_insert_folio_pmd()",
  source: "D. Hildenbrand, posted in June 2025, after v6.15",
  about:
    "Before, GUP without locks gave up at every PMD entry of a DAX file, and fork() copied such entries uncounted.",
  after: ["fsdax-pmd-special"],
  functions: {
    special_folio_pmd: () => false,
    copy_huge_pmd,
    /** Models the vm_normal_folio_pmd() of `mm/huge_memory.c:zap_huge_pmd()` @ v7.2. */
    zapped_page_pmd: (k, pmd) => k.vm_normal_page_pmd(pmd),
  },
});
