// DAX devices whose entries hold a reference. Source: drivers/dax/device.c, mm/huge_memory.c.
import { page_folio, pfn_to_page } from "../../kernel/include/linux/mm.ts";
import { VM_WRITE } from "../../kernel/include/linux/mm_types.ts";
import { pmdOrder } from "../../kernel/include/linux/pgtable.ts";
import type { KernelFunctions } from "../../kernel/kernel.ts";

/** How the memory of a device is mapped, and unmapped at the PUD level, which nobody else uses. */
export const deviceFunctions: Partial<KernelFunctions> = {
  /**
   * Models the insertion in `drivers/dax/device.c:__dev_dax_pte_fault()`, `__dev_dax_pmd_fault()` and
   * `__dev_dax_pud_fault()` @ v7.2.
   */
  *dev_dax_insert(k, vmf, pfn) {
    const write = (vmf.vma.vm_flags & VM_WRITE) !== 0;
    const page = pfn_to_page(k, pfn);
    if (vmf.order === 0) return yield* k.vmf_insert_page_mkwrite(vmf, page, write);
    const folio = yield* page_folio(k, page);
    if (vmf.order === pmdOrder(k)) return yield* k.vmf_insert_folio_pmd(vmf, folio, write);
    return yield* k.vmf_insert_folio_pud(vmf, folio, write);
  },

  /** Models the pud_page() of `mm/huge_memory.c:zap_huge_pud()` @ v7.2: a mark on the entry does not matter. */
  zapped_page_pud: (k, pud) => pfn_to_page(k, pud.pfn),
};
