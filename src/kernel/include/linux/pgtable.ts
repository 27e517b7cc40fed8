// Where the entry for an address is, at each level, and the locks of the tables. An upper level exists
// only where an entry of it has room, so a process of a few pages has page-table entries alone.
// Source: include/linux/pgtable.h, include/linux/mm.h.

import { type Pfn, pfn as toPfn } from "../../../base/brand.ts";
import { requireUse } from "../../../base/errors.ts";
import type { Cell } from "../../../explore/access.ts";
import type { Spinlock } from "../../kernel/locking/spinlock.ts";
import type { Kernel } from "../../kernel.ts";
import type { LowerEntry, MmStruct, Pte, UpperEntry } from "./mm_types.ts";
import { pte_present } from "./swapops.ts";

/** Pages that a PMD entry maps: HPAGE_PMD_NR. */
export const pmdPages = (k: Kernel): number => k.world.geometry.PTRS_PER_PTE;

/** Pages that a PUD entry maps. */
export const pudPages = (k: Kernel): number => k.world.geometry.PTRS_PER_PTE * k.world.geometry.PTRS_PER_PMD;

/** HPAGE_PMD_ORDER and HPAGE_PUD_ORDER. */
export const pmdOrder = (k: Kernel): number => Math.log2(pmdPages(k));
export const pudOrder = (k: Kernel): number => Math.log2(pudPages(k));

/** The first page of the PMD that a page is in, by virtual page number or page of a file. */
export const pmdStart = (k: Kernel, page: number): number => page - (page % pmdPages(k));
export const pudStart = (k: Kernel, page: number): number => page - (page % pudPages(k));

/** Models `include/linux/pgtable.h:pmd_offset()` @ v6.12; null where no PMD entry has room. */
export const pmd_offset = (k: Kernel, mm: MmStruct, address: number): Cell<UpperEntry> | null =>
  mm.pmds[Math.floor(address / pmdPages(k))] ?? null;

/** Models `include/linux/pgtable.h:pud_offset()` @ v6.12; null where no PUD entry has room. */
export const pud_offset = (k: Kernel, mm: MmStruct, address: number): Cell<UpperEntry> | null =>
  mm.puds[Math.floor(address / pudPages(k))] ?? null;

/** Models `include/linux/mm.h:pte_offset_map()` @ v6.12. */
export function pte_offset(mm: MmStruct, address: number): Cell<LowerEntry> {
  const ptep = mm.page_table[address];
  requireUse(ptep, `process ${mm.name} has no page ${address}, but ${mm.page_table.length} from page 0 on`);
  return ptep;
}

/** Does an entry of an upper level map memory itself? Models `arch/x86/include/asm/pgtable.h:pmd_leaf()` and `pud_leaf()` @ v7.2. */
export const isLeaf = (entry: LowerEntry | UpperEntry): entry is Pte => pte_present(entry);

/** The page frame that a leaf gives to an address. */
export function pfnAt(k: Kernel, leaf: Pte, address: number): Pfn {
  const pages = leaf.kind === "pmd" ? pmdPages(k) : leaf.kind === "pud" ? pudPages(k) : 1;
  return toPfn(leaf.pfn + (address % pages));
}

/** The lock of the lowest-level table that an address is in. Models `include/linux/mm.h:pte_lockptr()` @ v6.12. */
export function pte_lockptr(k: Kernel, mm: MmStruct, address: number): Spinlock {
  const lock = mm.ptls[Math.floor(address / pmdPages(k))];
  requireUse(lock, `process ${mm.name} has no page ${address}, but ${mm.page_table.length} from page 0 on`);
  return lock;
}
