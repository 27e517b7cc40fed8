// What a program does to memory that it has mapped, with the faults that this takes.
import { requireUse } from "../../base/errors.ts";
import { type Cell, type Code, rmw } from "../../explore/access.ts";
import type { Inode } from "../include/linux/fs.ts";
import {
  type LowerEntry,
  type MmStruct,
  overlaps,
  type Pte,
  TABLE,
  type UpperEntry,
  VM_WRITE,
} from "../include/linux/mm_types.ts";
import { isLeaf, pfnAt, pmd_offset, pte_offset, pud_offset } from "../include/linux/pgtable.ts";
import { down_read, up_read } from "../kernel/locking/rwsem.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE } from "../lib/atomic.ts";
import type { VmFault } from "./memory.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    touch: typeof touch;
    store: typeof store;
    store_through_tlb: typeof store_through_tlb;
  }
}

/**
 * A program may touch what has been unmapped, and gets a signal. What was never mapped it touches by mistake.
 *
 * @throws {@link PagelifeError} PL210
 */
function requireMappedOnce(mm: MmStruct, address: number): void {
  requireUse(
    mm.vmas.some((vma) => overlaps(vma, address, address + 1)),
    `process ${mm.name} touches page ${address}, where it never has a mapping`,
  );
}

/**
 * A fault of the program: what is not mapped, or not for writing, is a signal.
 *
 * Models `arch/x86/mm/fault.c:do_user_addr_fault()` @ v6.12, with access_error().
 * Left out: per-VMA locks; that a fault without memory is tried again, and the OOM killer.
 */
function* do_user_addr_fault(k: Kernel, mm: MmStruct, address: number, write: boolean): Code<VmFault> {
  yield* down_read(k, mm.mmap_lock);
  const vma = yield* k.vma_lookup(mm, address);
  if (vma === null) requireMappedOnce(mm, address);
  const refused = vma === null || (write && (vma.vm_flags & VM_WRITE) === 0);
  const fault = refused ? "SIGSEGV" : yield* k.handle_mm_fault(vma, address, write);
  yield* up_read(k, mm.mmap_lock);
  return fault;
}

/**
 * The program touches an address: if the page table does not let it, a fault brings the page.
 *
 * Ours: what the hardware does, with one fault at most.
 */
export function* touch(k: Kernel, mm: MmStruct, address: number, write: boolean): Code<VmFault> {
  const pudp = pud_offset(k, mm, address);
  let entry: LowerEntry | UpperEntry = pudp === null ? TABLE : yield* READ_ONCE(pudp);
  const pmdp = pmd_offset(k, mm, address);
  if (entry === TABLE && pmdp !== null) entry = yield* READ_ONCE(pmdp);
  if (entry === TABLE) entry = yield* READ_ONCE(pte_offset(mm, address));
  if (isLeaf(entry) && (entry.write || !write)) return "NOPAGE";
  return yield* do_user_addr_fault(k, mm, address, write);
}

/**
 * The program stores to an address, and tries again after each fault until it can. The hardware marks the entry
 * dirty; what was stored is in the CPU's caches until somebody flushes them.
 *
 * Ours: what the hardware does, with faults.
 */
export function* store(k: Kernel, mm: MmStruct, address: number): Code<VmFault> {
  const ptep = pte_offset(mm, address);
  // From the top: the first entry that maps memory is the one that counts.
  const levels = [pud_offset(k, mm, address), pmd_offset(k, mm, address), ptep].filter((p) => p !== null);
  const pages = [...k.world.mem_map.values()];
  for (;;) {
    const stored = yield* rmw(
      [...levels, ...pages.map((p) => p.unflushed)],
      (...values: (LowerEntry | UpperEntry | boolean)[]) => {
        const entries = values.slice(0, levels.length) as (LowerEntry | UpperEntry)[];
        const unflushed = values.slice(levels.length) as boolean[];
        const leaf = entries.find(isLeaf);
        if (leaf === undefined || !leaf.write) return { next: values, result: false };
        const pfn = pfnAt(k, leaf, address);
        const dirtied = entries.map((e) => (e === leaf && !leaf.dirty ? { ...leaf, dirty: true } : e));
        return {
          next: [...dirtied, ...pages.map((p, i) => unflushed[i] || p.pfn === pfn)],
          result: true,
        };
      },
      { note: { text: (done) => (done ? "stores" : "<page fault>") } },
    );
    if (stored) return "NOPAGE";
    const fault = yield* do_user_addr_fault(k, mm, address, true);
    if (fault !== "NOPAGE") return fault;
  }
}

/**
 * A store through a translation that a CPU has cached: the page table is not asked. Without a translation there is no
 * store. To a block that is no longer the file's it is the end of somebody's data: `no-store-to-foreign-block`.
 *
 * Ours: what the hardware does.
 *
 * @param tlb Made in setup, with cacheTranslation().
 * @param file The file that the program thinks it stores to.
 * @returns whether there was a translation.
 */
export function* store_through_tlb(k: Kernel, tlb: Cell<Pte | null>, file: Inode): Code<boolean> {
  const pages = [...k.world.mem_map.values()];
  const { name } = k.current;
  return yield* rmw(
    [tlb, k.world.foreign_store, ...pages.map((p) => p.block_owner)],
    (translation: Pte | null, earlier: string | null, ...owners: string[]) => {
      const at = pages.findIndex((p) => p.pfn === translation?.pfn);
      const owner = owners[at] ?? null;
      const foreign = owner !== null && !owner.split(" and ").includes(file.name);
      const block = `the block of pfn 0x${translation?.pfn.toString(16)}`;
      const said = `${name} stores through a cached translation to ${block}, which was ${file.name}'s and is ${owner} now`;
      return {
        next: [translation, foreign ? (earlier ?? said) : earlier, ...owners],
        result: owner !== null,
      };
    },
    { note: { text: (stores) => (stores ? "stores" : "<no translation>") } },
  );
}
