// Changes to the subsystem that are wrong, each in another place: a run of a real kernel must tell every one of them
// from the truth. They stand here and not among the twins, since no scenario is about them.
import { folio_order, page_folio } from "../../src/kernel/include/linux/mm.ts";
import type { PageMapping } from "../../src/kernel/include/linux/mm_types.ts";
import { folio_ref_inc } from "../../src/kernel/include/linux/page_ref.ts";
import { type Change, change } from "../../src/kernel/kernel.ts";
import { atomic_add, WRITE_ONCE } from "../../src/kernel/lib/atomic.ts";

/** A change that is wrong, and the fixed program that tells. */
export interface Wrong {
  readonly change: Change;
  readonly caughtBy: string;
}

const wrong = (subject: string, caughtBy: string, functions: Change["functions"]): Wrong => ({
  change: change({ name: subject.replaceAll(" ", "-"), subject, source: "wrong", functions }),
  caughtBy,
});

/** Wrong for the counts that are one-based. */
export const wrongOneBased: readonly Wrong[] = [
  wrong("a fault on a small entry takes a reference", "touch-munmap.ext4", {
    *dax_fault_insert(k, vmf, entry, page) {
      yield* folio_ref_inc(page.folio);
      return yield* k.below.dax_fault_insert(vmf, entry, page);
    },
  }),
  wrong("punch hole does not wait", "unpin-vs-punch-hole.ext4", {
    *dax_busy_page() {
      return null;
    },
  }),
  wrong("a file that nobody maps is looked at", "pinned-unmapped-truncate.ext4", {
    *dax_mapping_may_be_busy() {
      return true;
    },
  }),
  wrong("an unpin gives back one reference instead of a pin", "pin-odirect.ext4", {
    *gup_put_folio(k, folio) {
      yield* k.put_devmap_managed_folio_refs(folio, 1);
    },
  }),
  wrong("a page of a shared block says of one file", "reflink-then-read.xfs", {
    dax_fault_is_shared: () => false,
  }),
  wrong("truncation passes over a huge entry that begins before the range", "huge-punch-of-one-page.ext4", {
    *truncate_folio_batch_exceptionals(k, mapping, index) {
      if (index % 512 === 0 || mapping.i_pages.length < 512)
        yield* k.dax_delete_mapping_entry(mapping, index);
    },
  }),
  wrong("unmapping a file takes private copies away", "private-copy-outlives-truncate.ext4", {
    *unmap_mapping_pages(k, mapping, start, nr) {
      yield* k.below.unmap_mapping_pages(mapping, start, nr, true);
    },
  }),
  wrong("poison does not mark the page", "poison.ext4", {
    *memory_failure_dev_pagemap() {
      return 0;
    },
  }),
  wrong("pins for long are allowed", "pin-for-long.ext4", {
    check_vma_flags: () => 0,
  }),
];

/** Wrong for the counts that are zero-based. */
export const wrongZeroBased: readonly Wrong[] = [
  wrong("a fault forgets the reference of the mapping", "touch-munmap.ext4", {
    *insert_page(k, vma, address, page, mkwrite) {
      const fault = yield* k.below.insert_page(vma, address, page, mkwrite);
      yield* atomic_add((yield* page_folio(k, page))._refcount, -1);
      return fault;
    },
  }),
  wrong("munmap leaves the mapcount", "touch-munmap.ext4", { *folio_remove_rmap_pte() {} }),
  wrong("a pin of a large folio is not counted as one", "pin-odirect.ext4", {
    *try_grab_folio_fast(k, page, refs, flags) {
      return yield* k.below.try_grab_folio_fast(page, refs, (flags & ~(1 << 18)) | (1 << 1));
    },
  }),
  wrong("punch hole does not wait", "unpin-vs-punch-hole.ext4", {
    *dax_busy_page() {
      return null;
    },
  }),
  wrong("fork forgets the reference of a page that it copies", "private-copy.ext4", {
    *copy_present_pte(k, dst, src, address, pte) {
      yield* k.below.copy_present_pte(dst, src, address, pte);
      const page = k.vm_normal_page(pte);
      if (page?.zone === "ZONE_DEVICE") yield* atomic_add((yield* page_folio(k, page))._refcount, -1);
    },
  }),
  wrong("a zap of a huge entry leaves its reference", "huge-mapping.ext4", {
    *zap_huge_pmd(k, vma, address) {
      const zapped = yield* k.below.zap_huge_pmd(vma, address);
      return { ...zapped, pages: [] };
    },
  }),
  wrong("a split of a huge entry leaves the folio mapped", "huge-mapping.ext4", {
    *folio_remove_rmap_pmd() {},
  }),
  wrong("the last put wakes nobody", "unpin-vs-punch-hole.ext4", { *free_zone_device_folio() {} }),
  wrong("a folio stays large when it leaves its file", "huge-mapping.ext4", {
    *dax_folio_reset_order(k, folio) {
      const order = yield* folio_order(k, folio);
      if (order === 0) return yield* k.below.dax_folio_reset_order(folio);
      yield* WRITE_ONCE<PageMapping>(folio.mapping, null);
      return order;
    },
  }),
  wrong("an inode is forgotten with its pages in use", "umount-vs-pin.ext4", {
    *dax_break_layout_final() {},
  }),
  wrong("a private fault maps the page of the file for writing", "private-copy.ext4", {
    *handle_private_fault(k, vma, address, _write) {
      return yield* k.below.handle_private_fault(vma, address, false);
    },
  }),
];
