// What the functions take that scenarios call.
import type { KernelCalls } from "./kernel.ts";
import { type Kind, requireKinds, type Takes } from "./kinds.ts";
import type * as setup from "./setup.ts";
import type * as device from "./setup-device.ts";

type Functions<T> = {
  readonly [Name in keyof T]?: T[Name] extends (...args: infer A) => unknown ? Takes<A> : never;
};

/** Functions of the kernel, in the order of docs/functions.md. */
export const kernelTakes = {
  kill_dax: ["super_block"],
  kill_dev_dax: ["inode"],
  dax_layout_busy_page: ["mapping"],
  dax_layout_busy_page_range: ["mapping", "number", "number"],
  dax_delete_mapping_entry: ["mapping", "number"],
  dax_iomap_rw: ["inode", "number"],
  dax_writeback_mapping_range: ["mapping", "number", "number"],
  ext4_break_layouts: ["inode"],
  ext4_collapse_range: ["inode", "number", "end"],
  ext4_insert_range: ["inode", "number", "end"],
  ext4_punch_hole: ["inode", "number", "end"],
  lookup_and_reclaim_dmap: ["inode", "number", "end"],
  smap_gather_stats: ["vma"],
  freeze_super: ["super_block"],
  thaw_super: ["super_block"],
  do_truncate: ["inode", "number"],
  vfs_fallocate: ["inode", "name", "number", "end"],
  ext4_fallocate: ["inode", "name", "number", "end"],
  xfs_file_fallocate: ["inode", "name", "number", "end"],
  fuse_file_fallocate: ["inode", "name", "number", "end"],
  vfs_write: ["inode", "number"],
  vfs_fsync: ["inode"],
  vfs_fsync_range: ["inode", "number", "end"],
  vfs_clone_file_range: ["inode", "inode", "number"],
  vfs_unlink: ["inode"],
  evict: ["inode"],
  generic_shutdown_super: ["super_block"],
  sync_filesystem: ["super_block"],
  xfs_break_layouts: ["inode"],
  put_page: ["page"],
  folio_put: ["folio"],
  folio_put_refs: ["folio", "number"],
  dup_mmap: ["mm", "mm"],
  get_user_pages_fast: ["number", "number", "number"],
  get_user_pages_fast_only: ["number", "number", "number"],
  pin_user_pages_fast: ["number", "number", "number"],
  pin_user_pages_fast_only: ["number", "number", "number"],
  unpin_user_page: ["page"],
  unpin_user_pages: ["pages"],
  put_user_page: ["page"],
  user_is_done: ["page"],
  madvise_dontneed_single_vma: ["vma", "number", "end"],
  memory_failure_dev_pagemap: ["number"],
  zap_page_range: ["vma", "number", "number"],
  unmap_mapping_pages: ["mapping", "number", "number"],
  migrate_vma_setup: ["vma", "number", "page"],
  do_mlock: ["vma"],
  vma_lookup: ["mm", "number"],
  mmap: ["vma"],
  set_page_dirty_lock: ["page"],
  folio_mark_dirty: ["folio"],
  folio_mark_accessed: ["folio"],
  release_pages: ["pages"],
  truncate_pagecache: ["inode", "number"],
  truncate_pagecache_range: ["inode", "number", "number"],
  touch: ["mm", "number", "boolean"],
  store: ["mm", "number"],
  store_through_tlb: [null, "inode"],
  vm_munmap: ["mm", "number", "number"],
  munmap: ["vma"],
} as const satisfies Functions<KernelCalls>;

const setupTakes = {
  mountDax: ["kernel", "number"],
  createDevDax: ["kernel", "name", "number", "number"],
  createFile: ["kernel", "super_block", "name", "number"],
  addRam: ["kernel", "number"],
  createChild: ["kernel", "mm", "name"],
  createProcess: ["kernel", "name", "number"],
  mapFile: ["kernel", "mm", "inode", "number", "number"],
  prepareMapping: ["kernel", "mm", "inode", "number", "number"],
  cacheTranslation: ["kernel", "mm", "number"],
  createP2pmem: ["kernel", "number"],
  mapCoherent: ["kernel", "mm", "number"],
  mapPrivate: ["kernel", "mm", "number"],
} as const satisfies Functions<typeof setup & typeof device>;

/** What a function of the kernel takes, as far as that is looked at; null for most. */
export const takenBy = (name: string): readonly (Kind | null)[] | null =>
  Object.hasOwn(kernelTakes, name) ? kernelTakes[name as keyof typeof kernelTakes] : null;

/** @throws {@link PagelifeError} PL210 if a function of setup was given something else than it takes. */
export function requireSetup(name: keyof typeof setupTakes, ...args: readonly unknown[]): void {
  requireKinds(name, setupTakes[name], args);
}
