// Entries of page tables that are not present: what they say to a fault. Source: include/linux/swapops.h, which v7.2 has
// as include/linux/leafops.h.
import type { Pfn } from "../../../base/brand.ts";
import type { LowerEntry, Pte, UpperEntry } from "./mm_types.ts";
import { TABLE } from "./mm_types.ts";

/** swp_entry_t. The processor takes it for no entry at all; it holds a page all the same. */
export interface SwpEntry {
  /**
   * `device-private`: the page is in memory that only a device reaches; a fault brings it back.
   * `migration`: the page is being moved; a fault waits.
   */
  readonly kind: "device-private" | "migration";
  /** The page, by its frame. */
  readonly pfn: Pfn;
  /** What is brought back may be stored to. */
  readonly write: boolean;
  /** Of a migration entry: the page is the process's own. */
  readonly exclusive: boolean;
  readonly [field: string]: string | number | boolean;
}

/** Models `arch/x86/include/asm/pgtable.h:pte_present()` @ v6.12. */
export const pte_present = (entry: LowerEntry | UpperEntry): entry is Pte =>
  entry !== null && entry !== TABLE && !isSwpEntry(entry);

/** Is it an entry that is not present, and not none? */
export const isSwpEntry = (entry: LowerEntry | UpperEntry): entry is SwpEntry =>
  entry !== null && entry !== TABLE && (entry.kind === "device-private" || entry.kind === "migration");

/** Models make_readable_device_private_entry() and make_writable_device_private_entry() of `include/linux/swapops.h` @ v6.12. */
export const make_device_private_entry = (pfn: Pfn, write: boolean): SwpEntry => ({
  kind: "device-private",
  pfn,
  write,
  exclusive: false,
});

/** Models make_readable_migration_entry() and its like in `include/linux/swapops.h` @ v6.12. */
export const make_migration_entry = (pfn: Pfn, write: boolean, exclusive: boolean): SwpEntry => ({
  kind: "migration",
  pfn,
  write,
  exclusive,
});
