// Changes that break DAX devices and large folios on purpose.
import { pfn as toPfn } from "../base/brand.ts";
import { dev_dax_fault } from "../kernel/drivers/dax/device.ts";
import { folio_page, pfn_to_page } from "../kernel/include/linux/mm.ts";
import type { PageMapping, Word0 } from "../kernel/include/linux/mm_types.ts";
import { pmdStart } from "../kernel/include/linux/pgtable.ts";
import { change } from "../kernel/kernel.ts";
import { atomic_add, WRITE_ONCE } from "../kernel/lib/atomic.ts";

const twin = (name: string, subject: string, functions: Parameters<typeof change>[0]["functions"]) =>
  change({ name: `twin/${name}`, subject, source: "twin", functions });

export const pudZapKeepsReference = twin(
  "pud-zap-keeps-reference",
  "a PUD entry holds a reference, and is zapped as if it held none: one half of the change without the other",
  {
    zapped_page_pud: () => null,
  },
);

export const deviceFaultOutsideOfSrcu = twin(
  "device-fault-outside-of-srcu",
  "a fault on a DAX device does not hold off that the device goes",
  {
    *dev_dax_huge_fault(k, vmf) {
      return yield* dev_dax_fault(k, vmf);
    },
  },
);

export const killDevDaxLeavesMappings = twin(
  "kill-dev-dax-leaves-mappings",
  "a DAX device goes, and whoever has mapped it keeps it",
  {
    *kill_dev_dax(k, inode) {
      yield* k.kill_dax(inode.i_sb);
    },
  },
);

export const mappingIsSetOnTails = twin(
  "mapping-is-set-on-tails",
  "the pages of a folio of a DAX device are told whose they are, each by itself",
  {
    *dax_set_mapping(k, vmf, pfn) {
      const { vm_file } = vmf.vma;
      for (let i = 0; i < 2 ** vmf.order; i++) {
        yield* WRITE_ONCE<PageMapping>(pfn_to_page(k, toPfn(pfn + i)).mapping, vm_file.i_mapping);
      }
    },
  },
);

export const folioMissesLastTail = twin(
  "folio-misses-last-tail",
  "a folio is made of as many pages as its order says, but the last is not told",
  {
    *prep_compound_page(k, page, order) {
      yield* k.below.prep_compound_page(page, order);
      const last = folio_page(k, page.folio, 2 ** order - 1);
      yield* WRITE_ONCE<Word0>(last.pgmap, null);
    },
  },
);

export const freeUnchargesAlways = twin(
  "free-uncharges-always",
  "a freed page of device memory is taken from the charge of the control group, whether it was charged or not",
  {
    *free_zone_device_folio(k, folio) {
      yield* atomic_add(k.world.memcg_usage, -1);
      yield* k.below.free_zone_device_folio(folio);
    },
  },
);

export const p2pmemMmapFailsForFirst = twin(
  "p2pmem-mmap-fails-for-first",
  "there is no memory for the page table of a process called first that maps memory of a PCI device",
  {
    *vm_insert_page(k, vma, address, page) {
      return vma.vm_mm.name === "first" ? "SIGBUS" : yield* k.below.vm_insert_page(vma, address, page);
    },
  },
);

export const failureAsksForHead = twin(
  "failure-asks-for-head",
  "memory failure looks who maps the first page of the huge page that a bad page may be part of",
  {
    *mf_generic_pgoff(k, folio, pfn) {
      const index = yield* k.below.mf_generic_pgoff(folio, pfn);
      return pmdStart(k, index);
    },
  },
);

export const deviceTwins = [
  pudZapKeepsReference,
  deviceFaultOutsideOfSrcu,
  killDevDaxLeavesMappings,
  mappingIsSetOnTails,
  folioMissesLastTail,
  freeUnchargesAlways,
  p2pmemMmapFailsForFirst,
  failureAsksForHead,
];
