// The series that normalised the counts of FS-DAX pages, as it reads in v7.2: a mapping holds a
// reference, an idle page has none, and break-layouts waits for 0.
import { pfn as toPfn } from "../base/brand.ts";
import type { Code, Wait } from "../explore/access.ts";
import { untilIdle } from "../kernel/fs/ext4/inode.ts";
import { WARN } from "../kernel/include/asm-generic/bug.ts";
import { GUP_PIN_COUNTING_BIAS, is_zero_page, page_folio, pfn_to_page } from "../kernel/include/linux/mm.ts";
import type { AddressSpace, DaxEntry, Inode, Page, Pte } from "../kernel/include/linux/mm_types.ts";
import {
  folio_ref_count,
  folio_ref_inc,
  folio_ref_sub_and_test,
  page_ref_count,
} from "../kernel/include/linux/page_ref.ts";
import { change, type Kernel } from "../kernel/kernel.ts";
import { READ_ONCE, WRITE_ONCE, xchg } from "../kernel/lib/atomic.ts";
import { FOLL_PIN } from "../kernel/mm/gup.ts";
import type { VmFault, VmFaultInfo } from "../kernel/mm/memory.ts";

declare module "../kernel/kernel.ts" {
  interface KernelFunctions {
    vmf_insert_page_mkwrite: typeof vmf_insert_page_mkwrite;
    dax_break_layout: typeof dax_break_layout;
    dax_delete_mapping_range: typeof dax_delete_mapping_range;
  }
}

/** Models `mm/memory.c:vmf_insert_page_mkwrite()` @ v7.2. */
function* vmf_insert_page_mkwrite(k: Kernel, vmf: VmFaultInfo, page: Page, write: boolean): Code<VmFault> {
  return yield* k.insert_page(vmf.vma, vmf.address, page, write);
}

/**
 * Unmaps a file, waits until nobody uses its pages, and takes them away from the file. The test for a
 * busy page does not count mappings; the wait is for a count of 0, which does.
 *
 * Models `fs/dax.c:dax_break_layout()` @ v7.2, on a whole file.
 * Left out: ranges, and the answer of -ERESTARTSYS where the caller may not wait.
 */
function* dax_break_layout(k: Kernel, inode: Inode): Code {
  const mapping = inode.i_mapping;
  for (;;) {
    const page = yield* k.dax_layout_busy_page(mapping);
    if (page === null) break;
    yield* k.___wait_var_event(
      page,
      function* idle(): Code<boolean> {
        return (yield* page_ref_count(page)) === 0;
      },
      function* cmd(wait: Wait): Code {
        yield* k.ext4_wait_dax_page(inode, wait);
      },
      untilIdle(page, 0),
    );
  }
  yield* k.dax_delete_mapping_range(mapping);
}

/** Models `fs/dax.c:dax_delete_mapping_range()` @ v7.2, on a whole file. */
function* dax_delete_mapping_range(k: Kernel, mapping: AddressSpace): Code {
  for (let index = 0; index < mapping.i_pages.length; index++) {
    yield* k.dax_delete_mapping_entry(mapping, index);
  }
}

