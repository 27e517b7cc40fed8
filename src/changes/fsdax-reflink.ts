// DAX on XFS with reflink: pages that several files have. In v6.0 a copy on write counts as shared, in
// v6.2 whatever the file system says is shared does.

import type { Code } from "../explore/access.ts";
import { warnOfDoubleAssociation, warnOfForeignMapping } from "../kernel/fs/dax-associate.ts";
import { EOPNOTSUPP } from "../kernel/include/asm-generic/errno-base.ts";
import {
  PAGE_MAPPING_DAX_SHARED,
  type Page,
  type PageMapping,
  VM_SYNC,
} from "../kernel/include/linux/mm_types.ts";
import { change, type Kernel } from "../kernel/kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../kernel/lib/atomic.ts";

declare module "../kernel/kernel.ts" {
  interface KernelFunctions {
    dax_page_share_get: typeof dax_page_share_get;
    dax_page_share_put: typeof dax_page_share_put;
  }
}

/**
 * Counts one more file that has the page.
 *
 * Models `fs/dax.c:dax_page_share_get()` @ v6.12; v6.1 has it as dax_mapping_set_cow(), with `index` for
 * `share`, which are one word.
 */
function* dax_page_share_get(_k: Kernel, page: Page): Code {
  const of = yield* READ_ONCE(page.mapping);
  if (of !== PAGE_MAPPING_DAX_SHARED) {
    if (of !== null) yield* WRITE_ONCE(page.index, 1);
    yield* WRITE_ONCE<PageMapping>(page.mapping, PAGE_MAPPING_DAX_SHARED);
  }
  const share = yield* READ_ONCE(page.index);
  yield* WRITE_ONCE(page.index, share + 1);
}

/**
 * Counts one less.
 *
 * Models `page->index-- > 0` in `fs/dax.c:dax_disassociate_entry()` @ v6.1: the test is of the value before,
 * so the last file to leave still finds the page shared, and it keeps its mark.
 *
 * @returns whether other files still have the page.
 */
function* dax_page_share_put(_k: Kernel, page: Page): Code<boolean> {
  const share = yield* READ_ONCE(page.index);
  yield* WRITE_ONCE(page.index, share - 1);
  return share > 0;
}

export const fsdaxReflink = change({
  name: "fsdax-reflink",
  subject: "fsdax: set a CoW flag when associate reflink mappings (series)",
  source: "series of S. Ruan, merged for v6.0: commit 6061b69b9a55, and those before and after it",
  about: "Before, XFS refused to mount a file system that can share blocks with DAX.",
  adds: { dax_page_share_get, dax_page_share_put },
  brings: ["vfs_clone_file_range", "xfs_file_remap_range"],
  functions: {
    /** Models `drivers/nvdimm/pmem.c:pmem_pagemap_memory_failure()` @ v6.1: the file system is asked. */
    *pmem_pagemap_memory_failure(k, pfn) {
      const sb = k.world.super_blocks.find((s) => s.s_dax_dev.pfns.includes(pfn));
      return sb === undefined ? -EOPNOTSUPP : yield* k.dax_holder_notify_failure(sb, [pfn], "");
    },

    /** Models the notification in `drivers/dax/super.c:kill_dax()` @ v6.1: as of memory that went bad. */
    *kill_dax_notifies(k, sb) {
      const told = yield* READ_ONCE(sb.s_dax_dev.holder_ops);
      if (told) yield* k.dax_holder_notify_failure(sb, sb.s_dax_dev.pfns, "");
    },

    /** Models `dirty` of `fs/dax.c:dax_insert_entry()` @ v6.1: a read marks the entry, too. */
    dax_fault_dirties: (_k, vmf, iomap) => !(vmf.write && (vmf.vma.vm_flags & VM_SYNC) !== 0 && iomap.dirty),

    /** Models `fs/dax.c:dax_fault_is_cow()` @ v6.1: a copy on write. */
    dax_fault_is_shared: (_k, vmf, iomap) => vmf.write && iomap.shared,

    /** Models `fs/dax.c:dax_associate_entry()` @ v6.1. */
    *dax_associate_page(k, page, mapping, index, shared) {
      if (shared) {
        yield* k.dax_page_share_get(page);
        return;
      }
      if ((yield* READ_ONCE(page.mapping)) !== null) yield* warnOfDoubleAssociation(k, page);
      yield* WRITE_ONCE<PageMapping>(page.mapping, mapping);
      yield* WRITE_ONCE(page.index, index);
    },

    /** Models one turn of the loop of `fs/dax.c:dax_disassociate_entry()` @ v6.1. */
    *dax_disassociate_page(k, page, mapping) {
      if ((yield* READ_ONCE(page.mapping)) === PAGE_MAPPING_DAX_SHARED) {
        if (yield* k.dax_page_share_put(page)) return;
      } else {
        yield* warnOfForeignMapping(k, page, mapping);
      }
      yield* WRITE_ONCE<PageMapping>(page.mapping, null);
      yield* WRITE_ONCE(page.index, 0);
    },
  },
});

