// A driver of memory that only its device reaches, or that is coherent: the one that the kernel tests itself with.
// Source: lib/test_hmm.c.
import type { Pfn } from "../../base/brand.ts";
import { type Code, rmw } from "../../explore/access.ts";
import type { DevPagemap } from "../include/linux/memremap.ts";
import type { Page, VmArea } from "../include/linux/mm_types.ts";
import type { Kernel } from "../kernel.ts";
import type { VmFault } from "../mm/memory.ts";
import { folio_trylock } from "../mm/memory-swap.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    dmirror_devmem_fault: typeof dmirror_devmem_fault;
    dmirror_devmem_free: typeof dmirror_devmem_free;
    dmirror_fault_without_memory: typeof dmirror_fault_without_memory;
  }
}

/**
 * pgmap->ops->migrate_to_ram: brings a page back to ordinary memory, since a processor wants it.
 *
 * Models `lib/test_hmm.c:dmirror_devmem_fault()` @ v6.12, with dmirror_devmem_fault_alloc_and_copy(), for one page.
 * Left out: the device's own page table, copying.
 * Context: mmap_lock held for reading.
 */
export function* dmirror_devmem_fault(k: Kernel, vma: VmArea, address: number, page: Page): Code<VmFault> {
  if (!(yield* k.migrate_vma_setup(vma, address, page))) return "NOPAGE";
  const newpage = yield* k.alloc_anon_folio();
  if (newpage !== null) yield* folio_trylock(newpage.folio);
  const moved = newpage !== null && (yield* k.migrate_vma_pages(page, newpage));
  yield* k.migrate_vma_finalize(address, page, newpage, moved);
  return newpage === null ? k.dmirror_fault_without_memory() : "NOPAGE";
}

/** What such a fault comes to where there is no memory: nothing, so that the access is tried again. Ours: a knob. */
export const dmirror_fault_without_memory = (_k: Kernel): VmFault => "NOPAGE";

/** pgmap->ops->page_free: the driver has the page back. Models `lib/test_hmm.c:dmirror_devmem_free()` @ v6.12. */
export function* dmirror_devmem_free(_k: Kernel, pgmap: DevPagemap, page: Page): Code {
  yield* rmw([pgmap.pool], (pool: readonly Pfn[]) => ({
    next: [[...pool, page.pfn].sort((a, b) => a - b)],
    result: null,
  }));
}