export const fsdaxRefcounts = change({
  name: "fsdax-refcounts",
  subject: "fs/dax: normalise the reference counts of FS-DAX pages (series, as in v7.2)",
  source: "series of 2025 by A. Popple, merged for v6.15; later changes up to v7.2 included",
  about:
    "Before, an FS-DAX page had a base reference, a mapping took none, and every put had to look for 2 -> 1. " +
    "Afterwards a mapping holds a reference and counts, and the last put wakes who waits for 0.",
  onto: ["v6.12"],
  adds: { vmf_insert_page_mkwrite, dax_break_layout, dax_delete_mapping_range },
  functions: {
    /** Ours: the number that v7.2 spells 0. */
    fsdax_idle_count: () => 0,

    /** Models `include/linux/mm.h:put_page()` @ v7.2. */
    *put_page(k, page) {
      const folio = yield* page_folio(k, page);
      yield* k.folio_put(folio);
    },

    /** Models `mm/swap.c:folios_put_refs()` @ v7.2, for device memory. */
    *release_pages(k, pages) {
      for (const page of pages) {
        const folio = yield* page_folio(k, page);
        if (yield* folio_ref_sub_and_test(folio, 1)) yield* k.free_zone_device_folio(folio);
      }
    },

    /**
     * Models `mm/memremap.c:free_zone_device_folio()` @ v7.2, for FS-DAX: mapping and order belong to the
     * entry of the file and stay.
     */
    *free_zone_device_folio(k, folio) {
      yield* READ_ONCE(folio.pgmap);
      yield* k.wake_up_var(folio.page);
    },

    /** Models the retry of `mm/gup.c:try_get_folio()` @ v7.2. */
    *try_get_folio_undo(k, folio, refs) {
      yield* k.folio_put_refs(folio, refs);
    },

    /** Models `mm/gup.c:gup_put_folio()` @ v7.2, for a folio of one page. */
    *gup_put_folio(k, folio, refs, flags) {
      yield* k.folio_put_refs(folio, flags & FOLL_PIN ? refs * GUP_PIN_COUNTING_BIAS : refs);
    },

    /** Models `mm/memory.c:vm_normal_page()` @ v7.2: entries of DAX pages are ordinary ones. */
    vm_normal_page: (k, pte) => (pte.special ? null : pfn_to_page(k, pte.pfn)),

    /**
     * Models `mm/memory.c:zap_present_folio_ptes()` @ v7.2. The mapcount falls under the page-table lock,
     * the reference only after the TLB flush.
     * Left out: the delay of the mapcount of dirty entries, which ends before the lock is dropped.
     */
    *zap_present_pte(k, vma, address, pte) {
      const ptep = vma.vm_mm.page_table[address];
      if (ptep !== undefined) yield* xchg<Pte | null>(ptep, null);
      const page = k.vm_normal_page(pte);
      if (page === null || is_zero_page(k, page)) return null;
      yield* k.folio_remove_rmap_pte(page.folio);
      return page;
    },

    /** Models the end of `fs/dax.c:dax_fault_iter()` @ v7.2: the fault holds a reference while it maps. */
    *dax_fault_insert(k, vmf, page) {
      const { folio } = page;
      yield* folio_ref_inc(folio);
      const fault = yield* k.vmf_insert_page_mkwrite(vmf, page, vmf.write);
      yield* k.folio_put(folio);
      return fault;
    },

    /**
     * Models `fs/dax.c:dax_folio_put()` and `dax_folio_reset_order()` @ v7.2, for a folio of one page.
     * The kernel warns where a folio leaves its file with references.
     */
    *dax_disassociate_entry(k, entry: DaxEntry) {
      if (entry.kind !== "normal") return;
      const page = pfn_to_page(k, toPfn(entry.pfn));
      yield* WRITE_ONCE<AddressSpace | null>(page.mapping, null);
      yield* WRITE_ONCE(page.index, 0);
      const count = yield* folio_ref_count(page.folio);
      if (count !== 0) {
        yield* WARN(
          k,
          "no-disassociation-of-referenced-folio",
          `pfn 0x${entry.pfn.toString(16)} leaves its file with a count of ${count}`,
        );
      }
    },

    /** Models `fs/dax.c:dax_busy_page()` @ v7.2: references beyond mappings. */
    *dax_busy_page(k, entry: DaxEntry) {
      if (entry.kind !== "normal") return null;
      const page = pfn_to_page(k, toPfn(entry.pfn));
      const count = yield* folio_ref_count(page.folio);
      const mapped = yield* k.folio_mapcount(page.folio);
      return count - mapped === 0 ? null : page;
    },

    /** Models `fs/dax.c:dax_layout_busy_page_range()` @ v7.2: a file that nobody maps is looked at, too. */
    *dax_mapping_may_be_busy() {
      return true;
    },

    /** Models `fs/ext4/inode.c:ext4_break_layouts()` @ v7.2. */
    *ext4_break_layouts(k, inode) {
      yield* k.dax_break_layout(inode);
    },
  },
});
