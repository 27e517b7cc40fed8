// Device memory's struct pages: where they come from and how they are given back.
// Source: mm/memremap.c.
import { hex, type Pfn } from "../../base/brand.ts";
import { requireUse } from "../../base/errors.ts";
import { type Code, cell, fail, type GhostUpdate, modelled } from "../../explore/access.ts";
import {
  type DevPagemap,
  MEMORY_DEVICE_FS_DAX,
  MEMORY_DEVICE_PRIVATE,
  type MemoryType,
  type PercpuRef,
} from "../include/linux/memremap.ts";
import { folio_test_anon, idleCountOf, pfn_to_page } from "../include/linux/mm.ts";
import { type Folio, newPage, type Page, type PageMapping } from "../include/linux/mm_types.ts";
import { followPgmap } from "../include/linux/mmzone.ts";
import { folio_ref_inc, folio_ref_sub_return } from "../include/linux/page_ref.ts";
import { PG_anon_exclusive } from "../include/linux/page-flags.ts";
import type { Kernel } from "../kernel.ts";
import { clear_bits, READ_ONCE, WRITE_ONCE } from "../lib/atomic.ts";
import { percpu_ref_put, percpu_ref_tryget_live } from "../lib/percpu-refcount.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    memremap_pages: typeof memremap_pages;
    memmap_init_compound: typeof memmap_init_compound;
    get_dev_pagemap: typeof get_dev_pagemap;
    put_dev_pagemap: typeof put_dev_pagemap;
    __put_devmap_managed_folio_refs: typeof __put_devmap_managed_folio_refs;
    free_zone_device_folio: typeof free_zone_device_folio;
    zone_device_page_init: typeof zone_device_page_init;
  }
}

/**
 * Gives a range of device memory its struct pages. Only in setup.
 *
 * Models `mm/memremap.c:memremap_pages()` @ v6.12, for memory whose pages are in use by a file system, a device or a
 * process.
 * Left out: altmap, the reference of the pgmap that each page holds.
 *
 * @param vmemmap_shift Order of the folios that the pages are made into by memmap_init_compound().
 * @param owner Whose the memory is, if it is not a file system's to hand out.
 * @param pool Those that a driver is to give out.
 */
export function memremap_pages(
  k: Kernel,
  type: MemoryType,
  pfns: readonly Pfn[],
  vmemmap_shift: number = 0,
  owner: string = "free",
  pool: readonly Pfn[] = [],
): DevPagemap {
  const [first] = pfns;
  requireUse(first !== undefined, "a device or file system has no pages: give it at least one");
  const name = `pgmap${k.world.mem_map.size === 0 ? "" : `[${hex(first)}]`}`;
  const pgmap: DevPagemap = modelled("pgmap", {
    type,
    vmemmap_shift,
    ref: cell<PercpuRef>(`${name}.ref`, { count: 1, dead: false }),
    pool: cell(`${name}.pool`, pool),
  });
  const range = cell<DevPagemap | null>(`pgmap_array[${hex(first)}]`, pgmap);
  pfns.forEach((pfn, i) => {
    requireUse(
      !k.world.mem_map.has(pfn),
      `pfn ${hex(pfn)} is there twice: give one of the devices another first page`,
    );
    const isHead = i % 2 ** vmemmap_shift === 0;
    k.world.pgmap_array.set(pfn, range);
    k.world.mem_map.set(pfn, newPage(pfn, pgmap, isHead ? idleCountOf(k, type) : 0, owner));
  });
  return pgmap;
}

/**
 * Makes the folios of a range. Only in setup.
 *
 * Models `mm/mm_init.c:memmap_init_compound()` @ v6.12; tails whose struct pages are one page of memory are written
 * like others here.
 */
export function* memmap_init_compound(k: Kernel, pgmap: DevPagemap, pfns: readonly Pfn[]): Code {
  if (pgmap.vmemmap_shift === 0) return;
  for (let i = 0; i < pfns.length; i += 2 ** pgmap.vmemmap_shift) {
    const pfn = pfns[i];
    if (pfn !== undefined) yield* k.prep_compound_page(pfn_to_page(k, pfn), pgmap.vmemmap_shift);
  }
}

/**
 * Keeps the pgmap of a page frame alive for as long as its struct page is looked at. The page is not asked for it.
 *
 * Models `mm/memremap.c:get_dev_pagemap()` @ v6.12.
 * Left out: RCU, which keeps the pgmap until its reference is taken; ranges stay where they are.
 */
