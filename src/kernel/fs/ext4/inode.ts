// ext4: blocks of a file, waiting for its pages, and punching holes. Source: fs/ext4/inode.c.
// Left out everywhere: the journal (a block is free at once), i_data_sem, partial blocks.
import { assert } from "../../../base/assert.ts";
import { hex, type Pfn } from "../../../base/brand.ts";
import { type Code, rmw, type See, type Wait } from "../../../explore/access.ts";
import { pfn_to_page } from "../../include/linux/mm.ts";
import type { Inode, Page } from "../../include/linux/mm_types.ts";
import { page_ref_count } from "../../include/linux/page_ref.ts";
import { down_write, up_write } from "../../kernel/locking/rwsem.ts";
import { schedule } from "../../kernel/sched/wait.ts";
import type { Kernel } from "../../kernel.ts";
import { READ_ONCE } from "../../lib/atomic.ts";
import { noExternalReference } from "../dax.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    ext4_iomap_begin: typeof ext4_iomap_begin;
    ext4_new_block: typeof ext4_new_block;
    ext4_free_block: typeof ext4_free_block;
    ext4_wait_dax_page: typeof ext4_wait_dax_page;
    ext4_break_layouts: typeof ext4_break_layouts;
    ext4_punch_hole: typeof ext4_punch_hole;
    truncate_pagecache_range: typeof truncate_pagecache_range;
  }
}

/**
 * The block of a page of the file; a write into a hole allocates one.
 *
 * Models `fs/ext4/inode.c:ext4_iomap_begin()` @ v6.12.
 *
 * @returns its page frame number, or null for a hole.
 */
export function* ext4_iomap_begin(k: Kernel, inode: Inode, index: number, write: boolean): Code<Pfn | null> {
  const extent = inode.i_data[index];
  assert(extent, `${inode.name} has no page ${index}`);
  const block = yield* READ_ONCE(extent);
  return block === null && write ? yield* k.ext4_new_block(inode, index) : block;
}

/**
 * Gives the file a block for one of its pages: the lowest that is free.
 *
 * Models `fs/ext4/mballoc.c:ext4_mb_new_blocks()` @ v6.12.
 */
export function* ext4_new_block(k: Kernel, inode: Inode, index: number): Code<Pfn | null> {
  const extent = inode.i_data[index];
  assert(extent, `${inode.name} has no page ${index}`);
  const { free_blocks } = inode.i_sb;
  const { name } = inode;
  const free = yield* READ_ONCE(free_blocks);
  const block = free[0];
  if (block === undefined) return null;
  const { block_owner } = pfn_to_page(k, block);
  yield* rmw([free_blocks, extent, block_owner], (blocks: readonly Pfn[]) => ({
    next: [blocks.filter((b) => b !== block), block, name],
    result: null,
  }));
  return block;
}

/**
 * Takes the block of a page of the file away. From here on another file may get it.
 *
 * Models `fs/ext4/extents.c:ext4_ext_remove_space()` @ v6.12, for one block.
 */
export function* ext4_free_block(k: Kernel, inode: Inode, index: number): Code {
  const extent = inode.i_data[index];
  assert(extent, `${inode.name} has no page ${index}`);
  const block = yield* READ_ONCE(extent);
  if (block === null) return;
  const { free_blocks } = inode.i_sb;
  const { block_owner } = pfn_to_page(k, block);
  yield* rmw(
    [free_blocks, extent, block_owner],
    (blocks: readonly Pfn[]) => ({
      next: [[...blocks, block].sort((a, b) => a - b), null, "free"],
      result: block,
    }),
    { note: { text: (freed) => `frees the block of pfn ${hex(freed as Pfn)}` } },
  );
}

/**
 * Sleeps without the lock that keeps faults out.
 *
 * Models `fs/ext4/inode.c:ext4_wait_dax_page()` @ v6.12.
 */
export function* ext4_wait_dax_page(k: Kernel, inode: Inode, wait: Wait): Code {
  const { invalidate_lock } = inode.i_mapping;
  yield* up_write(invalidate_lock);
  yield* schedule(k, wait);
  yield* down_write(k, invalidate_lock);
}

/**
 * Unmaps a file and waits until nobody uses its pages.
 *
 * Models `fs/ext4/inode.c:ext4_break_layouts()` @ v6.12.
 * Context: i_rwsem and invalidate_lock held for writing; the latter is dropped to sleep.
 */
export function* ext4_break_layouts(k: Kernel, inode: Inode): Code {
  for (;;) {
    const page = yield* k.dax_layout_busy_page(inode.i_mapping);
    if (page === null) return;
    yield* k.___wait_var_event(
      page._refcount,
      function* idle(): Code<boolean> {
        return (yield* page_ref_count(page)) === 1;
      },
      function* cmd(wait: Wait): Code {
        yield* k.ext4_wait_dax_page(inode, wait);
      },
      untilIdle(page, 1),
    );
  }
}

/** What a waiter in break-layouts waits for: a count; and why: that nobody outside uses the page. */
export const untilIdle = (page: Page, count: number): Wait => ({
  text: `_refcount == ${count} of pfn ${hex(page.pfn)}`,
  condition: (see: See) => see(page._refcount) === count,
  goal: noExternalReference(page),
});

/**
 * Takes pages of a file out of page tables and page cache.
 *
 * Models `mm/truncate.c:truncate_pagecache_range()` @ v6.12, on a DAX file.
 */
export function* truncate_pagecache_range(k: Kernel, inode: Inode, first: number, end: number): Code {
  const mapping = inode.i_mapping;
  yield* k.unmap_mapping_pages(mapping, first, end - first);
  for (let index = first; index < end; index++) yield* k.dax_delete_mapping_entry(mapping, index);
}

/**
 * Gives blocks of a file back, after nobody uses their pages any more.
 *
 * Models `fs/ext4/inode.c:ext4_punch_hole()` @ v6.12, with the locks of ext4_fallocate().
 * Left out: waiting for direct I/O on the file itself.
 *
 * @param first First page of the hole; `end` is one past the last.
 */
export function* ext4_punch_hole(k: Kernel, inode: Inode, first: number, end: number): Code {
  const { i_rwsem, i_mapping } = inode;
  yield* down_write(k, i_rwsem);
  yield* down_write(k, i_mapping.invalidate_lock);
  yield* k.ext4_break_layouts(inode);
  yield* k.truncate_pagecache_range(inode, first, end);
  for (let index = first; index < end; index++) yield* k.ext4_free_block(inode, index);
  yield* up_write(i_mapping.invalidate_lock);
  yield* up_write(i_rwsem);
}
