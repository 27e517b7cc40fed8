// Who maps a folio, as a count. Source: mm/rmap.c, include/linux/mm.h.
import type { Code } from "../../explore/access.ts";
import type { Folio, Pte, VmArea } from "../include/linux/mm_types.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { atomic_add, atomic_read, READ_ONCE, WRITE_ONCE } from "../lib/atomic.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    folio_mapcount: typeof folio_mapcount;
    folio_add_file_rmap_pte: typeof folio_add_file_rmap_pte;
    folio_remove_rmap_pte: typeof folio_remove_rmap_pte;
    pfn_mkclean_range: typeof pfn_mkclean_range;
  }
}

/** Models `include/linux/mm.h:folio_mapcount()` @ v6.12, for a folio of one page. */
export function* folio_mapcount(_k: Kernel, folio: Folio): Code<number> {
  return (yield* atomic_read(folio._mapcount)) + 1;
}

/** Models `mm/rmap.c:folio_add_file_rmap_ptes()` @ v6.12, for one entry. */
export function* folio_add_file_rmap_pte(_k: Kernel, folio: Folio): Code {
  yield* atomic_add(folio._mapcount, 1);
}

/** Models `mm/rmap.c:folio_remove_rmap_ptes()` @ v6.12, for one entry. */
export function* folio_remove_rmap_pte(_k: Kernel, folio: Folio): Code {
  yield* atomic_add(folio._mapcount, -1);
}

/**
 * Takes away the right to write through an entry, so that the next store makes a fault.
 *
 * Models `mm/rmap.c:pfn_mkclean_range()` @ v6.12, for one entry; v5.18 has it in fs/dax.c, as
 * dax_entry_mkclean().
 */
export function* pfn_mkclean_range(k: Kernel, vma: VmArea, address: number, pfn: number): Code {
  const { ptl, page_table } = vma.vm_mm;
  const ptep = page_table[address];
  if (ptep === undefined) return;
  yield* spin_lock(k, ptl);
  const pte = yield* READ_ONCE(ptep);
  const writable = pte !== null && pte.pfn === pfn && (pte.write || pte.dirty);
  if (writable) yield* WRITE_ONCE<Pte | null>(ptep, { ...pte, write: false, dirty: false });
  yield* spin_unlock(ptl);
  if (writable) yield* k.flush_tlb_mm(vma.vm_mm);
}