export function* get_dev_pagemap(k: Kernel, pfn: Pfn): Code<DevPagemap | null> {
  const range = k.world.pgmap_array.get(pfn_to_page(k, pfn).pfn);
  requireUse(range, `pfn ${hex(pfn)} is no device memory`);
  const pgmap = yield* READ_ONCE(range);
  if (pgmap === null) return null;
  const live = yield* percpu_ref_tryget_live(pgmap.ref);
  return live ? pgmap : null;
}

/**
 * Models `include/linux/memremap.h:put_dev_pagemap()` @ v6.12.
 *
 * @param ghosts What becomes known with the step.
 */
export function* put_dev_pagemap(_k: Kernel, pgmap: DevPagemap, ghosts: readonly GhostUpdate[] = []): Code {
  yield* percpu_ref_put(pgmap.ref, ghosts);
}

/**
 * Drops references to an FS-DAX page and, when only the base reference is left, wakes those who wait
 * for it to be idle.
 *
 * Models `mm/memremap.c:__put_devmap_managed_page()` @ v5.18, with the number of references as a
 * parameter; callers of v5.18 pass 1.
 */
export function* __put_devmap_managed_folio_refs(k: Kernel, folio: Folio, refs: number): Code<boolean> {
  const pgmap = yield* followPgmap(k, folio.page);
  if (pgmap?.type !== MEMORY_DEVICE_FS_DAX) return false;
  if ((yield* folio_ref_sub_return(folio, refs)) === 1) yield* k.wake_up_var(folio._refcount);
  return true;
}

/**
 * What happens when the last reference to a page of device memory is gone. One-based FS-DAX pages have
 * no business here.
 *
 * Models `mm/memremap.c:free_zone_device_folio()` @ v6.12: FS-DAX memory has no page_free operation, so
 * it warns and returns. v5.18 has it as free_zone_device_page().
 */
export function* free_zone_device_folio(_k: Kernel, folio: Folio): Code {
  fail("no-free-of-one-based-page", `the base reference of pfn 0x${folio.page.pfn.toString(16)} was dropped`);
}

/**
 * Drops references to a page of FS-DAX or private device memory, and does what is to be done when only the base reference
 * is left: who waits is woken, or the driver has the page back.
 *
 * Models `mm/swap.c:put_devmap_managed_page()` @ v5.10, with `mm/memremap.c:free_devmap_managed_page()`.
 * Left out: what is done at 0, which is to drop the reference of the pgmap; nothing drops the base reference here but a
 * put too many.
 */
export function* free_at_base_reference(k: Kernel, folio: Folio, refs: number): Code<boolean> {
  const pgmap = yield* followPgmap(k, folio.page);
  if (pgmap?.type !== MEMORY_DEVICE_PRIVATE) {
    return yield* __put_devmap_managed_folio_refs(k, folio, refs);
  }
  if ((yield* folio_ref_sub_return(folio, refs)) === 1) {
    yield* k.mem_cgroup_uncharge(folio);
    yield* WRITE_ONCE<PageMapping>(folio.mapping, null);
    yield* k.dmirror_devmem_free(pgmap, folio.page);
  }
  return true;
}

/**
 * What is to be done when nobody uses a page any more that a driver gave out.
 *
 * Models `mm/memremap.c:free_zone_device_folio()` @ v6.12, for private and coherent memory.
 */
export function* free_driver_page(k: Kernel, pgmap: DevPagemap, folio: Folio): Code {
  yield* k.mem_cgroup_uncharge(folio);
  if (yield* folio_test_anon(folio)) yield* clear_bits(folio.flags, PG_anon_exclusive);
  yield* WRITE_ONCE<PageMapping>(folio.mapping, null);
  yield* k.dmirror_devmem_free(pgmap, folio.page);
}

/**
 * A driver gives a page out: it takes a reference beside the base one.
 *
 * Models get_page() in `lib/test_hmm.c:dmirror_devmem_alloc_page()` @ v5.10.
 * Left out: the page lock, until the page is mapped.
 */
export function* zone_device_page_init(_k: Kernel, _pgmap: DevPagemap, page: Page): Code {
  yield* folio_ref_inc(page.folio);
}

/**
 * A driver gives a page out that has no reference.
 *
 * Models `mm/memremap.c:zone_device_page_init()` @ v6.12.
 * Left out: the page lock, until the page is mapped; that v7.2 writes mapping, share and pgmap, which are so already.
 */
export function* zone_device_page_init_from_zero(_k: Kernel, pgmap: DevPagemap, page: Page): Code {
  yield* percpu_ref_tryget_live(pgmap.ref);
  yield* WRITE_ONCE(page._refcount, 1);
}
