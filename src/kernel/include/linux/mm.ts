// Folios of pages, and the put paths. Source: include/linux/mm.h, include/linux/page-flags.h.
import { hex, type Pfn, pfn as toPfn } from "../../../base/brand.ts";
import { requireUse } from "../../../base/errors.ts";
import { type Code, rmw } from "../../../explore/access.ts";
import type { Kernel } from "../../kernel.ts";
import { atomic_read, READ_ONCE, WRITE_ONCE } from "../../lib/atomic.ts";
import {
  MEMORY_DEVICE_FS_DAX,
  MEMORY_DEVICE_GENERIC,
  MEMORY_DEVICE_PCI_P2PDMA,
  MEMORY_DEVICE_PRIVATE,
  type MemoryType,
} from "./memremap.ts";
import {
  type Folio,
  type LargeCounts,
  PAGE_MAPPING_ANON,
  PAGE_MAPPING_DAX_SHARED,
  type Page,
  type PageMapping,
  TAIL_MAPPING,
  type Word0,
} from "./mm_types.ts";
import { folio_put_testzero, folio_ref_sub_and_test } from "./page_ref.ts";
import { PG_head } from "./page-flags.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    put_page: typeof put_page;
    folio_put: typeof folio_put;
    folio_put_refs: typeof folio_put_refs;
    put_devmap_managed_folio_refs: typeof put_devmap_managed_folio_refs;
    fsdax_idle_count: typeof fsdax_idle_count;
    p2pdma_idle_count: typeof p2pdma_idle_count;
    private_idle_count: typeof private_idle_count;
    folio_has_pincount: typeof folio_has_pincount;
    folio_maybe_dma_pinned: typeof folio_maybe_dma_pinned;
    folio_is_longterm_pinnable: typeof folio_is_longterm_pinnable;
    prep_compound_page: typeof prep_compound_page;
  }
}

/** A pin of a folio of one page counts as this many references. */
export const GUP_PIN_COUNTING_BIAS = 1024;

/** The struct page of a page frame. Not a step: the memory map does not change. */
export function pfn_to_page(k: Kernel, pfn: Pfn): Page {
  const page = k.world.mem_map.get(pfn);
  requireUse(page, `pfn ${hex(pfn)} has no struct page: setup made no memory there`);
  return page;
}

/** True for the pages that holes are read from, small and huge, of which no references are counted. */
export const is_zero_page = (k: Kernel, page: Page): boolean =>
  page === k.world.zero_page || page === k.world.huge_zero_page;

/** True for the page frames of those. */
export const is_zero_pfn = (k: Kernel, pfn: Pfn): boolean =>
  pfn === k.world.zero_page.pfn || pfn === k.world.huge_zero_page.pfn;

/**
 * The folio that a page is part of now.
 *
 * Models `include/linux/page-flags.h:page_folio()` @ v6.12: one read of word 0, which is the head of
 * the folio if the page is a tail.
 */
export function* page_folio(k: Kernel, page: Page): Code<Folio> {
  const word0 = yield* READ_ONCE(page.pgmap);
  return isTail(word0) ? pfn_to_page(k, word0.head).folio : page.folio;
}

/** Is word 0 the link of a tail to its head? */
export const isTail = (word0: Word0): word0 is { readonly head: Pfn } => word0 !== null && "head" in word0;

/** Models `include/linux/page-flags.h:folio_test_large()` @ v6.12: one read of the flags. */
export function* folio_test_large(folio: Folio): Code<boolean> {
  return ((yield* READ_ONCE(folio.flags)) & PG_head) !== 0;
}

/**
 * Is it a folio of anonymous memory? One look at a bit of its mapping, which a mark for shared DAX pages sets, too.
 *
 * Models `include/linux/page-flags.h:folio_test_anon()` @ v6.12.
 */
export function* folio_test_anon(folio: Folio): Code<boolean> {
  const mapping = yield* READ_ONCE(folio.mapping);
  return mapping === PAGE_MAPPING_ANON || mapping === PAGE_MAPPING_DAX_SHARED;
}