export const daxPreRemove = change({
  name: "dax-pre-remove",
  subject: "mm, pmem, xfs: Introduce MF_MEM_PRE_REMOVE for unbind",
  source: "S. Ruan, merged for v6.7",
  about:
    "Before, XFS took the removal of a device for memory that went bad, and poisoned its pages; and nothing held off " +
    "stores meanwhile.",
  after: ["fsdax-reflink"],
  functions: {
    /** Ours: XFS freezes itself when its device goes. */
    sb_counts_writers: (k, sb) => sb.s_type.holder || k.below.sb_counts_writers(sb),

    /** Models the notification in `drivers/dax/super.c:kill_dax()` @ v6.12. */
    *kill_dax_notifies(k, sb) {
      const told = yield* READ_ONCE(sb.s_dax_dev.holder_ops);
      if (told) yield* k.dax_holder_notify_failure(sb, sb.s_dax_dev.pfns, "MF_MEM_PRE_REMOVE");
    },
  },
});

export const fsdaxShare = change({
  name: "fsdax-share",
  subject: "fsdax,xfs: fix warning messages (series)",
  source:
    "series of S. Ruan, merged for v6.2: page->share (commit 169004265860), the shared flag of an extent, invalidation " +
    "on CoW",
  about:
    "Before, only copies on write counted as shared, so that the second file to read a shared page found it " +
    "associated with the first; the counter was off by one; a read made an entry dirty; and write(2) did not " +
    "take away what was mapped of the block that it copied.",
  after: ["fsdax-reflink"],
  functions: {
    /** Models `dirty` of `fs/dax.c:dax_insert_entry()` @ v6.12. */
    dax_fault_dirties: (_k, vmf, iomap) => vmf.write && !((vmf.vma.vm_flags & VM_SYNC) !== 0 && iomap.dirty),

    /** Models `shared` of `fs/dax.c:dax_insert_entry()` @ v6.12: what IOMAP_F_SHARED says, on a read too. */
    dax_fault_is_shared: (_k, _vmf, iomap) => iomap.shared,

    /** Models the test of IS_DAX() in `fs/xfs/xfs_iomap.c:xfs_read_iomap_begin()` @ v6.12. */
    xfs_read_trims_shared: () => true,

    /** Models `fs/dax.c:dax_page_share_put()` @ v6.12. */
    *dax_page_share_put(_k, page) {
      const share = yield* READ_ONCE(page.index);
      yield* WRITE_ONCE(page.index, share - 1);
      return share > 1;
    },

    /** Models the test of IOMAP_F_NEW and `cow` in `fs/dax.c:dax_iomap_iter()` @ v6.12. */
    *dax_write_invalidates(k, mapping, index, fresh, shared) {
      if (!fresh && !shared) return;
      if (shared) yield* k.__dax_clear_dirty_range(mapping, index, index + 1);
      yield* k.invalidate_inode_pages2_range(mapping, index, index + 1);
    },
  },
});
