// Files of sysfs, as far as they are mapped. Source: fs/kernfs/file.c.
import type { Code } from "../../../explore/access.ts";
import type { MappedFileType } from "../../include/linux/fs.ts";
import type { Kernel } from "../../kernel.ts";
import type { VmFault, VmFaultInfo } from "../../mm/memory.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    kernfs_vma_fault: typeof kernfs_vma_fault;
  }
}

/**
 * `fs/sysfs/mount.c:sysfs_fs_type`, of the file that gives out the memory of a PCI device. It has none of the other
 * operations. Its mappings have VM_MIXEDMAP from vm_insert_page(). It asks for notice of writes, whatever is mapped (kernfs_vma_page_mkwrite()).
 */
export const sysfs_fs_type: MappedFileType = {
  name: "sysfs",
  huge_fault: "kernfs_vma_fault",
  writenotify: true,
  mixedmap: true,
  mmap_sync: false,
  mmap: "p2pmem_alloc_mmap",
  holder: false,
};

/**
 * A fault on a mapping of which all was mapped from the start: what has gone since does not come back.
 *
 * Models `fs/kernfs/file.c:kernfs_vma_fault()` @ v6.12, for a file that has no fault operation of its own.
 */
export function* kernfs_vma_fault(_k: Kernel, vmf: VmFaultInfo): Code<VmFault> {
  return vmf.order > 0 ? "FALLBACK" : "SIGBUS";
}
