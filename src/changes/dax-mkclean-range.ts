// What writing back an entry of many pages takes from those who map single ones of them.
import { change } from "../kernel/kernel.ts";

export const daxMkcleanRange = change({
  name: "dax-mkclean-range",
  subject: "dax: fix missing writeprotect the pte entry",
  source: "commit 06083a0921fd, M. Song, v5.19",
  about:
    "Before, fsync() of a PMD entry looked at one entry of each page table, that of the first page. Who had mapped other " +
    "pages with entries of their own could go on writing, and a later fsync() knew nothing of it.",
  functions: {
    /** Models one turn of the loop over the mappings of a file in `fs/dax.c:dax_writeback_one()` @ v6.1. */
    *dax_entry_mkclean(k, vma, first, count, pfn) {
      const from = Math.max(first, vma.vm_pgoff);
      const to = Math.min(first + count, vma.vm_pgoff + vma.vm_pages);
      const address = vma.vm_start + from - vma.vm_pgoff;
      if (from < to) yield* k.pfn_mkclean_range(vma, address, to - from, pfn + from - first);
    },
  },
});
