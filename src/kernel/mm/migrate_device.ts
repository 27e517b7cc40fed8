// A page that only a device reaches moves to ordinary memory, since a processor wants it. Source: mm/migrate_device.c.
// Left out everywhere: huge pages; moves to a device; copying.
import type { Cell, Code } from "../../explore/access.ts";
import {
  type Folio,
  type LowerEntry,
  type MmStruct,
  overlaps,
  type Page,
  type PageMapping,
  type VmArea,
} from "../include/linux/mm_types.ts";
import { folio_ref_count, folio_ref_inc } from "../include/linux/page_ref.ts";
import { PG_anon_exclusive } from "../include/linux/page-flags.ts";
import { pte_lockptr, pte_offset } from "../include/linux/pgtable.ts";
import {
  isSwpEntry,
  make_device_private_entry,
  make_migration_entry,
  type SwpEntry,
} from "../include/linux/swapops.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { atomic_add, clear_bits, READ_ONCE, set_bits, WRITE_ONCE } from "../lib/atomic.ts";
import { ownPte } from "./memory-private.ts";
import { folio_trylock, folio_unlock } from "./memory-swap.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    migrate_vma_setup: typeof migrate_vma_setup;
    migrate_vma_check_page: typeof migrate_vma_check_page;
    migrate_tries_lock_again: (k: Kernel) => boolean;
    migrate_vma_pages: typeof migrate_vma_pages;
    migrate_vma_finalize: typeof migrate_vma_finalize;
    migrate_fault_refs: (k: Kernel) => number;
    migrate_locked_by_fault: (k: Kernel) => boolean;
    private_base_refs: (k: Kernel) => number;
  }
}

/** References that the fault itself holds of the page that it moves. Ours: `fault_page` of struct migrate_vma, from v6.1 on. */
export const migrate_fault_refs = (_k: Kernel): number => 0;

/** Has the fault locked the page that it moves? Ours: `fault_folio`, from v6.15 on. */
export const migrate_locked_by_fault = (_k: Kernel): boolean => false;

/** Is a locked page tried a second time, outside of the page-table lock? Ours: up to v5.16, where MIGRATE_PFN_LOCKED was. */
export const migrate_tries_lock_again = (_k: Kernel): boolean => true;

/** What a page of private device memory counts beyond its users. Ours: 1 in v5.10, as `mm/migrate.c:expected_page_refs()` has it. */
export const private_base_refs = (_k: Kernel): number => 1;

/**
 * May a page be moved that nobody maps any more? One of private device memory always: a reference too many may be that of
 * somebody who waits for the move, and two who each waited for the other would never end.
 *
 * Models `mm/migrate.c:migrate_vma_check_page()` @ v5.10, for such a page.
 */
export function* migrate_vma_check_page(_k: Kernel, _folio: Folio): Code<boolean> {
  return true;
}

/**
 * The same where nobody needs a reference to wait. One stray reference is let through, as if device memory were one-based
 * still.
 *
 * Models `mm/migrate_device.c:migrate_vma_check_page()` @ v6.12, for such a page.
 */
export function* migrate_vma_check_page_count(k: Kernel, folio: Folio): Code<boolean> {
  const count = yield* folio_ref_count(folio);
  const mapped = yield* k.folio_mapcount(folio);
  return count - (2 + k.migrate_fault_refs()) <= mapped;
}

/**
 * Takes the page from the process that wants it, and from all others: their entries say that it is being moved. Nobody
 * else may use it.
 *
 * Models `mm/migrate_device.c:migrate_vma_setup()` @ v6.12, with migrate_vma_collect_pmd() and migrate_device_unmap(), for
 * one page that a fault wants; v5.10 has them in mm/migrate.c.
 * Left out: pages that are present, holes, whose driver it is.
 * Context: mmap_lock held for reading.
 *
 * @returns whether the page can be moved; it is locked then, and a reference is held.
 */
export function* migrate_vma_setup(k: Kernel, vma: VmArea, address: number, page: Page): Code<boolean> {
  const { folio } = page;
  const ptep = pte_offset(vma.vm_mm, address);
  const ptl = pte_lockptr(k, vma.vm_mm, address);
  yield* spin_lock(k, ptl);
  const entry = yield* READ_ONCE(ptep);
  if (!isSwpEntry(entry) || entry.kind !== "device-private") {
    yield* spin_unlock(ptl);
    return false;
  }
  yield* folio_ref_inc(folio);
  let locked = k.migrate_locked_by_fault() || (yield* folio_trylock(folio));
  if (locked) yield* setMigrationEntry(k, ptep, page, entry);
  yield* spin_unlock(ptl);

  if (!locked && k.migrate_tries_lock_again()) locked = yield* folio_trylock(folio);
  if (!locked) {
    yield* k.folio_put(folio);
    return false;
  }
  const elsewhere = yield* k.folio_mapcount(folio);
  if (elsewhere > 0) yield* try_to_migrate(k, page, address);
  const left = elsewhere > 0 ? yield* k.folio_mapcount(folio) : 0;
  if (left === 0 && (yield* k.migrate_vma_check_page(folio))) return true;
  yield* remove_migration_ptes(k, address, page, page);
  if (!k.migrate_locked_by_fault()) yield* folio_unlock(folio);
  yield* k.folio_put(folio);
  return false;
}

