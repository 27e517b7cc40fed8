// The mappings of a process: how they are looked up, and how they come. Source: mm/mmap.c, mm/vma.c. How they go is in
// vma.ts.

import { requireUse } from "../../base/errors.ts";
import type { Code } from "../../explore/access.ts";
import { EOPNOTSUPP } from "../include/asm-generic/errno-base.ts";
import { type MmStruct, overlaps, VM_SHARED, VM_SYNC, type VmArea } from "../include/linux/mm_types.ts";
import { down_write, up_write } from "../kernel/locking/rwsem.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../lib/atomic.ts";
import { unmap_region } from "./vma.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    vma_lookup: typeof vma_lookup;
    mmap: typeof mmap;
  }
}

/**
 * The mapping that an address is in.
 *
 * Models `include/linux/mm.h:vma_lookup()` @ v6.12.
 * Context: mmap_lock held.
 */
export function* vma_lookup(_k: Kernel, mm: MmStruct, address: number): Code<VmArea | null> {
  const vmas = yield* READ_ONCE(mm.mm_mt);
  return vmas.find((v) => overlaps(v, address, address + 1)) ?? null;
}

/**
 * Makes a mapping known to its process and its file, after the file has seen it. What a file that refuses has mapped
 * already is taken away again.
 *
 * Models `mm/vma.c:vma_link()` @ v6.12, with call_mmap(), and the test of FOP_MMAP_SYNC in `mm/mmap.c:do_mmap()`: it is
 * of shared mappings; in a private one, which copies what is stored, VM_SYNC does nothing. The vm_area_struct exists from
 * setup on.
 * Left out: VM_MAYWRITE, and with it mprotect(): how a file was opened says no more than VM_WRITE does (VM_SHARED).
 *
 * @returns 0, or the negative error of the file: -EOPNOTSUPP if it cannot be mapped with MAP_SYNC.
 * @throws {@link PagelifeError} PL210 if something is mapped there.
 */
export function* mmap(k: Kernel, vma: VmArea): Code<number> {
  const { mmap_lock, mm_mt } = vma.vm_mm;
  const { mmap: call, mmap_sync } = vma.vm_file.i_sb.s_type;
  if (vma.vm_flags & VM_SHARED && vma.vm_flags & VM_SYNC && !mmap_sync) return -EOPNOTSUPP;
  yield* down_write(k, mmap_lock);
  const error = call === null ? 0 : yield* k[call](vma);
  const mapped = yield* READ_ONCE(mm_mt);
  if (error !== 0) {
    yield* unmap_region(k, vma.vm_mm, [vma], mapped, false);
    yield* up_write(mmap_lock);
    return error;
  }
  requireUnmapped(vma, mapped);
  yield* WRITE_ONCE(mm_mt, [...mapped, vma]);
  yield* linkFile(k, vma);
  yield* up_write(mmap_lock);
  return 0;
}

/** @throws {@link PagelifeError} PL210 if some of a mapping's pages are mapped already: the kernel would choose another place. */
export function requireUnmapped({ vm_mm, vm_start, vm_pages }: VmArea, mapped: readonly VmArea[]): void {
  const end = vm_start + vm_pages;
  requireUse(
    !mapped.some((v) => overlaps(v, vm_start, end)),
    `${vm_mm.name} maps pages ${vm_start} to ${end - 1}, of which some are mapped already`,
  );
}

/** Makes a mapping known to its file. Models `mm/vma.c:vma_link_file()` @ v6.12. */
export function* linkFile(k: Kernel, vma: VmArea): Code {
  const { i_mmap, i_mmap_rwsem } = vma.vm_file.i_mapping;
  yield* down_write(k, i_mmap_rwsem);
  const vmas = yield* READ_ONCE(i_mmap);
  yield* WRITE_ONCE(i_mmap, [...vmas, vma]);
  yield* up_write(i_mmap_rwsem);
}
