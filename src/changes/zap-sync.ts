// A remedy for the folio that looks idle while its PMD entry goes. None has been posted; it is a candidate of ours.
import { pmd_offset } from "../kernel/include/linux/pgtable.ts";
import { spin_lock, spin_unlock } from "../kernel/kernel/locking/spinlock.ts";
import { change } from "../kernel/kernel.ts";
import { READ_ONCE } from "../kernel/lib/atomic.ts";

export const zapWaitsForPmdLock = change({
  name: "zap-waits-for-pmd-lock",
  subject: "a zap that finds no PMD entry takes and drops the PMD lock, whatever it is for",
  source: "a candidate of ours",
  about:
    "The kernel does so for unmap_mapping_folio() alone (sync_with_folio_pmd_zap()): whoever clears an entry lowers " +
    "the mapcount before dropping the lock. Waiting after the zap will do, since who puts a new entry there has the lock, too.",
  onto: ["v6.15", "v7.2"],
  functions: {
    *zap_pmd_range(k, vma, first, end, even_cows) {
      const zapped = yield* k.below.zap_pmd_range(vma, first, end, even_cows);
      const pmdp = pmd_offset(k, vma.vm_mm, first);
      if (pmdp === null || (yield* READ_ONCE(pmdp)) !== null) return zapped;
      yield* spin_lock(k, vma.vm_mm.pmd_lock);
      yield* spin_unlock(vma.vm_mm.pmd_lock);
      return zapped;
    },
  },
});
