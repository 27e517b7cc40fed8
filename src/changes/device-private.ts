// Memory that a driver gives out page by page, private and coherent: when a page is free, and who keeps it in a fault.
import {
  type DevPagemap,
  MEMORY_DEVICE_COHERENT,
  MEMORY_DEVICE_PRIVATE,
} from "../kernel/include/linux/memremap.ts";
import { followPgmap } from "../kernel/include/linux/mmzone.ts";
import { change } from "../kernel/kernel.ts";
import { WRITE_ONCE } from "../kernel/lib/atomic.ts";
import {
  device_private_fault_get,
  device_private_fault_lock,
  device_private_fault_wait,
  migration_entry_wait_on_locked,
} from "../kernel/mm/memory-swap.ts";
import {
  __put_devmap_managed_folio_refs,
  free_driver_page,
  zone_device_page_init_from_zero,
} from "../kernel/mm/memremap.ts";
import { migrate_vma_check_page_count } from "../kernel/mm/migrate_device.ts";

/** Is it memory that a driver gives out, and that a page table or an entry that is not present refers to? */
export const isDriverMemory = ({ type }: DevPagemap): boolean =>
  type === MEMORY_DEVICE_PRIVATE || type === MEMORY_DEVICE_COHERENT;

export const migrationWaitNoRef = change({
  name: "migration-wait-no-ref",
  subject: "mm/migrate.c: rework migration_entry_wait() to not take a pageref",
  source: "commit ffa65753c431, v5.17",
  about:
    "Before, who waited for a page to be moved took a reference to begin, for which the move failed; so a move back from " +
    "a device did not ask for references before it began.",
  functions: {
    migration_entry_wait: migration_entry_wait_on_locked,
    migrate_vma_check_page: migrate_vma_check_page_count,
  },
});

export const migrateLocksOnce = change({
  name: "migrate-locks-once",
  subject: "mm/migrate.c: remove MIGRATE_PFN_LOCKED",
  source: "commit ab09243aa95a, v5.17",
  about:
    "Before, a page that was locked when its entry was looked at was tried once more without the page-table lock.",
  functions: { migrate_tries_lock_again: () => false },
});

export const zoneDeviceRefcount = change({
  name: "zone-device-refcount",
  subject: "mm: remove the extra ZONE_DEVICE struct page refcount",
  source: "commit 27674ef6c73f, C. Hellwig, v5.18",
  about:
    "Before, a page of private device memory had a base reference while it was in use, and the hook of put_page() saw that " +
    "it was the last. Since then a page in the driver's pool has it, and is freed at 0.",
  functions: {
    __put_devmap_managed_folio_refs,
    private_idle_count: (_k, pooled) => (pooled ? 1 : 0),
    private_base_refs: () => 0,

    /** Models `mm/memremap.c:free_zone_device_page()` @ v6.0, for private device memory. */
    *free_zone_device_folio(k, folio) {
      const pgmap = yield* followPgmap(k, folio.page);
      if (pgmap?.type !== MEMORY_DEVICE_PRIVATE) {
        yield* k.below.free_zone_device_folio(folio);
        return;
      }
      yield* free_driver_page(k, pgmap, folio);
      yield* WRITE_ONCE(folio._refcount, 1);
    },

    /** Models `lib/test_hmm.c:dmirror_devmem_alloc_page()` @ v6.0: the reference is there already. */
    *zone_device_page_init() {},
  },
});

export const devicePrivateZero = change({
  name: "device-private-zero",
  subject: "mm: free device private pages have zero refcount",
  source: "commit ef233450898f, with 0dc45ca1ce18 for the pgmap, A. Popple, v6.1",
  about:
    "Before, a page in the driver's pool had a reference, which whoever got the page took over, and the device could go " +
    "while it was in use.",
  functions: {
    private_idle_count: () => 0,
    zone_device_page_init: zone_device_page_init_from_zero,

    /** Models `mm/memremap.c:free_zone_device_page()` @ v6.1, for private and coherent memory. */
    *free_zone_device_folio(k, folio) {
      const pgmap = yield* followPgmap(k, folio.page);
      if (pgmap === null || !isDriverMemory(pgmap)) {
        yield* k.below.free_zone_device_folio(folio);
        return;
      }
      yield* free_driver_page(k, pgmap, folio);
      yield* k.put_dev_pagemap(pgmap);
    },
  },
});

export const devicePrivateFaultRef = change({
  name: "device-private-fault-ref",
  subject: "mm/memory.c: fix race when faulting a device private page",
  source: "commit 16ce101db85d, v6.1 (CVE-2022-3523)",
  about:
    "Before, nothing kept the page while the driver moved it: it could be freed and given out anew meanwhile.",
  functions: {
    device_private_fault: device_private_fault_get,
    migrate_fault_refs: () => 1,
  },
});

export const devicePrivateTrylock = change({
  name: "device-private-trylock",
  subject: "mm/migrate: Trylock device page in do_swap_page",
  source: "commit 1afaeb8293c9, v6.15",
  about: "Before, two faults on one page each held a reference that kept the other from moving it.",
  functions: {
    device_private_fault: device_private_fault_lock,
    migrate_locked_by_fault: () => true,
  },
});

export const devicePrivateWait = change({
  name: "device-private-wait",
  subject: "do_swap_page() waits for the lock of a device page",
  source: "between v6.15 and v7.2",
  about: "Before, a fault that found the page locked returned, and the access was tried again and again.",
  functions: { device_private_fault_locked: device_private_fault_wait },
});

export const hmmFaultOom = change({
  name: "test-hmm-fault-oom",
  subject: "lib/test_hmm: the fault on a device page fails where there is no memory",
  source: "between v6.15 and v7.2, with large folios of private device memory",
  about:
    "Before, the page went back to its device and the access was tried again. Since, the fault is VM_FAULT_OOM, which is " +
    "SIGBUS here.",
  functions: { dmirror_fault_without_memory: () => "SIGBUS" },
});