/** An entry says from now on that its page is being moved; it holds no reference meanwhile. Context: page-table lock held. */
function* setMigrationEntry(k: Kernel, ptep: Cell<LowerEntry>, page: Page, entry: SwpEntry): Code {
  const exclusive = k.has_anon_exclusive() && ((yield* READ_ONCE(page.flags)) & PG_anon_exclusive) !== 0;
  if (exclusive) yield* clear_bits(page.flags, PG_anon_exclusive);
  yield* WRITE_ONCE<LowerEntry>(ptep, make_migration_entry(page.pfn, entry.write, exclusive));
  yield* k.folio_remove_rmap_pte(page.folio, page);
  yield* k.folio_put(page.folio);
}

/**
 * The processes that may have a page.
 *
 * Simplified: rmap_walk() @ v6.12 goes through the anon_vma, parents before children; here go all processes with a mapping
 * at the address, which is the same in all of them, oldest first.
 */
const rmapWalk = (k: Kernel, address: number): MmStruct[] =>
  k.world.mms.filter((mm) => mm.vmas.some((vma) => overlaps(vma, address, address + 1)));

/**
 * Takes a page that only a device reaches from every process that has it still.
 *
 * Models `mm/rmap.c:try_to_migrate()` @ v6.12, with try_to_migrate_one() and page_vma_mapped_walk(); v5.10 has it as
 * try_to_unmap().
 */
function* try_to_migrate(k: Kernel, page: Page, address: number): Code {
  for (const mm of rmapWalk(k, address)) {
    const ptep = pte_offset(mm, address);
    if (!isPrivateEntryOf(page, yield* READ_ONCE(ptep))) continue;
    const ptl = pte_lockptr(k, mm, address);
    yield* spin_lock(k, ptl);
    const entry = yield* READ_ONCE(ptep);
    if (isPrivateEntryOf(page, entry)) yield* setMigrationEntry(k, ptep, page, entry);
    yield* spin_unlock(ptl);
  }
}

/** Is it the entry of a page that only a device reaches? */
const isPrivateEntryOf = (page: Page, entry: LowerEntry): entry is SwpEntry =>
  isSwpEntry(entry) && entry.kind === "device-private" && entry.pfn === page.pfn;

/**
 * Makes the new page the old one's successor, if nobody has taken a reference meanwhile.
 *
 * Models `mm/migrate_device.c:migrate_vma_pages()` @ v6.12, with `mm/migrate.c:folio_migrate_mapping()`.
 * Left out: that the charge passes from page to page; here the new one is charged when it is taken.
 *
 * @returns whether it is.
 */
export function* migrate_vma_pages(k: Kernel, page: Page, newpage: Page): Code<boolean> {
  const count = yield* folio_ref_count(page.folio);
  if (count !== 1 + k.migrate_fault_refs() + k.private_base_refs()) return false;
  const mapping = yield* READ_ONCE(page.mapping);
  yield* WRITE_ONCE<PageMapping>(newpage.mapping, mapping);
  return true;
}

/**
 * Gives the processes their entries again, of the new page or of the old one, and lets go of both.
 *
 * Models `mm/migrate_device.c:migrate_vma_finalize()` @ v6.12.
 * Left out: LRU lists.
 *
 * @param newpage Null if there is none.
 */
export function* migrate_vma_finalize(
  k: Kernel,
  address: number,
  page: Page,
  newpage: Page | null,
  moved: boolean,
): Code {
  if (newpage !== null && !moved) {
    yield* folio_unlock(newpage.folio);
    yield* k.folio_put(newpage.folio);
  }
  const to = moved && newpage !== null ? newpage : page;
  yield* remove_migration_ptes(k, address, page, to);
  if (!k.migrate_locked_by_fault()) yield* folio_unlock(page.folio);
  yield* k.put_page(page);
  if (to === page) return;
  yield* folio_unlock(to.folio);
  yield* k.folio_put(to.folio);
}

/** Models `mm/migrate.c:remove_migration_ptes()` and remove_migration_pte() @ v6.12. */
function* remove_migration_ptes(k: Kernel, address: number, page: Page, to: Page): Code {
  for (const mm of rmapWalk(k, address)) {
    const ptep = pte_offset(mm, address);
    const ptl = pte_lockptr(k, mm, address);
    yield* spin_lock(k, ptl);
    const entry = yield* READ_ONCE(ptep);
    if (isSwpEntry(entry) && entry.kind === "migration" && entry.pfn === page.pfn) {
      yield* folio_ref_inc(to.folio);
      yield* atomic_add(to._mapcount, 1);
      if (k.has_anon_exclusive() && (entry.write || entry.exclusive)) {
        yield* set_bits(to.flags, PG_anon_exclusive);
      }
      const present = { ...ownPte(to), write: entry.write, dirty: false };
      const back = to === page ? make_device_private_entry(page.pfn, entry.write) : present;
      yield* WRITE_ONCE<LowerEntry>(ptep, back);
    }
    yield* spin_unlock(ptl);
  }
}
