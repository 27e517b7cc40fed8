// A page of device memory has gone bad: who uses it loses it. Source: mm/memory-failure.c.

import type { Pfn } from "../../base/brand.ts";
import { type Code, fail, rmw } from "../../explore/access.ts";
import { EBUSY, ENXIO, EOPNOTSUPP } from "../include/asm-generic/errno-base.ts";
import type { AddressSpace } from "../include/linux/fs.ts";
import { isMapping, page_folio, pfn_to_page } from "../include/linux/mm.ts";
import { type Folio, type MmStruct, type Page, TABLE } from "../include/linux/mm_types.ts";
import { PG_hwpoison } from "../include/linux/page-flags.ts";
import { isLeaf, pmd_offset, pmdPages, pte_offset, pud_offset, pudPages } from "../include/linux/pgtable.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE } from "../lib/atomic.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    memory_failure_dev_pagemap: typeof memory_failure_dev_pagemap;
    mf_generic_kill_procs: typeof mf_generic_kill_procs;
    mf_generic_pgoff: typeof mf_generic_pgoff;
    mf_dax_kill_procs: typeof mf_dax_kill_procs;
  }
}

/** Why the holder of a DAX device is told: memory went bad, or the device goes. */
export type FailureFlags = "" | "MF_MEM_PRE_REMOVE";

/** Models `include/linux/page-flags.h:SetPageHWPoison()` @ v6.12. */
export function* SetPageHWPoison(page: Page): Code {
  yield* rmw([page.flags], (flags: number) => ({ next: [flags | PG_hwpoison], result: null }));
}

/**
 * Deals with a bad page: the driver's way first, which asks the file system, and else through the page.
 *
 * Models `mm/memory-failure.c:memory_failure_dev_pagemap()` @ v6.12.
 * Left out: mf_mutex, for one failure at a time; the caller's reference from madvise().
 *
 * @returns 0, or a negative error.
 */
export function* memory_failure_dev_pagemap(k: Kernel, pfn: Pfn): Code<number> {
  const pgmap = yield* k.get_dev_pagemap(pfn);
  if (pgmap === null) return -ENXIO;
  let rc = yield* k.pmem_pagemap_memory_failure(pfn);
  if (rc === -EOPNOTSUPP) rc = yield* k.mf_generic_kill_procs(pfn);
  const dealtWith = { cell: pfn_to_page(k, pfn).failed, update: () => true };
  yield* k.put_dev_pagemap(pgmap, rc === 0 ? [dealtWith] : []);
  return rc;
}

/** Models `mm/memory-failure.c:dev_pagemap_mapping_shift()` @ v6.12, in pages: what the entry of an address maps. */
function* mappedPages(k: Kernel, mm: MmStruct, address: number): Code<number> {
  const pudp = pud_offset(k, mm, address);
  if (pudp !== null && isLeaf(yield* READ_ONCE(pudp))) return pudPages(k);
  const pmdp = pmd_offset(k, mm, address);
  const pmd = pmdp === null ? TABLE : yield* READ_ONCE(pmdp);
  if (isLeaf(pmd)) return pmdPages(k);
  if (pmd !== TABLE) return 0;
  const pte = yield* READ_ONCE(pte_offset(mm, address));
  return isLeaf(pte) ? 1 : 0;
}

/**
 * How many pages the largest entry maps by which a process has a page of a file; 0 if it has none.
 *
 * Models `size_shift` of `mm/memory-failure.c:__add_to_kill()` @ v6.12, for the processes that are to be killed.
 *
 * @param mm Null for every process.
 */
function* mappedSize(k: Kernel, mapping: AddressSpace, index: number, mm: MmStruct | null): Code<number> {
  let size = 0;
  for (const vma of yield* READ_ONCE(mapping.i_mmap)) {
    const address = vma.vm_start + index - vma.vm_pgoff;
    const within = address >= vma.vm_start && address < vma.vm_start + vma.vm_pages;
    if (!within || (mm !== null && vma.vm_mm !== mm)) continue;
    const pages = yield* mappedPages(k, vma.vm_mm, address);
    size = Math.max(size, pages);
  }
  return size;
}

/**
 * Unmaps what surrounds a bad page, if one of those maps it who are to be killed: then from everybody.
 *
 * Models `mm/memory-failure.c:unmap_and_kill()` @ v6.12.
 * Simplified: to be killed is the process that met the failure; where a kernel thread did, everybody, as if all had
 * asked to be killed early.
 * Left out: the signals; i_mmap_rwsem, while it is looked who maps the page.
 */
function* unmap_and_kill(k: Kernel, mapping: AddressSpace, index: number, killed: MmStruct | null): Code {
  const size = yield* mappedSize(k, mapping, index, killed);
  if (size > 0) yield* k.unmap_mapping_pages(mapping, index - (index % size), size);
}

/**
 * Takes a bad page away from those who map it, by what the page says of its file.
 *
 * Models `mm/memory-failure.c:mf_generic_kill_procs()` @ v6.12.
 * Left out: private and coherent memory, for which it says -ENXIO; that collect_procs() asks the page for its file by
 * itself, before it is asked for what to unmap.
 *
 * @returns 0, or -EBUSY if the page says of no file.
 */
export function* mf_generic_kill_procs(k: Kernel, pfn: Pfn): Code<number> {
  const folio = yield* page_folio(k, pfn_to_page(k, pfn));
  const cookie = yield* k.dax_lock_folio(folio);
  if (cookie === null) return -EBUSY;
  yield* SetPageHWPoison(folio.page);
  // The page is asked again, as if the lock of the entry held what it says.
  const mapping = yield* READ_ONCE(folio.mapping);
  if (!isMapping(mapping)) {
    fail(
      "no-dereference-of-a-mark",
      "mf_generic_kill_procs() finds the page that it has locked without mapping",
    );
  }
  const index = yield* k.mf_generic_pgoff(folio, pfn);
  yield* unmap_and_kill(k, mapping, index, k.current.mm);
  yield* k.dax_unlock_folio(folio, cookie);
  return 0;
}

/**
 * For which page of the file it is looked who maps it: for that of the head of the folio, whichever page is bad. The head of
 * a folio of a DAX device is mapped by whoever maps a tail of it, by the same entry; up to v6.14 pages of FS-DAX are in
 * no folio.
 *
 * Models the page offset in `mm/memory-failure.c:collect_procs_file()` @ v6.12, as mf_generic_kill_procs() calls it.
 */
export function* mf_generic_pgoff(_k: Kernel, folio: Folio, _pfn: Pfn): Code<number> {
  return yield* READ_ONCE(folio.index);
}

/**
 * Takes a page of a file away from those who map it.
 *
 * Models `mm/memory-failure.c:mf_dax_kill_procs()` and `collect_procs_fsdax()` @ v6.12, for one page: before a device
 * goes, everybody is killed.
 */
export function* mf_dax_kill_procs(
  k: Kernel,
  mapping: AddressSpace,
  index: number,
  flags: FailureFlags,
): Code {
  const locked = yield* k.dax_lock_mapping_entry(mapping, index);
  if (locked === null) return;
  const preRemove = flags === "MF_MEM_PRE_REMOVE";
  if (!preRemove) yield* SetPageHWPoison(locked.page);
  yield* unmap_and_kill(k, mapping, index, preRemove ? null : k.current.mm);
  yield* k.dax_unlock_entry(mapping, index, locked.entry);
}
