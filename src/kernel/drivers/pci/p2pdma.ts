// Memory of a PCI device that other devices do DMA to, as programs get it: through a file in sysfs, a page for each page
// that they map. Source: drivers/pci/p2pdma.c.
// Left out everywhere: kernel users of that memory, removal of the device.

import { type Pfn, pfn as toPfn } from "../../../base/brand.ts";
import { requireUse } from "../../../base/errors.ts";
import { type Code, rmw } from "../../../explore/access.ts";
import { EINVAL, ENODEV, ENOMEM } from "../../include/asm-generic/errno-base.ts";
import type { DevPagemap } from "../../include/linux/memremap.ts";
import { pfn_to_page } from "../../include/linux/mm.ts";
import { type Page, VM_SHARED, type VmArea } from "../../include/linux/mm_types.ts";
import type { Kernel } from "../../kernel.ts";
import { WRITE_ONCE } from "../../lib/atomic.ts";
import { percpu_ref_get, percpu_ref_put, percpu_ref_tryget_live } from "../../lib/percpu-refcount.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    p2pmem_alloc_mmap: typeof p2pmem_alloc_mmap;
    p2pmem_prepare_page: typeof p2pmem_prepare_page;
    p2pmem_insert_failed: typeof p2pmem_insert_failed;
    p2pdma_page_free: typeof p2pdma_page_free;
  }
}

/** Takes so many pages in a row. Models `include/linux/genalloc.h:gen_pool_alloc_owner()` @ v6.12, first fit. */
function* gen_pool_alloc(pgmap: DevPagemap, pages: number): Code<Pfn | null> {
  return yield* rmw([pgmap.pool], (pool: readonly Pfn[]) => {
    const fits = (first: Pfn): boolean =>
      Array.from({ length: pages }, (_, i) => i).every((i) => pool.includes(toPfn(first + i)));
    const first = pool.find(fits);
    if (first === undefined) return { next: [pool], result: null };
    return { next: [pool.filter((p) => p < first || p >= first + pages)], result: first };
  });
}

/** Gives pages back. Models `lib/genalloc.c:gen_pool_free_owner()` @ v6.12. */
function* gen_pool_free(pgmap: DevPagemap, first: Pfn, pages: number): Code {
  yield* rmw([pgmap.pool], (pool: readonly Pfn[]) => {
    const back = Array.from({ length: pages }, (_, i) => toPfn(first + i));
    return { next: [[...pool, ...back].sort((a, b) => a - b)], result: null };
  });
}

/**
 * A program maps memory of the device: all of it is mapped at once, and each page belongs to its entry from then on.
 *
 * Models `drivers/pci/p2pdma.c:p2pmem_alloc_mmap()` @ v6.12.
 * Left out: the look at pdev->p2pdma under RCU. That vm_insert_page() fails, since there is no memory for a table, only a
 * change can bring about.
 * Context: mmap_lock held for writing.
 *
 * @returns 0, or a negative error.
 */
export function* p2pmem_alloc_mmap(k: Kernel, vma: VmArea): Code<number> {
  const pgmap = vma.vm_file.p2pmem;
  requireUse(pgmap, `${vma.vm_file.name} is no file of a PCI device's memory`);
  if (!(vma.vm_flags & VM_SHARED) || vma.vm_pgoff !== 0) return -EINVAL;
  const first = yield* gen_pool_alloc(pgmap, vma.vm_pages);
  if (first === null) return -ENOMEM;
  if (!(yield* percpu_ref_tryget_live(pgmap.ref))) {
    yield* gen_pool_free(pgmap, first, vma.vm_pages);
    return -ENODEV;
  }
  for (let i = 0; i < vma.vm_pages; i++) {
    const page = pfn_to_page(k, toPfn(first + i));
    yield* k.p2pmem_prepare_page(page);
    if ((yield* k.vm_insert_page(vma, vma.vm_start + i, page)) !== "NOPAGE") {
      yield* gen_pool_free(pgmap, page.pfn, vma.vm_pages - i);
      yield* k.p2pmem_insert_failed(pgmap, page);
      return -ENOMEM;
    }
    yield* percpu_ref_get(pgmap.ref);
    yield* k.put_page(page);
  }
  yield* percpu_ref_put(pgmap.ref);
  return 0;
}

/**
 * Before a page is mapped: it has a reference from the pool, which the put after the insertion drops.
 *
 * Models what is not there in `drivers/pci/p2pdma.c:p2pmem_alloc_mmap()` @ v6.12.
 */
export function* p2pmem_prepare_page(_k: Kernel, _page: Page): Code {}

/**
 * A page could not be mapped, and is in the pool again.
 *
 * Models what is not there in `drivers/pci/p2pdma.c:p2pmem_alloc_mmap()` @ v6.12: the reference of the pgmap is not dropped.
 */
export function* p2pmem_insert_failed(_k: Kernel, _pgmap: DevPagemap, _page: Page): Code {}

/**
 * The same with the reference of the pgmap dropped; and with the count of the page taken back, when others may have got
 * the page already.
 *
 * Models set_page_count() in the way out of `drivers/pci/p2pdma.c:p2pmem_alloc_mmap()` @ v7.2.
 */
export function* p2pmem_insert_failed_reset(_k: Kernel, pgmap: DevPagemap, page: Page): Code {
  yield* WRITE_ONCE(page._refcount, 0);
  yield* percpu_ref_put(pgmap.ref);
}

/**
 * Takes a page back that nobody maps or holds any more, and the reference of the pgmap with it.
 *
 * Models `drivers/pci/p2pdma.c:p2pdma_page_free()` @ v6.12; v7.2 has it as p2pdma_folio_free().
 */
export function* p2pdma_page_free(_k: Kernel, pgmap: DevPagemap, page: Page): Code {
  yield* gen_pool_free(pgmap, page.pfn, 1);
  yield* percpu_ref_put(pgmap.ref);
}
