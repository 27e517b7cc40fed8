// Private mappings of a file: pages of one's own on the first store. Source: mm/memory.c, mm/rmap.c. Ordinary memory comes
// from a pool that setup made. What fork() does with them is in memory-fork.ts.
// Left out everywhere: swap, LRU, userfaultfd.

import type { Pfn } from "../../base/brand.ts";
import { type Code, rmw } from "../../explore/access.ts";
import {
  type LowerEntry,
  PAGE_MAPPING_ANON,
  type Page,
  type PageMapping,
  type Pte,
  type VmArea,
} from "../include/linux/mm_types.ts";
import { PG_anon_exclusive } from "../include/linux/page-flags.ts";
import { pte_offset } from "../include/linux/pgtable.ts";
import { isSwpEntry } from "../include/linux/swapops.ts";
import { spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { atomic_add, READ_ONCE, set_bits, WRITE_ONCE } from "../lib/atomic.ts";
import { set_pte_at, type VmFault, type VmFaultInfo } from "./memory.ts";
import { vma_is_anonymous } from "./memory-zap.ts";
import { anon_vma_prepare } from "./rmap.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    alloc_anon_folio: typeof alloc_anon_folio;
    do_anonymous_page: typeof do_anonymous_page;
    handle_private_fault: typeof handle_private_fault;
    finish_cow_fault: typeof finish_cow_fault;
    has_anon_exclusive: typeof has_anon_exclusive;
  }
}

/**
 * Takes a page of ordinary memory, with one reference.
 *
 * Models `mm/memory.c:folio_prealloc()` @ v6.12. It is charged to the control group.
 *
 * @returns null if there is none: VM_FAULT_OOM.
 */
export function* alloc_anon_folio(k: Kernel): Code<Page | null> {
  const { free_ram } = k.world;
  for (;;) {
    const free = yield* READ_ONCE(free_ram);
    const pfn = free[0];
    const page = pfn === undefined ? undefined : k.world.mem_map.get(pfn);
    if (page === undefined) return null;
    const taken = yield* rmw([free_ram, page._refcount], (pool: readonly Pfn[], count: number) =>
      pool.includes(page.pfn)
        ? { next: [pool.filter((p) => p !== page.pfn), 1], result: true }
        : { next: [pool, count], result: false },
    );
    if (taken) {
      yield* k.mem_cgroup_charge(page.folio);
      return page;
    }
  }
}

/** Does a page say of itself that it is one process's own? Ours: PG_anon_exclusive, from v5.19 on. */
export const has_anon_exclusive = (_k: Kernel): boolean => false;

/** Makes a new page one's own: models `mm/rmap.c:folio_add_new_anon_rmap()` @ v6.12, RMAP_EXCLUSIVE. */
export function* addNewAnonRmap(k: Kernel, page: Page): Code {
  yield* WRITE_ONCE<PageMapping>(page.mapping, PAGE_MAPPING_ANON);
  if (k.has_anon_exclusive()) yield* set_bits(page.flags, PG_anon_exclusive);
  yield* atomic_add(page._mapcount, 1);
}

/** The entry of a page that is one process's own. */
export const ownPte = (page: Page): Pte => ({
  kind: "pte",
  pfn: page.pfn,
  special: false,
  devmap: false,
  write: true,
  dirty: true,
});

/**
 * A fault in a mapping of no file where there is nothing, since the program gave up what was there: a read maps the page of
 * zeroes, a store brings a new page. Whoever finds that another thread was faster leaves it at that.
 *
 * Models `mm/memory.c:do_anonymous_page()` @ v6.12.
 * Left out: large folios, huge pages of zeroes; VM_FAULT_OOM, which is a SIGBUS here.
 */
export function* do_anonymous_page(k: Kernel, vma: VmArea, address: number, write: boolean): Code<VmFault> {
  const { vm_mm } = vma;
  const ptep = pte_offset(vm_mm, address);
  let page: Page | null = null;
  if (write) {
    yield* anon_vma_prepare(vma);
    page = yield* k.alloc_anon_folio();
    if (page === null) return "SIGBUS";
  }
  const ptl = yield* k.get_locked_pte(vm_mm, address);
  const faster = ptl === null || (yield* READ_ONCE(ptep)) !== null;
  if (page === null) {
    if (!faster) yield* WRITE_ONCE<LowerEntry>(ptep, zeroPte(k));
  } else if (faster) {
    yield* k.folio_put(page.folio);
  } else {
    yield* addNewAnonRmap(k, page);
    yield* set_pte_at(ptep, ownPte(page), vm_mm.rss_anon, 1);
  }
  if (ptl !== null) yield* spin_unlock(ptl);
  return "NOPAGE";
}

/** The entry of the page of zeroes. */
const zeroPte = (k: Kernel): Pte => ({
  kind: "pte",
  pfn: k.world.zero_page.pfn,
  special: true,
  devmap: false,
  write: false,
  dirty: false,
});

/**
 * A fault in a private mapping: a read maps the page of the file, a store brings a copy.
 *
 * Models `mm/memory.c:handle_pte_fault()` @ v6.12, with do_read_fault() and do_cow_fault(). A mapping of no file has nothing
 * to read or to copy.
 *
 * @param unshare FAULT_FLAG_UNSHARE: GUP is to pin the page for reading, and nobody else may have it then.
 */
export function* handle_private_fault(
  k: Kernel,
  vma: VmArea,
  address: number,
  write: boolean,
  unshare: boolean = false,
): Code<VmFault> {
  const { huge_fault } = vma.vm_file.i_sb.s_type;
  const pgoff = vma.vm_pgoff + address - vma.vm_start;
  const pte = yield* READ_ONCE(pte_offset(vma.vm_mm, address));
  if (isSwpEntry(pte)) return yield* k.do_swap_page(vma, address, pte);
  if (pte !== null) {
    const copies = (write || unshare) && !pte.write;
    return copies ? yield* k.do_wp_page(vma, address, pte, unshare) : "NOPAGE";
  }
  if (vma_is_anonymous(vma)) return yield* k.do_anonymous_page(vma, address, write);
  if (!write) return yield* k[huge_fault]({ vma, address, pgoff, write, order: 0 });

  yield* anon_vma_prepare(vma);
  const cow_page = yield* k.alloc_anon_folio();
  if (cow_page === null) return "SIGBUS";
  const fault = yield* k[huge_fault]({ vma, address, pgoff, write, order: 0, cow_page });
  // The entry holds the reference now, if it was written.
  if (fault !== "DONE_COW") yield* k.folio_put(cow_page.folio);
  return fault === "DONE_COW" ? "NOPAGE" : fault;
}

/**
 * Maps the copy of a page, unless somebody was faster.
 *
 * Models `fs/dax.c:dax_fault_cow_page()` and `mm/memory.c:finish_fault()` @ v6.12.
 */
export function* finish_cow_fault(k: Kernel, vmf: VmFaultInfo, page: Page): Code<VmFault> {
  const { vm_mm } = vmf.vma;
  const ptep = pte_offset(vm_mm, vmf.address);
  const ptl = yield* k.get_locked_pte(vm_mm, vmf.address);
  if (ptl === null) return "NOPAGE";
  const old = yield* READ_ONCE(ptep);
  if (old === null) {
    yield* addNewAnonRmap(k, page);
    yield* set_pte_at(ptep, ownPte(page), vm_mm.rss_anon, 1);
  }
  yield* spin_unlock(ptl);
  return old === null ? "DONE_COW" : "NOPAGE";
}
