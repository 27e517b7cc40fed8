// The PMD entries of normalised FS-DAX folios: how v6.15 marks them, and that it stopped.
import { is_zero_pfn, pfn_to_page } from "../kernel/include/linux/mm.ts";
import { change } from "../kernel/kernel.ts";

export const pmdMarkedSpecial = change({
  name: "fsdax-pmd-special",
  subject: "mm/huge_memory: add vmf_insert_folio_pmd()",
  source: "part of the series that normalised FS-DAX counts (2025, v6.15)",
  about:
    "The entry of a counted folio is written with insert_pfn_pmd(), which marks what is not devmap as special. GUP " +
    "without locks refuses it then; zapping does not ask.",
  functions: {
    /** Models the pmd_mkspecial() of `mm/huge_memory.c:insert_pfn_pmd()` @ v6.15. */
    special_folio_pmd: () => true,
    /** Models the pmd_page() of `mm/huge_memory.c:zap_huge_pmd()` @ v6.15: a mark on the entry does not matter. */
    zapped_page_pmd: (k, pmd) => (is_zero_pfn(k, pmd.pfn) ? null : pfn_to_page(k, pmd.pfn)),
  },
});

export const pmdNotSpecial = change({
  name: "fsdax-pmd-not-special",
  subject: "mm/huge_memory: don't mark refcounted folios special in vmf_insert_folio_pmd()",
  source: "v6.16",
  about: "Before, GUP without locks gave up at every PMD entry of a DAX file.",
  after: ["fsdax-pmd-special"],
  functions: {
    special_folio_pmd: () => false,
    /** Models the vm_normal_folio_pmd() of `mm/huge_memory.c:zap_huge_pmd()` @ v7.2. */
    zapped_page_pmd: (k, pmd) => k.vm_normal_page_pmd(pmd),
  },
});
