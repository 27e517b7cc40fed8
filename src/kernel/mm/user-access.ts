// What a program does to memory that it has mapped, with the faults that this takes.
import { type Code, rmw } from "../../explore/access.ts";
import type { MmStruct, Pte, UpperEntry } from "../include/linux/mm_types.ts";
import { isLeaf, pmd_offset, pmdStart } from "../include/linux/pgtable.ts";
import { down_read, up_read } from "../kernel/locking/rwsem.ts";
import type { Kernel } from "../kernel.ts";
import type { VmFault } from "./memory.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    store: typeof store;
  }
}

/**
 * The program stores to an address, and tries again after each fault until it can. The hardware marks the entry
 * dirty; what was stored is in the CPU's caches until somebody flushes them.
 *
 * Ours: what the hardware does, and `arch/x86/mm/fault.c:do_user_addr_fault()` @ v6.12.
 */
export function* store(k: Kernel, mm: MmStruct, address: number): Code<VmFault> {
  const ptep = mm.page_table[address];
  if (ptep === undefined) return "SIGSEGV";
  const pmdp = pmd_offset(k, mm, address);
  const pages = [...k.world.mem_map.values()];
  const pfns = pages.map((p) => p.pfn);
  const offset = address - pmdStart(k, address);
  for (;;) {
    const stored = yield* rmw(
      [ptep, pmdp ?? ptep, ...pages.map((p) => p.unflushed)],
      (pte: Pte | null, pmd: UpperEntry, ...unflushed: boolean[]) => {
        const huge = isLeaf(pmd) && pmd.kind === "pmd";
        const entry = huge ? pmd : pte;
        const pfn = entry === null ? -1 : entry.pfn + (huge ? offset : 0);
        const writes = entry?.write === true;
        const dirtied = writes && !entry.dirty ? { ...entry, dirty: true } : entry;
        const stored = unflushed.map((u, i) => u || (writes && pfn === pfns[i]));
        // Without a PMD there is one cell, named twice.
        const upper = huge || pmdp === null ? dirtied : pmd;
        return { next: [huge ? pte : dirtied, upper, ...stored], result: writes };
      },
      { note: { text: (done) => (done ? "stores" : "<page fault>") } },
    );
    if (stored) return "NOPAGE";
    yield* down_read(k, mm.mmap_lock);
    const vma = yield* k.vma_lookup(mm, address);
    const fault = vma === null ? "SIGSEGV" : yield* k.handle_mm_fault(vma, address, true);
    yield* up_read(k, mm.mmap_lock);
    if (fault !== "NOPAGE") return fault;
  }
}
