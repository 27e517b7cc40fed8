// What must come to an end, each promise by name, so that a scenario says which it asks for. Each is about calls that
// return, sooner or later; who waits or goes round for ever within one breaks the promise of the innermost. The
// letters and digits are those of docs/invariants.md.
import type { Liveness } from "../explore/liveness.ts";

/** L1: who waits until nobody uses the pages of a file goes on once nobody does. */
export const layoutBreakReturns: Liveness = {
  name: "layout-break-returns",
  functions: [
    "ext4_break_layouts",
    "xfs_break_layouts",
    "xfs_mmaplock_two_inodes_and_break_dax_layout",
    "fuse_dax_break_layouts",
    "dax_break_layout",
  ],
};

/** L2: who waits for the lock of a DAX entry gets it, or finds that the entry has gone. */
export const entryWaiterIsServed: Liveness = {
  name: "entry-waiter-is-served",
  functions: ["get_unlocked_entry", "grab_mapping_entry", "wait_entry_unlocked", "dax_scan_locked_entry"],
};

/** L4: a load or store of a program comes to an end, whatever faults it takes and whoever takes them at the same time. */
export const accessReturns: Liveness = {
  name: "access-returns",
  functions: ["touch", "store"],
};

/**
 * L5: GUP of a page that stays mapped comes to an end. That it is not refused either is what
 * `mapped-page-is-referenced` says: GUP takes no reference where there is none.
 */
export const gupReturns: Liveness = {
  name: "gup-returns",
  functions: ["gup_fast_fallback"],
};

/** L6: eviction of an inode goes on once nobody has a page of it pinned, so that umount does not hang. */
export const evictReturns: Liveness = {
  name: "evict-returns",
  functions: ["dax_break_layout_final"],
};

/** L7: to give a page back takes a bounded number of steps, and no lock that who waits for the page may hold. */
export const unpinReturns: Liveness = {
  name: "unpin-returns",
  functions: ["unpin_user_page", "put_user_page"],
};

/** All of them. */
export const kernelLiveness: readonly Liveness[] = [
  layoutBreakReturns,
  entryWaiterIsServed,
  accessReturns,
  gupReturns,
  evictReturns,
  unpinReturns,
];
