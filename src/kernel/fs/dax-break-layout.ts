// How a file is unmapped and waited for, as all file systems do it from v6.15 on. Source: fs/dax.c.
import type { Code, Wait } from "../../explore/access.ts";
import { NO_MARKS } from "../include/linux/dax.ts";
import type { AddressSpace, Inode } from "../include/linux/fs.ts";
import type { Page } from "../include/linux/mm_types.ts";
import { page_ref_count } from "../include/linux/page_ref.ts";
import { spin_lock, spin_unlock } from "../kernel/locking/spinlock.ts";
import { schedule } from "../kernel/sched/wait.ts";
import type { Kernel } from "../kernel.ts";
import { marksCell, nextEntry, placeOf } from "./dax-entry.ts";
import { storeEntries } from "./dax-store.ts";
import { untilIdle } from "./ext4/inode.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    dax_break_layout: typeof dax_break_layout;
    dax_break_layout_final: typeof dax_break_layout_final;
    dax_delete_mapping_range: typeof dax_delete_mapping_range;
    wait_page_idle: typeof wait_page_idle;
    dax_layout_is_broken: typeof dax_layout_is_broken;
  }
}

/** The functions of the file systems that sleep without the lock that keeps faults out. */
export type WaitFunction = "ext4_wait_dax_page" | "xfs_wait_dax_page" | "fuse_wait_dax_page";

/**
 * Waits for a page; `cb` drops the lock that keeps faults out while it sleeps. From v6.15 on.
 *
 * Models `fs/dax.c:wait_page_idle()` @ v6.15, and wait_page_idle_uninterruptible() with `schedule`.
 */
export function* wait_page_idle(k: Kernel, page: Page, inode: Inode, cb: WaitFunction | "schedule"): Code {
  const count = k.fsdax_idle_count();
  yield* k.___wait_var_event(
    k.page_idle_key(page),
    function* idle(): Code<boolean> {
      return (yield* page_ref_count(page)) === count;
    },
    function* cmd(wait: Wait): Code {
      if (cb === "schedule") yield* schedule(k, wait);
      else yield* k[cb](inode, wait);
    },
    untilIdle(k, page, count),
  );
}

/**
 * Unmaps a part of a file, and waits until nobody uses its pages. What it looks for is a reference that no
 * mapping holds; what it waits for is a count. From v6.15 on.
 *
 * Models `fs/dax.c:dax_break_layout()` @ v6.15.
 * Left out: signals.
 *
 * @param start First page; `end` is the last one.
 * @param cb    How to sleep; null if the caller may not.
 * @returns false if it would have had to sleep and may not; the kernel says -ERESTARTSYS.
 */
export function* dax_break_layout(
  k: Kernel,
  inode: Inode,
  start: number,
  end: number,
  cb: WaitFunction | null,
): Code<boolean> {
  for (;;) {
    const page = yield* k.dax_layout_busy_page_range(inode.i_mapping, start, end);
    if (page === null) break;
    if (cb === null) return false;
    yield* k.wait_page_idle(page, inode, cb);
  }
  yield* k.dax_layout_is_broken(inode.i_mapping, start, end);
  return true;
}

/** The layout of a part of a file is broken. Ours: what the patch after that of dax_break_layout() puts at its end. */
export function* dax_layout_is_broken(
  _k: Kernel,
  _mapping: AddressSpace,
  _start: number,
  _end: number,
): Code {}

/** The last page of a file, where the kernel passes LLONG_MAX. */
export const lastPage = (inode: Inode): number => inode.i_mapping.i_pages.length - 1;

/**
 * Takes the pages of a range away from the file, whether their entries are dirty or not. From v6.15 on.
 *
 * Models `fs/dax.c:dax_delete_mapping_range()` @ v6.15.
 * Context: invalidate_lock held for writing, or nobody has the file.
 *
 * @param start First page; `end` is the last one.
 */
export function* dax_delete_mapping_range(
  k: Kernel,
  mapping: AddressSpace,
  start: number,
  end: number,
): Code {
  const { xa_lock } = mapping;
  yield* spin_lock(k, xa_lock);
  for (let index = start; index <= end; index++) {
    let entry = yield* nextEntry(k, mapping, index, start);
    if (entry?.locked) entry = yield* k.dax_scan_locked_entry(mapping, index);
    if (entry === null) continue;
    yield* k.dax_disassociate_entry(entry, mapping, true);
    const first = placeOf(k, index, entry);
    yield* storeEntries(k, mapping, [first], [marksCell(mapping, first)], () => ({
      next: [null, NO_MARKS],
      result: null,
    }));
    yield* k.put_unlocked_entry(mapping, index, entry, "WAKE_ALL");
  }
  yield* spin_unlock(xa_lock);
}

/**
 * Waits until nobody uses a page of a file that is about to be forgotten, and takes its pages away. No
 * signal ends the wait. From v6.15 on.
 *
 * Models `fs/dax.c:dax_break_layout_final()` @ v6.15.
 */
export function* dax_break_layout_final(k: Kernel, inode: Inode): Code {
  const last = lastPage(inode);
  for (;;) {
    const page = yield* k.dax_layout_busy_page_range(inode.i_mapping, 0, last);
    if (page === null) break;
    yield* k.wait_page_idle(page, inode, "schedule");
  }
  yield* k.dax_delete_mapping_range(inode.i_mapping, 0, last);
}
