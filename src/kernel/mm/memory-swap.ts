// Faults on entries that are not present: of pages that only a device reaches, and of pages that are being moved.
// Source: mm/memory.c, mm/migrate.c.
// Left out everywhere: swap itself, device-exclusive entries, huge entries.
import { acquire, type Code, rmw } from "../../explore/access.ts";
import { pfn_to_page } from "../include/linux/mm.ts";
import type { Folio, Page, VmArea } from "../include/linux/mm_types.ts";
import { folio_ref_inc, folio_ref_try_add } from "../include/linux/page_ref.ts";
import { PG_locked } from "../include/linux/page-flags.ts";
import { pte_lockptr, pte_offset } from "../include/linux/pgtable.ts";
import { isSwpEntry, type SwpEntry } from "../include/linux/swapops.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import type { Kernel } from "../kernel.ts";
import { clear_bits, READ_ONCE } from "../lib/atomic.ts";
import type { VmFault } from "./memory.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    do_swap_page: typeof do_swap_page;
    device_private_fault: typeof device_private_fault;
    device_private_fault_locked: typeof device_private_fault_locked;
    migration_entry_wait: typeof migration_entry_wait;
  }
}

/** Models `include/linux/pagemap.h:folio_trylock()` @ v6.12. */
export function* folio_trylock(folio: Folio): Code<boolean> {
  return yield* rmw([folio.flags], (flags: number) => ({
    next: [flags | PG_locked],
    result: (flags & PG_locked) === 0,
  }));
}

/** Models `mm/filemap.c:folio_unlock()` @ v6.12. Who waits sees it by itself here. */
export function* folio_unlock(folio: Folio): Code {
  yield* clear_bits(folio.flags, PG_locked);
}

/** Models `include/linux/pagemap.h:folio_wait_locked()` @ v6.12. Left out: the wait queue. */
function* folio_wait_locked(folio: Folio): Code {
  yield* acquire([folio.flags], (flags: number) =>
    flags & PG_locked ? null : { next: [flags], result: null },
  );
}

/**
 * A fault on an entry that is not present.
 *
 * Models `mm/memory.c:do_swap_page()` @ v6.12, for entries of private device memory and of migration.
 * Left out: per-VMA locks.
 *
 * @param orig The entry, as it was seen without the lock.
 */
export function* do_swap_page(k: Kernel, vma: VmArea, address: number, orig: SwpEntry): Code<VmFault> {
  if (orig.kind === "device-private") return yield* k.device_private_fault(vma, address, orig);
  yield* k.migration_entry_wait(vma, address);
  return "NOPAGE";
}

/** Takes the page-table lock if the entry is as it was seen without: pte_same(). @returns whether it is. */
function* lockIfSame(k: Kernel, vma: VmArea, address: number, orig: SwpEntry): Code<boolean> {
  const ptl = pte_lockptr(k, vma.vm_mm, address);
  yield* spin_lock(k, ptl);
  const same = (yield* READ_ONCE(pte_offset(vma.vm_mm, address))) === orig;
  if (!same) yield* spin_unlock(ptl);
  return same;
}

/**
 * The page of a migration entry, with the page-table lock taken; null, and no lock, if it is no such entry. It need not be
 * the entry that was seen without the lock.
 */
function* lockMigrationEntry(k: Kernel, vma: VmArea, address: number): Code<Page | null> {
  const ptl = pte_lockptr(k, vma.vm_mm, address);
  yield* spin_lock(k, ptl);
  const entry = yield* READ_ONCE(pte_offset(vma.vm_mm, address));
  if (isSwpEntry(entry) && entry.kind === "migration") return pfn_to_page(k, entry.pfn);
  yield* spin_unlock(ptl);
  return null;
}

/**
 * Waits until a page has been moved, or is back. A reference is needed to begin, and dropped before the sleep; while it is
 * held, the page is not moved, and whoever drops it last sends it back to its device.
 *
 * Models `mm/migrate.c:__migration_entry_wait()` @ v5.10, with `mm/filemap.c:put_and_wait_on_page_locked()`.
 */
