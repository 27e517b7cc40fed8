// A remedy for the file that forgets a mapping before the TLB is flushed. None has been posted; it is a candidate of ours.
import { change } from "../kernel/kernel.ts";

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
    *tlb_end_vma(k, mm) {
      yield* k.flush_tlb_mm(mm);
      return true;
    },
  },
});
