// References to FS-DAX pages and their last put, when no page is one-based any more.
// Source: include/linux/mm.h, mm/swap.c, mm/memremap.c.

import { WARN } from "../../kernel/include/asm-generic/bug.ts";
import { MEMORY_DEVICE_GENERIC, MEMORY_DEVICE_PCI_P2PDMA } from "../../kernel/include/linux/memremap.ts";
import { page_folio } from "../../kernel/include/linux/mm.ts";
import type { PageMapping } from "../../kernel/include/linux/mm_types.ts";
import { followPgmap } from "../../kernel/include/linux/mmzone.ts";
import { folio_ref_sub_and_test } from "../../kernel/include/linux/page_ref.ts";
import type { KernelFunctions } from "../../kernel/kernel.ts";
import { WRITE_ONCE } from "../../kernel/lib/atomic.ts";
import { free_driver_page } from "../../kernel/mm/memremap.ts";
import { isDriverMemory } from "../device-private.ts";

/** What drops references, and what the last drop does. */
export const putFunctions: Partial<KernelFunctions> = {
  /** Ours: the number that v6.15 spells 0. */
  fsdax_idle_count: () => 0,
  p2pdma_idle_count: () => 0,

  /** Models set_page_count() in `drivers/pci/p2pdma.c:p2pmem_alloc_mmap()` @ v6.15. */
  *p2pmem_prepare_page(_k, page) {
    yield* WRITE_ONCE(page._refcount, 1);
  },

  /** Models `include/linux/mm.h:put_page()` @ v6.15. */
  *put_page(k, page) {
    const folio = yield* page_folio(k, page);
    yield* k.folio_put(folio);
  },

  /** Models `mm/swap.c:folios_put_refs()` @ v6.15, for device memory. */
  *release_pages(k, pages) {
    for (const page of pages) {
      const folio = yield* page_folio(k, page);
      if (yield* folio_ref_sub_and_test(folio, 1)) yield* k.__folio_put(folio);
    }
  },

  /**
   * Models `mm/memremap.c:free_zone_device_folio()` @ v6.15: mapping and order of an FS-DAX folio belong to the entry of
   * the file and stay. The count of a page of a DAX device begins anew, which hides that a reference too many
   * was dropped. Where word 0 is 0, the kernel warns, and whoever waits for the folio is not woken.
   * Left out: mem_cgroup_uncharge() of what is never charged.
   */
  *free_zone_device_folio(k, folio) {
    const pgmap = yield* followPgmap(k, folio.page);
    if (pgmap === null) {
      const name = `pfn 0x${folio.page.pfn.toString(16)}`;
      yield* WARN(
        k,
        "no-free-without-pgmap",
        `the last reference to ${name} is dropped while it has no pgmap`,
      );
      return;
    }
    if (pgmap.type === MEMORY_DEVICE_GENERIC) yield* WRITE_ONCE(folio._refcount, 1);
    else if (isDriverMemory(pgmap)) {
      yield* free_driver_page(k, pgmap, folio);
      yield* k.put_dev_pagemap(pgmap);
    } else if (pgmap.type === MEMORY_DEVICE_PCI_P2PDMA) {
      yield* WRITE_ONCE<PageMapping>(folio.mapping, null);
      yield* k.p2pdma_page_free(pgmap, folio.page);
    } else yield* k.wake_up_var(folio.page);
  },
};