/** A page of a folio. Models `include/linux/page-flags.h:folio_page()` @ v6.12. */
export const folio_page = (k: Kernel, folio: Folio, n: number): Page =>
  n === 0 ? folio.page : pfn_to_page(k, toPfn(folio.page.pfn + n));

/** Models `include/linux/mm.h:folio_order()` @ v6.12: the order lies in the first tail. */
export function* folio_order(k: Kernel, folio: Folio): Code<number> {
  return (yield* folio_test_large(folio)) ? yield* READ_ONCE(folio_page(k, folio, 1).order) : 0;
}

/** Models `include/linux/mm.h:folio_nr_pages()` @ v6.12. */
export function* folio_nr_pages(k: Kernel, folio: Folio): Code<number> {
  const order = yield* folio_order(k, folio);
  return 2 ** order;
}

/** Does word 2 of a first tail hold counts? From the last store of prep_compound_page() on. */
export const hasLargeCounts = (word2: PageMapping): word2 is LargeCounts =>
  typeof word2 === "object" && word2 !== null && "_pincount" in word2;

/** Word 2 of a first tail, read as the counts that lie there. */
export const largeCounts = (word2: PageMapping): LargeCounts =>
  hasLargeCounts(word2) ? word2 : { _entire_mapcount: 0, _pincount: 0 };

/** Is a mapping word a mapping, and not counts, poison or a marker? */
export const isMapping = (word2: PageMapping): word2 is Exclude<PageMapping, LargeCounts | string | null> =>
  typeof word2 === "object" && word2 !== null && !("_pincount" in word2);

/** Adds to a count of a large folio that lies in word 2 of its first tail. Orders nothing. */
export function* addLargeCount(
  k: Kernel,
  folio: Folio,
  field: "_entire_mapcount" | "_pincount",
  n: number,
): Code {
  const { mapping } = folio_page(k, folio, 1);
  yield* rmw(
    [mapping],
    (word2: PageMapping) => {
      const counts = largeCounts(word2);
      return { next: [{ ...counts, [field]: (counts[field] ?? 0) + n }], result: null };
    },
    { order: "relaxed" },
  );
}

/**
 * Are pins of this folio counted apart from references?
 *
 * Models `include/linux/mm.h:folio_has_pincount()` @ v7.2, of 64 bits; before, callers test for a large folio.
 */
export function* folio_has_pincount(_k: Kernel, folio: Folio): Code<boolean> {
  return yield* folio_test_large(folio);
}

/**
 * May somebody do DMA to the folio? False positives are possible: a thousand references look like a pin.
 *
 * Models `include/linux/mm.h:folio_maybe_dma_pinned()` @ v6.12.
 */
export function* folio_maybe_dma_pinned(k: Kernel, folio: Folio): Code<boolean> {
  if (yield* k.folio_has_pincount(folio)) {
    const word2 = yield* READ_ONCE(folio_page(k, folio, 1).mapping);
    return largeCounts(word2)._pincount > 0;
  }
  return (yield* atomic_read(folio._refcount)) >= GUP_PIN_COUNTING_BIAS;
}

/**
 * May the folio be pinned for long?
 *
 * Models `include/linux/mm.h:folio_is_longterm_pinnable()` @ v6.12: of the memory that is here, all may;
 * FS-DAX is told by its devmap entries, and by its mappings.
 * Left out: CMA, ZONE_MOVABLE, coherent device memory.
 */
export function* folio_is_longterm_pinnable(_k: Kernel, _folio: Folio): Code<boolean> {
  return true;
}

/**
 * Makes one folio of several pages.
 *
 * Models `mm/page_alloc.c:prep_compound_page()` @ v7.2: tails get their head and lose their mapping, and the
 * counts of the folio, which lie in the first tail, begin anew.
 * Left out: _nr_pages_mapped and the per-mm mapcounts, which are statistics.
 */
