// When the huge entry over the border goes, where a mapping is split.
import { change } from "../kernel/kernel.ts";
import { __split_vma_prepared } from "../kernel/mm/vma.ts";

export const vmaSplitPrepared = change({
  name: "vma-split-prepared",
  subject: "mm: don't use __vma_adjust() in __split_vma()",
  source: "of the series that removed __vma_adjust(), L. Howlett, v6.3",
  about:
    "Before, a huge entry over the border was taken apart first, and i_mmap_rwsem taken then. Since, whoever wants to " +
    "unmap the file waits until the mapping is split, too.",
  functions: { __split_vma: __split_vma_prepared },
});
