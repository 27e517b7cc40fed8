// What a program says of the memory that it maps. Source: mm/madvise.c.
import type { Code } from "../../explore/access.ts";
import type { VmArea } from "../include/linux/mm_types.ts";
import { down_read, up_read } from "../kernel/locking/rwsem.ts";
import type { Kernel } from "../kernel.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    madvise_dontneed_single_vma: typeof madvise_dontneed_single_vma;
  }
}

/**
 * The program has no need of pages that it maps: their entries go, and come again with the next faults.
 *
 * Models `mm/madvise.c:madvise_dontneed_single_vma()` @ v6.12, with the lock that do_madvise() takes.
 * Left out: that madvise() looks up what is mapped in the range, where the mapping is given here; the per-VMA lock that v7.2
 * takes in place of mmap_lock, and which holds the same people off; the tables that v6.15 gives back.
 *
 * @param first First virtual page number; `end` is one past the last.
 */
export function* madvise_dontneed_single_vma(k: Kernel, vma: VmArea, first: number, end: number): Code {
  yield* down_read(k, vma.vm_mm.mmap_lock);
  yield* k.zap_page_range(vma, first, end);
  yield* up_read(k, vma.vm_mm.mmap_lock);
}
