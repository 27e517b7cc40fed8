// A page of the subsystem in the words of a comparison.
import type { Pfn } from "../base/brand.ts";
import type { See } from "../explore/access.ts";
import { countsOf, headOf } from "../kernel/counts.ts";
import { pfn_to_page } from "../kernel/include/linux/mm.ts";
import { PAGE_MAPPING_DAX_SHARED } from "../kernel/include/linux/mm_types.ts";
import { PG_hwpoison } from "../kernel/include/linux/page-flags.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { type MappingState, mappingState, type PageState } from "./observation.ts";

const PINS_PER_REFCOUNT = 1024;

/** @param idle What a page counts that nobody uses. */
export function modelPage(k: Kernel, see: See, block: Pfn, idle: number): PageState {
  const page = pfn_to_page(k, block);
  const head = headOf(k, see, page);
  const { refcount, mapcount, pincount, order } = countsOf(k, see, page);
  const poisoned = (see(page.flags) & PG_hwpoison) !== 0 ? ["hwpoison"] : [];
  const size = order === 0 ? [] : [head === page ? "head" : "tail"];
  const of = see(head.mapping);
  const mark = of === null ? "null" : of === PAGE_MAPPING_DAX_SHARED ? "shared" : "file";
  const mapping: MappingState = mappingState(mark, see(head.index), idle);
  return {
    refcount,
    mapcount,
    pincount: order > 0 ? pincount : Math.floor(refcount / PINS_PER_REFCOUNT),
    mapping,
    flags: [...poisoned, ...size],
  };
}
