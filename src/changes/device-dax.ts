// Folios of DAX devices, and coherent memory that moves before it is pinned for long.

import { dax_mapping_pgoff } from "../kernel/drivers/dax/device.ts";
import { EAGAIN } from "../kernel/include/asm-generic/errno-base.ts";
import { MEMORY_DEVICE_COHERENT } from "../kernel/include/linux/memremap.ts";
import { followPgmap } from "../kernel/include/linux/mmzone.ts";
import { change } from "../kernel/kernel.ts";
import { FOLL_LONGTERM } from "../kernel/mm/gup-flags.ts";
import {
  check_and_migrate_listed_pages,
  check_and_migrate_movable_pages,
  migrate_device_coherent_folio,
} from "../kernel/mm/gup-longterm.ts";

export const devDaxCompound = change({
  name: "device-dax-compound",
  subject: "device-dax: compound devmap support",
  source: "v5.17",
  about:
    "Before, the memory of a DAX device was made of pages of their own, whatever its alignment, and said whose it is " +
    "after it was mapped.",
  functions: {
    /** Models the vmemmap_shift of `drivers/dax/device.c:dev_dax_probe()` @ v6.12. */
    dev_dax_compound_order: (_k, align) => Math.log2(align),

    /** Models the end of `drivers/dax/device.c:__dev_dax_pte_fault()` @ v6.12. */
    *dev_dax_map(k, vmf, pfn) {
      yield* k.dax_set_mapping(vmf, pfn);
      return yield* k.dev_dax_insert(vmf, pfn);
    },
  },
});

export const devDaxPgoffUp = change({
  name: "device-dax-pgoff-up",
  subject: "device-dax: use ALIGN() for determining pgoff",
  source: "v5.17, commit b9b5777f09be",
  about:
    "Before, the address of a fault was rounded down to where its entry begins. Now it is rounded up: the folio of a huge " +
    "entry that is first touched in its middle says the index of the next one.",
  functions: {
    /** Models the pgoff in `drivers/dax/device.c:dax_set_mapping()` @ v5.18: ALIGN() rounds up. */
    dax_mapping_pgoff(_k, { address, order, vma: { vm_pgoff, vm_start } }) {
      const pages = 2 ** order;
      return vm_pgoff + Math.ceil(address / pages) * pages - vm_start;
    },
  },
});

export const devDaxPgoff = change({
  name: "device-dax-pgoff",
  subject: "device-dax: correct pgoff align in dax_set_mapping()",
  source: "v6.12, commit 7fcbd9785d4c (CVE-2024-50022)",
  about: "Before, device-dax-pgoff-up rounded up: memory failure then takes the wrong huge page away.",
  after: ["device-dax-pgoff-up"],
  functions: { dax_mapping_pgoff },
});

export const deviceCoherent = change({
  name: "device-coherent",
  subject: "mm/gup: migrate device coherent pages when pinning instead of failing",
  source: "v6.0, with the memory type itself",
  about: "Before, there was no device memory that a page table maps like ordinary memory.",
  brings: ["mapCoherent"],
  adds: { check_and_migrate_movable_pages, migrate_device_coherent_folio },
  functions: {
    /**
     * Models `include/linux/mm.h:folio_is_longterm_pinnable()` @ v6.12: coherent memory must be free to move.
     * Left out: CMA, ZONE_MOVABLE.
     */
    *folio_is_longterm_pinnable(k, folio) {
      const pgmap = yield* followPgmap(k, folio.page);
      return pgmap?.type !== MEMORY_DEVICE_COHERENT;
    },

    /** Models `mm/gup.c:__gup_longterm_locked()` @ v6.12. */
    *__gup_longterm_locked(k, mm, start, nr_pages, flags) {
      for (;;) {
        const pages = yield* k.__get_user_pages(mm, start, nr_pages, flags);
        if (typeof pages === "number" || !(flags & FOLL_LONGTERM)) return pages;
        const error = yield* k.check_and_migrate_movable_pages(mm, start, pages, flags);
        if (error === 0) return pages;
        if (error !== -EAGAIN) return error;
      }
    },
  },
});

export const gupLongtermList = change({
  name: "gup-longterm-list",
  subject: "mm: gup: fix infinite loop within __get_longterm_locked",
  source: "commit 1aaf8c122918, v6.14",
  about:
    "Before, pages that had to move were counted. Since, they are looked for on a list of what has left the LRU, on which " +
    "memory of a device never is: pages of coherent memory stay where they are, and are pinned for long.",
  after: ["device-coherent"],
  functions: { check_and_migrate_movable_pages: check_and_migrate_listed_pages },
});

export const gupLongtermCount = change({
  name: "gup-longterm-count",
  subject: 'mm/gup: revert "mm: gup: fix infinite loop within __get_longterm_locked"',
  source: "D. Hildenbrand, June 2025, after v6.15",
  about: "Before, pages of coherent memory that had to move were pinned for long where they were.",
  after: ["gup-longterm-list"],
  functions: { check_and_migrate_movable_pages },
});
