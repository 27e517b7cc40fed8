// Memory of PCI devices comes to programs, and GUP asks before it gives it out.

import {
  p2pdma_page_free,
  p2pmem_alloc_mmap,
  p2pmem_insert_failed,
  p2pmem_insert_failed_reset,
  p2pmem_prepare_page,
} from "../kernel/drivers/pci/p2pdma.ts";
import { kernfs_vma_fault } from "../kernel/fs/kernfs/file.ts";
import { EFAULT } from "../kernel/include/asm-generic/errno-base.ts";
import { MEMORY_DEVICE_PCI_P2PDMA } from "../kernel/include/linux/memremap.ts";
import { type PageMapping, VM_SHARED, VM_WRITE, type VmArea } from "../kernel/include/linux/mm_types.ts";
import { followPgmap } from "../kernel/include/linux/mmzone.ts";
import { change } from "../kernel/kernel.ts";
import { WRITE_ONCE } from "../kernel/lib/atomic.ts";
import { FOLL_LONGTERM, FOLL_PCI_P2PDMA, FOLL_PIN, FOLL_WRITE } from "../kernel/mm/gup-flags.ts";

export const p2pdmaMmap = change({
  name: "p2pdma-mmap",
  subject: "PCI/P2PDMA: Allow userspace VMA allocations through sysfs (series)",
  source: "commit 7e9c7ef83d78, with 4003f107fa2e for GUP, L. Gunthorpe, v6.2",
  about: "Before, only the kernel used such memory: no page table had it, and GUP did not meet it.",
  brings: ["createP2pmem"],
  adds: { p2pmem_alloc_mmap, p2pmem_prepare_page, p2pmem_insert_failed, p2pdma_page_free, kernfs_vma_fault },
  functions: {
    /**
     * Models `mm/gup.c:is_valid_gup_args()` @ v6.12: memory of a device that may go at any time is not pinned for long.
     */
    is_valid_gup_args: (k, flags, to_set) => {
      const both = FOLL_LONGTERM | FOLL_PCI_P2PDMA;
      return (flags & both) !== both && k.below.is_valid_gup_args(flags, to_set);
    },

    /**
     * Models `include/linux/memremap.h:is_pci_p2pdma_page()` @ v6.12: the pgmap of this page is looked at, without a
     * reference to it in GUP without locks. Of a tail of a DAX device that word is the link to its head, and what is read
     * through it is a part of `private` of the first tail, on x86-64, which is 0 and no type: right by luck.
     */
    *is_pci_p2pdma_page(k, page) {
      if (page.zone !== "ZONE_DEVICE") return false;
      const pgmap = yield* followPgmap(k, page);
      return pgmap?.type === MEMORY_DEVICE_PCI_P2PDMA;
    },

    /**
     * Models `mm/memremap.c:free_zone_device_folio()` @ v6.12, for memory of a PCI device: the count begins anew when the
     * driver has the page already.
     * Left out: mem_cgroup_uncharge() of what is never charged.
     */
    *free_zone_device_folio(k, folio) {
      const pgmap = yield* followPgmap(k, folio.page);
      if (pgmap?.type !== MEMORY_DEVICE_PCI_P2PDMA) {
        yield* k.below.free_zone_device_folio(folio);
        return;
      }
      yield* WRITE_ONCE<PageMapping>(folio.mapping, null);
      yield* k.p2pdma_page_free(pgmap, folio.page);
      yield* WRITE_ONCE(folio._refcount, 1);
    },
  },
});

export const p2pmemMmapFails = change({
  name: "p2pmem-mmap-way-out",
  subject: "PCI/P2PDMA: the way out of p2pmem_alloc_mmap() gives back what it took",
  source: "between v6.15 and v7.2 (Hou Tao)",
  about:
    "Before, where a page could not be mapped, the reference of the pgmap was not dropped, and the device could not go any " +
    "more. Since v6.15 the count was left at 1, too.",
  functions: { p2pmem_insert_failed: p2pmem_insert_failed_reset },
});

/** Models `mm/vma.c:vma_needs_dirty_tracking()` @ v6.12. Left out: file systems that write back without such notice. */
const vma_needs_dirty_tracking = ({ vm_flags, vm_file }: VmArea): boolean =>
  (vm_flags & (VM_SHARED | VM_WRITE)) === (VM_SHARED | VM_WRITE) && vm_file.i_sb.s_type.writenotify;

export const gupLongtermFiles = change({
  name: "gup-longterm-files",
  subject: "mm/gup: disallow FOLL_LONGTERM GUP-nonfast writing to file-backed mappings",
  source: "commit 8ac268436e6d, v6.5",
  about:
    "Before, pages of a file that wants notice of writes could be pinned for long and for writing. A file of sysfs is one, " +
    "so memory of a PCI device is refused here already.",
  functions: {
    /** Models writable_file_mapping_allowed() in `mm/gup.c:check_vma_flags()` @ v6.12. */
    check_vma_flags(k, vma, flags) {
      const refused = k.below.check_vma_flags(vma, flags);
      const long = FOLL_PIN | FOLL_LONGTERM | FOLL_WRITE;
      if (refused !== 0 || (flags & long) !== long) return refused;
      return vma_needs_dirty_tracking(vma) ? -EFAULT : 0;
    },
  },
});
