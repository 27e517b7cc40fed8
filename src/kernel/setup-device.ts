// What a scenario is furnished with beyond files: memory of other devices, and who maps it.
import { pfn } from "../base/brand.ts";
import { requireUse } from "../base/errors.ts";
import type { Code } from "../explore/access.ts";
import { dax_fs_type } from "./drivers/dax/device.ts";
import { sysfs_fs_type } from "./fs/kernfs/file.ts";
import { type Inode, newInode } from "./include/linux/fs.ts";
import {
  MEMORY_DEVICE_COHERENT,
  MEMORY_DEVICE_PCI_P2PDMA,
  MEMORY_DEVICE_PRIVATE,
  type MemoryType,
} from "./include/linux/memremap.ts";
import { pfn_to_page } from "./include/linux/mm.ts";
import {
  type LowerEntry,
  type MmStruct,
  newVma,
  type Page,
  TABLE,
  type UpperEntry,
  VM_WRITE,
} from "./include/linux/mm_types.ts";
import { pte_offset, pud_offset } from "./include/linux/pgtable.ts";
import { make_device_private_entry } from "./include/linux/swapops.ts";
import { spin_unlock } from "./kernel/locking/spinlock.ts";
import { type Kernel, requireInKernel } from "./kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "./lib/atomic.ts";
import { set_pte_at } from "./mm/memory.ts";
import { addNewAnonRmap, ownPte } from "./mm/memory-private.ts";
import { requireUnmapped } from "./mm/mmap.ts";
import { newSuperBlock } from "./setup.ts";
import { requireSetup } from "./takes.ts";

/** Page frame number of the first page of a PCI device's memory. */
export const FIRST_P2PMEM_PFN = 0x4000;

/**
 * Makes memory of a PCI device that programs get by mapping a file in sysfs, with {@link mapFile}: shared, from page 0.
 * From v6.2 on.
 *
 * @returns the file, `p2pmem/allocate` of the device.
 */
export function createP2pmem(k: Kernel, pages: number): Inode {
  requireSetup("createP2pmem", k, pages);
  requireInKernel(k, "createP2pmem");
  const pfns = Array.from({ length: pages }, (_, i) => pfn(FIRST_P2PMEM_PFN + i));
  const p2pmem = k.memremap_pages(MEMORY_DEVICE_PCI_P2PDMA, pfns, 0, "p2pmem", pfns);
  const sb = newSuperBlock(k, sysfs_fs_type, [], "sysfs.", []);
  return newInode("p2pmem", [], sb, { is_fsdax: false, p2pmem });
}

/** Page frame number of the first page of coherent device memory. */
export const FIRST_COHERENT_PFN = 0x2000;

/**
 * Gives a process a page of coherent device memory at an address of no file, as migrate_vma_finalize() leaves it.
 *
 * For GUP, on kernels that have such memory, from v6.0 on. Left out: how the page came there.
 */
export function* mapCoherent(k: Kernel, mm: MmStruct, address: number): Code<Page> {
  requireSetup("mapCoherent", k, mm, address);
  requireInKernel(k, "mapCoherent");
  const page = yield* driverPage(k, mm, address, MEMORY_DEVICE_COHERENT, FIRST_COHERENT_PFN);
  yield* mapAnon(k, mm, address, ownPte(page));
  return page;
}

/** Page frame number of the first page of private device memory. */
export const FIRST_PRIVATE_PFN = 0x3000;

/**
 * Gives a process a page of memory that only its device reaches, at an address of no file, as migrate_vma_finalize() leaves
 * it: a fault brings it back to ordinary memory, of which there must be some (addRam()).
 *
 * Left out: how the page came there.
 */
export function* mapPrivate(k: Kernel, mm: MmStruct, address: number): Code<Page> {
  requireSetup("mapPrivate", k, mm, address);
  const page = yield* driverPage(k, mm, address, MEMORY_DEVICE_PRIVATE, FIRST_PRIVATE_PFN);
  yield* mapAnon(k, mm, address, make_device_private_entry(page.pfn, true));
  return page;
}

/** A page of a driver, given out to an anonymous mapping of a process. */
function* driverPage(k: Kernel, mm: MmStruct, address: number, type: MemoryType, first: number): Code<Page> {
  const p = pfn(first);
  const pgmap = k.memremap_pages(type, [p], 0, mm.name);
  const page = pfn_to_page(k, p);
  const sb = newSuperBlock(k, dax_fs_type, [], "anon.", []);
  const vm_file = newInode("anon", [], sb, { is_fsdax: false });
  const vma = newVma(mm, { vm_flags: VM_WRITE, vm_start: address, vm_pages: 1, vm_pgoff: 0, vm_file }, true);
  const there = yield* READ_ONCE(mm.mm_mt);
  requireUnmapped(vma, there);
  yield* WRITE_ONCE(mm.mm_mt, [...there, vma]);
  yield* k.zone_device_page_init(pgmap, page);
  yield* k.mem_cgroup_charge(page.folio);
  yield* addNewAnonRmap(k, page);
  return page;
}

/** Writes the entry of such a page. */
function* mapAnon(k: Kernel, mm: MmStruct, address: number, entry: LowerEntry): Code {
  const pudp = pud_offset(k, mm, address);
  if (pudp !== null) yield* WRITE_ONCE<UpperEntry>(pudp, TABLE);
  const ptl = yield* k.get_locked_pte(mm, address);
  requireUse(ptl, `${mm.name} has a huge entry at page ${address}`);
  yield* set_pte_at(pte_offset(mm, address), entry, mm.rss_anon, 1);
  yield* spin_unlock(ptl);
}
