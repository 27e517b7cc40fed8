// The file forgets a mapping before the TLB is flushed: what the kernel did about it, and a remedy for DAX files, which
// nobody has posted; it is a candidate of ours.
import { change } from "../kernel/kernel.ts";
import { tlb_end_vma_mixedmap } from "../kernel/mm/mmu_gather.ts";

export const mixedmapEndsFlushed = change({
  name: "mixedmap-ends-flushed",
  subject: "mmu_gather: Force tlb-flush VM_PFNMAP vmas",
  source: "commit b67fbebd4cf9, v5.19 (CVE-2022-39188)",
  about:
    "Before, munmap() of a mapping with VM_MIXEDMAP, as those of virtio-fs are, let the file forget it before the TLB was " +
    "flushed, where flushes are merged.",
  functions: { tlb_end_vma: tlb_end_vma_mixedmap },
});

export const daxMappingEndsFlushed = change({
  name: "dax-mapping-ends-flushed",
  subject: "tlb_end_vma() flushes for mappings of DAX files, too, where flushes are merged",
  source: "a candidate of ours",
  about:
    "The kernel does so for VM_PFNMAP and VM_MIXEDMAP alone (b67fbebd4cf9, v5.19), for the same reason: it does not count " +
    "the mappings of such pages, so nothing but the flush tells when nobody can reach them any more. Up to v6.14 that " +
    "is so of DAX files.",
  onto: ["v6.12"],
  functions: {
    *tlb_end_vma(k, vma) {
      yield* k.flush_tlb_mm(vma.vm_mm);
      return true;
    },
  },
});
