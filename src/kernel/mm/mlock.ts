// mlock(). Source: mm/mlock.c, mm/gup.c.
import type { Code } from "../../explore/access.ts";
import { VM_SHARED, VM_WRITE, type VmArea } from "../include/linux/mm_types.ts";
import { down_read, down_write, up_read, up_write } from "../kernel/locking/rwsem.ts";
import type { Kernel } from "../kernel.ts";
import { FOLL_TOUCH, FOLL_WRITE } from "./gup-flags.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    do_mlock: typeof do_mlock;
    populate_vma_page_range: typeof populate_vma_page_range;
  }
}

/**
 * Locks a mapping into memory. One of a DAX file cannot leave it, and is not marked; its pages are brought in all the
 * same.
 *
 * Models `mm/mlock.c:do_mlock()` @ v6.12, with mlock_fixup() and `mm/gup.c:__mm_populate()`, for a mapping of a DAX file.
 * Left out: the rest of mlock_fixup(); mlock_pte_range(), which passes over device memory; that mlock() itself has other
 * errors than the ones here.
 *
 * @returns 0, or a negative error where a page cannot be brought in.
 */
export function* do_mlock(k: Kernel, vma: VmArea): Code<number> {
  const { mmap_lock } = vma.vm_mm;
  yield* down_write(k, mmap_lock);
  yield* up_write(mmap_lock);
  yield* down_read(k, mmap_lock);
  const error = yield* k.populate_vma_page_range(vma, vma.vm_start, vma.vm_start + vma.vm_pages);
  yield* up_read(k, mmap_lock);
  return error;
}

/**
 * Brings the pages of a part of a mapping in, as one reads them; those of a private mapping that may be written to as
 * one's own.
 *
 * Models `mm/gup.c:populate_vma_page_range()` @ v6.12.
 * Left out: FOLL_FORCE, which lets memory be locked that may not be read.
 * Context: mmap_lock held for reading.
 *
 * @param start First virtual page number; `end` is one past the last.
 * @returns 0, or a negative error where not all could be brought in.
 */
export function* populate_vma_page_range(k: Kernel, vma: VmArea, start: number, end: number): Code<number> {
  const own = (vma.vm_flags & (VM_WRITE | VM_SHARED)) === VM_WRITE;
  const flags = FOLL_TOUCH | (own ? FOLL_WRITE : 0);
  for (let i = start; i < end; i++) {
    const there = yield* k.__get_user_pages(vma.vm_mm, i, 1, flags);
    if (typeof there === "number") return there;
  }
  return 0;
}
