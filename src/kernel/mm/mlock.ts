// mlock(). Source: mm/mlock.c.
import type { Code } from "../../explore/access.ts";
import type { VmArea } from "../include/linux/mm_types.ts";
import { down_write, up_write } from "../kernel/locking/rwsem.ts";
import type { Kernel } from "../kernel.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    do_mlock: typeof do_mlock;
  }
}

/**
 * Locks a mapping into memory. One of a DAX file cannot leave it, and is not marked; its pages are brought in all the
 * same.
 *
 * Models `mm/mlock.c:do_mlock()` @ v6.12, with mlock_fixup() and `mm/gup.c:__mm_populate()`, for a mapping of a DAX file.
 * Left out: the rest of mlock_fixup(); mlock_pte_range(), which passes over device memory.
 */
export function* do_mlock(k: Kernel, vma: VmArea): Code {
  yield* down_write(k, vma.vm_mm.mmap_lock);
  yield* up_write(vma.vm_mm.mmap_lock);
  for (let i = vma.vm_start; i < vma.vm_start + vma.vm_pages; i++) yield* k.touch(vma.vm_mm, i, false);
}
