// What the series that normalised FS-DAX got wrong about layouts, mended after v6.15.
import { loadEntry } from "../kernel/fs/dax-entry.ts";
import { change } from "../kernel/kernel.ts";
import { waitForUnlock } from "./fsdax-layouts.ts";

export const scanLooksAgain = change({
  name: "scan-looks-at-the-entry-again",
  subject: 'fs/dax: Fix "don\'t skip locked entries when scanning entries"',
  source: "A. Popple, merged for v6.16; 6.15.4 has it, too",
  about: "Before, the scan waited for a locked entry, and then looked at the one after it.",
  after: ["scan-waits-for-locked-entries"],
  functions: {
    /**
     * Models `fs/dax.c:wait_entry_unlocked_exclusive()` @ v6.15.4, which resets the iterator where v6.15 paused it.
     * Context: xa_lock held; dropped to sleep.
     */
    *dax_scan_locked_entry(k, mapping, index) {
      for (;;) {
        const entry = yield* loadEntry(k, mapping, index);
        if (entry === null || !entry.locked) return entry;
        yield* waitForUnlock(k, mapping, index);
      }
    },
  },
});

export const fuseEvictWaits = change({
  name: "fuse-evict-waits-for-pins",
  subject: "fuse: fix runtime warning on truncate_folio_batch_exceptionals()",
  source: "commit befd9a71d859, H. Wang, merged for v6.16",
  about:
    "Before, fuse forgot an inode without breaking its layouts. Truncation found entries that should have been gone, " +
    "and warned; the pages might still be pinned.",
  after: ["evict-waits-for-pins"],
  functions: {
    /** Models `fs/fuse/inode.c:fuse_evict_inode()` @ v7.2. */
    *fuse_evict_inode(k, inode) {
      yield* k.dax_break_layout_final(inode);
      yield* k.below.fuse_evict_inode(inode);
    },
  },
});
