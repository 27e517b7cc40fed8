// A DAX device: memory that programs map without a file system. All of its entries are of one size, that of its
// alignment. Source: drivers/dax/device.c.

import { assert } from "../../../base/assert.ts";
import { type Pfn, pfn as toPfn } from "../../../base/brand.ts";
import type { Code } from "../../../explore/access.ts";
import { EINVAL, ENXIO } from "../../include/asm-generic/errno-base.ts";
import type { MappedFileType } from "../../include/linux/fs.ts";
import { page_folio, pfn_to_page } from "../../include/linux/mm.ts";
import { type PageMapping, VM_SHARED, VM_WRITE, type VmArea } from "../../include/linux/mm_types.ts";
import { pmdOrder } from "../../include/linux/pgtable.ts";
import type { Kernel } from "../../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../../lib/atomic.ts";
import type { VmFault, VmFaultInfo } from "../../mm/memory.ts";
import { dax_read_lock, dax_read_unlock } from "./super.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    dev_dax_compound_order: typeof dev_dax_compound_order;
    dax_mmap: typeof dax_mmap;
    dev_dax_huge_fault: typeof dev_dax_huge_fault;
    dev_dax_map: typeof dev_dax_map;
    dev_dax_insert: typeof dev_dax_insert;
    dax_set_mapping: typeof dax_set_mapping;
    dax_mapping_pgoff: typeof dax_mapping_pgoff;
  }
}

/**
 * `drivers/dax/super.c:dax_fs_type`, the file system of the devices' inodes. A device has none of the operations of a
 * file that has blocks.
 */
export const dax_fs_type: MappedFileType = {
  name: "dax",
  huge_fault: "dev_dax_huge_fault",
  writenotify: false,
  mixedmap: false,
  mmap_sync: true,
  mmap: "dax_mmap",
  holder: false,
};

/**
 * The order of the folios that the memory of a device is made of: pages of their own.
 *
 * Models the vmemmap_shift of `drivers/dax/device.c:dev_dax_probe()` @ v5.10.
 *
 * @param _align In pages.
 */
export const dev_dax_compound_order = (_k: Kernel, _align: number): number => 0;

/**
 * Can a device be mapped so? Only shared, in whole entries, and while it is there.
 *
 * Models `drivers/dax/device.c:check_vma()` @ v6.12.
 *
 * @returns 0, or a negative error.
 */
function* check_vma(k: Kernel, { vm_file, vm_flags, vm_start, vm_pages }: VmArea): Code<number> {
  if (!(yield* k.dax_alive(vm_file.i_sb))) return -ENXIO;
  if (!(vm_flags & VM_SHARED)) return -EINVAL;
  const align = vm_file.dev_dax?.align ?? 1;
  return vm_start % align === 0 && vm_pages % align === 0 ? 0 : -EINVAL;
}

/**
 * A program maps a device.
 *
 * Models `drivers/dax/device.c:dax_mmap()` @ v6.12; v7.2 has it as dax_mmap_prepare().
 * Left out: VM_HUGEPAGE, for which mappings of DAX are not asked.
 *
 * @returns 0, or a negative error.
 */
export function* dax_mmap(k: Kernel, vma: VmArea): Code<number> {
  const dev = vma.vm_file.i_sb.s_dax_dev;
  yield* dax_read_lock(k, dev);
  const error = yield* check_vma(k, vma);
  yield* dax_read_unlock(k, dev);
  return error;
}

/**
 * May a mapping be split there? One of a device only between its entries.
 *
 * Models `drivers/dax/device.c:dev_dax_may_split()` @ v6.12; v5.10 has it as dev_dax_split().
 *
 * @returns 0, or a negative error.
 */
export function dev_dax_may_split({ vm_file }: VmArea, addr: number): number {
  return addr % (vm_file.dev_dax?.align ?? 1) === 0 ? 0 : -EINVAL;
}

/**
 * Brings memory of a device into a page table, while the device cannot go.
 *
 * Models `drivers/dax/device.c:dev_dax_huge_fault()` @ v7.2, with __dev_dax_pte_fault(), __dev_dax_pmd_fault() and
 * __dev_dax_pud_fault().
 * Left out: devices of several ranges.
 *
 * @returns FALLBACK where a smaller entry must do, SIGBUS where the device has gone or none fits.
 */
