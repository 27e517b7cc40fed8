// TLB flushes, and the CPUs that walk page tables without locks. Source: mm/mmu_gather.c,
// arch/x86/mm/tlb.c. In the model `ipi` a flush waits for every CPU that runs the mm with interrupts
// off: it takes a snapshot of them, and each strikes itself off when it turns interrupts on again.
import { acquire, type Code, rmw } from "../../explore/access.ts";
import { type MmStruct, type Page, type Pte, VM_MIXEDMAP, type VmArea } from "../include/linux/mm_types.ts";
import type { Kernel } from "../kernel.ts";
import { atomic_add, atomic_read, WRITE_ONCE } from "../lib/atomic.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    flush_tlb_mm: typeof flush_tlb_mm;
    tlb_end_vma: typeof tlb_end_vma;
    tlb_finish_mmu: typeof tlb_finish_mmu;
    zap_drop_references: typeof zap_drop_references;
  }
}

/** Models `include/linux/mm_inline.h:inc_tlb_flush_pending()` @ v6.12; nobody asks where no translation is cached. */
export function* inc_tlb_flush_pending(mm: MmStruct): Code {
  if (mm.tlbs.length > 0) yield* atomic_add(mm.tlb_flush_pending, 1);
}

/**
 * The end of a zap: did another one run meanwhile? Then it may have cleared what is not flushed yet.
 *
 * Models `include/linux/mm_inline.h:mm_tlb_flush_nested()` @ v6.12.
 */
export function* mm_tlb_flush_nested(mm: MmStruct): Code<boolean> {
  return mm.tlbs.length > 0 && (yield* atomic_read(mm.tlb_flush_pending)) > 1;
}

/** Models `include/linux/mm_inline.h:dec_tlb_flush_pending()` @ v6.12. */
export function* dec_tlb_flush_pending(mm: MmStruct): Code {
  if (mm.tlbs.length > 0) yield* atomic_add(mm.tlb_flush_pending, -1);
}

/** Models `include/linux/irqflags.h:local_irq_save()` @ v6.12. */
export function* local_irq_save(k: Kernel): Code {
  yield* rmw([k.current.irqs_off], () => ({ next: [true], result: null }), { note: { quiet: true } });
}

/** Models `include/linux/irqflags.h:local_irq_restore()` @ v6.12: interrupts that are pending are taken. */
export function* local_irq_restore(k: Kernel): Code {
  const { name, irqs_off } = k.current;
  const { tasks } = k.world;
  yield* rmw(
    [irqs_off, ...tasks.map((t) => t.ipi_pending)],
    (_off: boolean, ...pending: (readonly string[])[]) => ({
      next: [false, ...pending.map((p) => p.filter((cpu) => cpu !== name))],
      result: null,
    }),
    { note: { quiet: true } },
  );
}

/**
 * Makes every CPU forget translations of an mm.
 *
 * Models `arch/x86/mm/tlb.c:flush_tlb_mm_range()` @ v6.12, or with the TLB model `rcu-table-free` a
 * broadcast that interrupts nobody.
 * Left out: ranges, lazy TLB; cached translations, but for those that setup made known with cacheTranslation().
 */
export function* flush_tlb_mm(k: Kernel, mm: MmStruct): Code {
  for (const tlb of mm.tlbs) yield* WRITE_ONCE<Pte | null>(tlb, null);
  if (k.world.tlb === "rcu-table-free") return;
  const { name, ipi_pending } = k.current;
  const walkers = k.world.tasks.filter((t) => t.mm === mm && t.name !== name);
  yield* rmw(
    [ipi_pending, ...walkers.map((t) => t.irqs_off)],
    (_pending: readonly string[], ...off: boolean[]) => ({
      next: [walkers.filter((_, i) => off[i]).map((t) => t.name), ...off],
      result: null,
    }),
    { note: { quiet: true } },
  );
  yield* acquire(
    [ipi_pending],
    (pending: readonly string[]) => (pending.length === 0 ? { next: [pending], result: null } : null),
    { blocks: "event", note: { quiet: true } },
  );
}

/** The pages whose references a zap still has to drop, one for each entry that it cleared. */
export type Gathered = readonly Page[];

/**
 * Drops the references of entries that are gone from page tables and TLBs.
 *
 * Models `mm/mmu_gather.c:tlb_batch_pages_flush()` @ v6.12.
 */
export function* zap_drop_references(k: Kernel, pages: Gathered): Code {
  yield* k.release_pages(pages);
}

/**
 * One mapping of those that munmap() takes away has no entries any more. Where flushes are merged over mappings, the
 * TLB is flushed at the very end only.
 *
 * Models `include/asm-generic/tlb.h:tlb_end_vma()` @ v5.18, which arm64 uses; x86 has an empty one of its own.
 *
 * @returns whether the TLB was flushed.
 */
export function* tlb_end_vma(k: Kernel, vma: VmArea): Code<boolean> {
  if (k.world.tlb === "ipi") return false;
  yield* k.flush_tlb_mm(vma.vm_mm);
  return true;
}

/**
 * The same, but for a mapping of which pages are not counted the flush is not put off: nothing else tells when nobody can
 * reach them any more.
 *
 * Models `include/asm-generic/tlb.h:tlb_end_vma()` @ v6.12; v7.2 flushes for such mappings in free_pgtables(), as early.
 */
export function* tlb_end_vma_mixedmap(k: Kernel, vma: VmArea): Code<boolean> {
  if ((vma.vm_flags & VM_MIXEDMAP) === 0) return yield* tlb_end_vma(k, vma);
  yield* k.flush_tlb_mm(vma.vm_mm);
  return true;
}

/**
 * The end of a zap: what is not flushed yet is, and then the references go.
 *
 * Models `mm/mmu_gather.c:tlb_finish_mmu()` @ v6.12.
 *
 * @param pages  Those that the entries mapped, and counted.
 * @param flush  Is there anything to flush?
 */
export function* tlb_finish_mmu(k: Kernel, mm: MmStruct, pages: Gathered, flush: boolean): Code {
  const nested = yield* mm_tlb_flush_nested(mm);
  if (flush || nested) yield* k.flush_tlb_mm(mm);
  yield* dec_tlb_flush_pending(mm);
  if (pages.length > 0) yield* k.zap_drop_references(pages);
}
