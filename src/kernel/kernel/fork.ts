// A process makes another. Source: kernel/fork.c, mm/mmap.c.
import { requireUse } from "../../base/errors.ts";
import type { Code } from "../../explore/access.ts";
import { type MmStruct, partOfVma, type VmArea } from "../include/linux/mm_types.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../lib/atomic.ts";
import { linkFile, requireUnmapped } from "../mm/mmap.ts";
import { anon_vma_prepare, hasAnonVma } from "../mm/rmap.ts";
import { down_write, up_write } from "./locking/rwsem.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    dup_mmap: typeof dup_mmap;
  }
}

/** The mapping of a child that setup made from one of its parent; of a part of that, the same part. */
export function copyOf(parent: MmStruct, child: MmStruct, vma: VmArea): VmArea {
  const copy = parent.children.find((c) => c.mm === child)?.vmas.get(vma.whole);
  requireUse(
    copy,
    `${child.name} has no copy of the mapping of ${parent.name} at page ${vma.vm_start}: createChild() makes one of each that is ` +
      "there when it is called",
  );
  return partOfVma(copy, vma.vm_start, vma.vm_start + vma.vm_pages);
}

/**
 * Gives a child the mappings of its parent. Entries of those that have private pages of their own, or VM_MIXEDMAP, are
 * copied; the rest comes with faults. Setup has made the child, with createChild().
 *
 * Models `kernel/fork.c:dup_mmap()` @ v6.12; later kernels have it in mm/mmap.c.
 * Left out: VM_DONTCOPY, VM_WIPEONFORK, reference counts of the file.
 *
 * @throws {@link PagelifeError} PL210 if the child is none of this process, or has mappings already.
 */
export function* dup_mmap(k: Kernel, parent: MmStruct, child: MmStruct): Code {
  requireUse(
    parent.children.some(({ mm }) => mm === child),
    `dup_mmap(): ${child.name} is no child of ${parent.name}; setup makes one with createChild(k, ${parent.name}, "child")`,
  );
  yield* down_write(k, parent.mmap_lock);
  yield* down_write(k, child.mmap_lock);
  const vmas = yield* READ_ONCE(parent.mm_mt);
  for (const vma of vmas) {
    const copy = copyOf(parent, child, vma);
    const own = yield* hasAnonVma(vma);
    if (own) yield* anon_vma_prepare(copy);
    const there = yield* READ_ONCE(child.mm_mt);
    requireUnmapped(copy, there);
    yield* WRITE_ONCE(child.mm_mt, [...there, copy]);
    yield* linkFile(k, copy);
    yield* k.copy_page_range(copy, vma);
  }
  yield* k.flush_tlb_mm(parent);
  yield* up_write(child.mmap_lock);
  yield* up_write(parent.mmap_lock);
}