export function* prep_compound_page(k: Kernel, page: Page, order: number): Code {
  const { folio } = page;
  const flags = yield* READ_ONCE(folio.flags);
  yield* WRITE_ONCE(folio.flags, flags | PG_head);
  for (let i = 1; i < 2 ** order; i++) {
    const tail = folio_page(k, folio, i);
    yield* WRITE_ONCE<PageMapping>(tail.mapping, TAIL_MAPPING);
    yield* WRITE_ONCE<Word0>(tail.pgmap, { head: page.pfn });
  }
  const first = folio_page(k, folio, 1);
  yield* WRITE_ONCE(first.order, order);
  yield* WRITE_ONCE(first._large_mapcount, -1);
  yield* WRITE_ONCE<PageMapping>(first.mapping, { _entire_mapcount: -1, _pincount: 0 });
}

/**
 * The count of an FS-DAX page that no one uses, whether it is in a file or free.
 *
 * Ours: the number that E0 to E2 of the kernel spell 1 in many places.
 */
export const fsdax_idle_count = (_k: Kernel): number => 1;

/** The count of a page of a PCI device in the driver's pool. Ours, as fsdax_idle_count(). */
export const p2pdma_idle_count = (_k: Kernel): number => 1;

/**
 * What a page of private device memory counts beyond its users: in v5.10 a base reference, whether the driver has it in
 * its pool or not. Ours, as fsdax_idle_count().
 */
export const private_idle_count = (_k: Kernel, _pooled: boolean): number => 1;

/**
 * The count of a page that no one uses, or of the head of a folio: a page of a DAX device keeps its first reference in
 * every kernel, and coherent memory has none while it is free.
 *
 * Ours: what memmap_init_zone_device() leaves, by type.
 */
export function idleCountOf(k: Kernel, type: MemoryType): number {
  if (type === MEMORY_DEVICE_FS_DAX) return k.fsdax_idle_count();
  if (type === MEMORY_DEVICE_PCI_P2PDMA) return k.p2pdma_idle_count();
  if (type === MEMORY_DEVICE_PRIVATE) return k.private_idle_count(true);
  return type === MEMORY_DEVICE_GENERIC ? 1 : 0;
}

/**
 * Drops a reference to a page.
 *
 * Models `include/linux/mm.h:put_page()` @ v5.18: FS-DAX pages go through the hook that sees 2 -> 1.
 */
export function* put_page(k: Kernel, page: Page): Code {
  const folio = yield* page_folio(k, page);
  if (yield* k.put_devmap_managed_folio_refs(folio, 1)) return;
  yield* k.folio_put(folio);
}

/**
 * Drops a reference to a folio. Knows nothing of one-based counts.
 *
 * Models `include/linux/mm.h:folio_put()` @ v5.18.
 */
export function* folio_put(k: Kernel, folio: Folio): Code {
  if (yield* folio_put_testzero(folio)) yield* k.__folio_put(folio);
}

/**
 * Drops several references to a folio. Knows nothing of one-based counts.
 *
 * Models `include/linux/mm.h:folio_put_refs()` @ v5.18.
 */
export function* folio_put_refs(k: Kernel, folio: Folio, refs: number): Code {
  if (yield* folio_ref_sub_and_test(folio, refs)) yield* k.__folio_put(folio);
}

/**
 * Drops references to an FS-DAX page, whose count is one-based, and wakes those who wait for it to be
 * idle. Other pages are left to the caller.
 *
 * Models `include/linux/mm.h:put_devmap_managed_page()` @ v5.18, which drops one reference; callers of
 * v5.18 pass 1.
 * Left out: the static key, which is on while there is FS-DAX memory.
 *
 * @returns whether the references were dropped here.
 */
export function* put_devmap_managed_folio_refs(k: Kernel, folio: Folio, refs: number): Code<boolean> {
  if (is_zero_page(k, folio.page)) return false;
  return yield* k.__put_devmap_managed_folio_refs(folio, refs);
}
