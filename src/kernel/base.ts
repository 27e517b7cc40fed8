// The oldest kernel that is here, from which the others are built: v5.18.

import * as dax from "./fs/dax.ts";
import * as ext4_file from "./fs/ext4/file.ts";
import * as ext4_inode from "./fs/ext4/inode.ts";
import * as mm_h from "./include/linux/mm.ts";
import * as wait_bit from "./kernel/sched/wait_bit.ts";
import { baseKernel } from "./kernel.ts";
import * as gup from "./mm/gup.ts";
import * as memory from "./mm/memory.ts";
import * as memremap from "./mm/memremap.ts";
import * as mmu_gather from "./mm/mmu_gather.ts";
import * as rmap from "./mm/rmap.ts";
import * as swap from "./mm/swap.ts";

/**
 * Linux 5.18: FS-DAX pages are one-based, their PTEs special and devmap, and gup_put_folio() drops pins
 * without the hook that wakes those who wait for 1.
 */
export const v5_18 = baseKernel("v5.18", {
  ___wait_var_event: wait_bit.___wait_var_event,
  wake_up_var: wait_bit.wake_up_var,
  put_page: mm_h.put_page,
  folio_put: mm_h.folio_put,
  folio_put_refs: mm_h.folio_put_refs,
  put_devmap_managed_folio_refs: mm_h.put_devmap_managed_folio_refs,
  fsdax_idle_count: mm_h.fsdax_idle_count,
  try_get_folio: gup.try_get_folio,
  try_get_folio_undo: gup.try_get_folio_undo,
  try_grab_folio_fast: gup.try_grab_folio_fast,
  try_grab_folio: gup.try_grab_folio,
  gup_put_folio: gup.gup_put_folio,
  gup_fast_pte_range: gup.gup_fast_pte_range,
  gup_pte_unchanged: gup.gup_pte_unchanged,
  follow_page_pte: gup.follow_page_pte,
  follow_devmap_page: gup.follow_devmap_page,
  __get_user_pages: gup.__get_user_pages,
  gup_fast_fallback: gup.gup_fast_fallback,
  get_user_pages_fast: gup.get_user_pages_fast,
  pin_user_pages_fast: gup.pin_user_pages_fast,
  pin_user_pages_fast_only: gup.pin_user_pages_fast_only,
  unpin_user_page: gup.unpin_user_page,
  unpin_user_pages: gup.unpin_user_pages,
  put_user_page: gup.put_user_page,
  vm_normal_page: memory.vm_normal_page,
  vma_lookup: memory.vma_lookup,
  insert_pfn: memory.insert_pfn,
  vmf_insert_mixed: memory.vmf_insert_mixed,
  insert_page: memory.insert_page,
  folio_mapcount: rmap.folio_mapcount,
  folio_add_file_rmap_pte: rmap.folio_add_file_rmap_pte,
  folio_remove_rmap_pte: rmap.folio_remove_rmap_pte,
  zap_present_pte: memory.zap_present_pte,
  zap_drop_references: memory.zap_drop_references,
  zap_page_range: memory.zap_page_range,
  unmap_mapping_pages: memory.unmap_mapping_pages,
  handle_mm_fault: memory.handle_mm_fault,
  touch: memory.touch,
  mmap: memory.mmap,
  munmap: memory.munmap,
  memremap_pages: memremap.memremap_pages,
  get_dev_pagemap: memremap.get_dev_pagemap,
  put_dev_pagemap: memremap.put_dev_pagemap,
  __put_devmap_managed_folio_refs: memremap.__put_devmap_managed_folio_refs,
  free_zone_device_folio: memremap.free_zone_device_folio,
  flush_tlb_mm: mmu_gather.flush_tlb_mm,
  __folio_put: swap.__folio_put,
  release_pages: swap.release_pages,
  grab_mapping_entry: dax.grab_mapping_entry,
  dax_unlock_entry: dax.dax_unlock_entry,
  dax_wake_entry: dax.dax_wake_entry,
  dax_insert_entry: dax.dax_insert_entry,
  dax_associate_entry: dax.dax_associate_entry,
  dax_disassociate_entry: dax.dax_disassociate_entry,
  dax_iomap_pte_fault: dax.dax_iomap_pte_fault,
  dax_fault_insert: dax.dax_fault_insert,
  dax_busy_page: dax.dax_busy_page,
  dax_mapping_may_be_busy: dax.dax_mapping_may_be_busy,
  dax_layout_busy_page: dax.dax_layout_busy_page,
  dax_scan_busy_page: dax.dax_scan_busy_page,
  dax_delete_mapping_entry: dax.dax_delete_mapping_entry,
  ext4_dax_fault: ext4_file.ext4_dax_fault,
  ext4_iomap_begin: ext4_inode.ext4_iomap_begin,
  ext4_new_block: ext4_inode.ext4_new_block,
  ext4_free_block: ext4_inode.ext4_free_block,
  ext4_wait_dax_page: ext4_inode.ext4_wait_dax_page,
  ext4_break_layouts: ext4_inode.ext4_break_layouts,
  ext4_punch_hole: ext4_inode.ext4_punch_hole,
  truncate_pagecache_range: ext4_inode.truncate_pagecache_range,
});