export function* dev_dax_huge_fault(k: Kernel, vmf: VmFaultInfo): Code<VmFault> {
  const dev = vmf.vma.vm_file.i_sb.s_dax_dev;
  yield* dax_read_lock(k, dev);
  const fault = yield* dev_dax_fault(k, vmf);
  yield* dax_read_unlock(k, dev);
  return fault;
}

/**
 * Models `drivers/dax/device.c:__dev_dax_pte_fault()`, `__dev_dax_pmd_fault()` and `__dev_dax_pud_fault()` @ v7.2, which
 * differ in the size.
 */
export function* dev_dax_fault(k: Kernel, vmf: VmFaultInfo): Code<VmFault> {
  const { vm_file, vm_pages, vm_pgoff, vm_start } = vmf.vma;
  const { dev_dax } = vm_file;
  assert(dev_dax, `${vm_file.name} is no DAX device`);
  const pages = 2 ** vmf.order;
  if ((yield* check_vma(k, vmf.vma)) !== 0) return "SIGBUS";
  if (pages < dev_dax.align) return "SIGBUS";
  if (pages > dev_dax.align) return "FALLBACK";
  const first = vmf.address - (vmf.address % pages);
  if (first < vm_start || first + pages > vm_start + vm_pages) return "SIGBUS";
  const pgoff = vm_pgoff + first - vm_start;
  const pfn = dev_dax.pfns[pgoff];
  if (pfn === undefined || pgoff + pages > dev_dax.pfns.length) return "SIGBUS";
  return yield* k.dev_dax_map(vmf, pfn);
}

/**
 * Maps the memory, then says in its pages whose they are.
 *
 * Models the end of `drivers/dax/device.c:dev_dax_huge_fault()` @ v5.10.
 */
export function* dev_dax_map(k: Kernel, vmf: VmFaultInfo, pfn: Pfn): Code<VmFault> {
  const fault = yield* k.dev_dax_insert(vmf, pfn);
  if (fault === "NOPAGE") yield* k.dax_set_mapping(vmf, pfn);
  return fault;
}

/**
 * Writes an entry of the size that the fault asks for, of which no reference is counted. It can be written through from
 * the start, whatever the access: the mapping of a device asks for no notice of writes.
 *
 * Models the insertion in `drivers/dax/device.c:__dev_dax_pte_fault()`, `__dev_dax_pmd_fault()` and
 * `__dev_dax_pud_fault()` @ v6.12.
 * Left out: that a writable entry is clean until something is stored. Only zapping asks: the mapcount of what a clean
 * one maps falls before a flush, that of a dirty one after it, and both before the lock is dropped.
 */
export function* dev_dax_insert(k: Kernel, vmf: VmFaultInfo, pfn: Pfn): Code<VmFault> {
  const write = (vmf.vma.vm_flags & VM_WRITE) !== 0;
  if (vmf.order === 0) return yield* k.vmf_insert_mixed(vmf, pfn, write);
  if (vmf.order === pmdOrder(k)) return yield* k.vmf_insert_pfn_pmd(vmf, pfn, write);
  return yield* k.vmf_insert_pfn_pud(vmf, pfn, write);
}

/**
 * Says in pages that they belong to the device; of a folio, in its head only. Nobody takes it back.
 *
 * Models `drivers/dax/device.c:dax_set_mapping()` @ v6.12.
 */
export function* dax_set_mapping(k: Kernel, vmf: VmFaultInfo, pfn: Pfn): Code {
  const { vm_file } = vmf.vma;
  const pages = 2 ** vmf.order;
  const pgoff = k.dax_mapping_pgoff(vmf);
  const n = (vm_file.dev_dax?.pgmap.vmemmap_shift ?? 0) > 0 ? 1 : pages;
  for (let i = 0; i < n; i++) {
    const folio = yield* page_folio(k, pfn_to_page(k, toPfn(pfn + i)));
    if ((yield* READ_ONCE(folio.mapping)) !== null) continue;
    yield* WRITE_ONCE<PageMapping>(folio.mapping, vm_file.i_mapping);
    yield* WRITE_ONCE(folio.index, pgoff + i);
  }
}

/**
 * Which page of the device a fault brings in first: the one where its entry begins.
 *
 * Models the pgoff in `drivers/dax/device.c:dev_dax_huge_fault()` @ v5.10, and in dax_set_mapping() from v6.12 on.
 */
export function dax_mapping_pgoff(_k: Kernel, vmf: VmFaultInfo): number {
  const { vm_pgoff, vm_start } = vmf.vma;
  return vm_pgoff + vmf.address - (vmf.address % 2 ** vmf.order) - vm_start;
}
