// ext4: faults on a DAX file. Source: fs/ext4/file.c.
import type { Code } from "../../../explore/access.ts";
import { VM_SHARED } from "../../include/linux/mm_types.ts";
import { down_read, up_read } from "../../kernel/locking/rwsem.ts";
import type { Kernel } from "../../kernel.ts";
import type { VmFault, VmFaultInfo } from "../../mm/memory.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    ext4_dax_fault: typeof ext4_dax_fault;
  }
}

/**
 * Brings a page of a file into a page table, unless the file is being cut.
 *
 * Models `fs/ext4/file.c:ext4_dax_huge_fault()` @ v6.12.
 * Left out: the journal handle of a write fault.
 */
export function* ext4_dax_fault(k: Kernel, vmf: VmFaultInfo): Code<VmFault> {
  const { vm_file, vm_flags } = vmf.vma;
  const { invalidate_lock } = vm_file.i_mapping;
  const writes = vmf.write && (vm_flags & VM_SHARED) !== 0;
  if (writes) yield* k.sb_start_pagefault(vm_file.i_sb);
  yield* down_read(k, invalidate_lock);
  let fault = yield* k.dax_iomap_fault(vmf);
  if (typeof fault === "number") fault = yield* k.dax_finish_sync_fault(vmf, fault);
  yield* up_read(k, invalidate_lock);
  if (writes) yield* k.sb_end_pagefault(vm_file.i_sb);
  return fault;
}