export function* migration_entry_wait(k: Kernel, vma: VmArea, address: number): Code {
  const page = yield* lockMigrationEntry(k, vma, address);
  if (page === null) return;
  const taken = yield* folio_ref_try_add(page.folio, 1);
  yield* spin_unlock(pte_lockptr(k, vma.vm_mm, address));
  if (!taken) return;
  const locked = ((yield* READ_ONCE(page.flags)) & PG_locked) !== 0;
  yield* k.put_page(page);
  if (locked) yield* folio_wait_locked(page.folio);
}

/**
 * The same without a reference: whoever moves the page holds one, until it has taken the page-table lock once more.
 *
 * Models `mm/migrate.c:migration_entry_wait()` @ v6.12, with migration_entry_wait_on_locked(); v7.2 has that as
 * softleaf_entry_wait_on_locked().
 */
export function* migration_entry_wait_on_locked(k: Kernel, vma: VmArea, address: number): Code {
  const page = yield* lockMigrationEntry(k, vma, address);
  if (page === null) return;
  yield* spin_unlock(pte_lockptr(k, vma.vm_mm, address));
  yield* folio_wait_locked(page.folio);
}

/**
 * A fault on a page that only a device reaches: the driver moves it to RAM. Nothing keeps the page until then.
 *
 * Models `mm/memory.c:do_swap_page()` @ v5.10, for private device memory.
 */
export function* device_private_fault(
  k: Kernel,
  vma: VmArea,
  address: number,
  orig: SwpEntry,
): Code<VmFault> {
  return yield* k.dmirror_devmem_fault(vma, address, pfn_to_page(k, orig.pfn));
}

/**
 * The same with the page kept by a reference, which is taken while the entry is still there.
 *
 * Models `mm/memory.c:do_swap_page()` @ v6.1, for private device memory.
 */
export function* device_private_fault_get(
  k: Kernel,
  vma: VmArea,
  address: number,
  orig: SwpEntry,
): Code<VmFault> {
  const page = pfn_to_page(k, orig.pfn);
  if (!(yield* lockIfSame(k, vma, address, orig))) return "NOPAGE";
  yield* folio_ref_inc(page.folio);
  yield* spin_unlock(pte_lockptr(k, vma.vm_mm, address));
  const fault = yield* k.dmirror_devmem_fault(vma, address, page);
  yield* k.put_page(page);
  return fault;
}

/**
 * The same with the page locked, too: of two faults, one moves it.
 *
 * Models `mm/memory.c:do_swap_page()` @ v7.2, for private device memory; v6.15 does not wait where the page is locked.
 * Simplified: the page-table lock is dropped before the wait; softleaf_entry_wait_on_locked() drops it once it is on the
 * wait queue.
 */
export function* device_private_fault_lock(
  k: Kernel,
  vma: VmArea,
  address: number,
  orig: SwpEntry,
): Code<VmFault> {
  const page = pfn_to_page(k, orig.pfn);
  if (!(yield* lockIfSame(k, vma, address, orig))) return "NOPAGE";
  if (!(yield* folio_trylock(page.folio))) {
    yield* spin_unlock(pte_lockptr(k, vma.vm_mm, address));
    yield* k.device_private_fault_locked(page);
    return "NOPAGE";
  }
  yield* folio_ref_inc(page.folio);
  yield* spin_unlock(pte_lockptr(k, vma.vm_mm, address));
  const fault = yield* k.dmirror_devmem_fault(vma, address, page);
  yield* folio_unlock(page.folio);
  yield* k.put_page(page);
  return fault;
}

/** Another fault moves the page: the access is tried again at once. Models `mm/memory.c:do_swap_page()` @ v6.15. */
export function* device_private_fault_locked(_k: Kernel, _page: Page): Code {}

/** Another fault moves the page, and is waited for. Models softleaf_entry_wait_on_locked() of `mm/filemap.c` @ v7.2. */
export function* device_private_fault_wait(_k: Kernel, page: Page): Code {
  yield* folio_wait_locked(page.folio);
}
