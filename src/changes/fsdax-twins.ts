// Changes that break the file-system half on purpose.
import { extentOf } from "../kernel/fs/blocks.ts";
import { entryCell } from "../kernel/fs/dax-store.ts";
import { change } from "../kernel/kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../kernel/lib/atomic.ts";

const twin = (name: string, subject: string, functions: Parameters<typeof change>[0]["functions"]) =>
  change({ name: `twin/${name}`, subject, source: "twin", functions });

export const evictDoesNotWait = twin("evict-does-not-wait", "eviction takes pages away, whoever uses them", {
  *dax_break_layout_final(k, inode) {
    yield* k.dax_delete_mapping_range(inode.i_mapping, 0, inode.i_mapping.i_pages.length - 1);
  },
});

export const entryWakeupIsNotPassedOn = twin(
  "entry-wakeup-is-not-passed-on",
  "a waiter that leaves the entry as it is wakes nobody",
  {
    *put_unlocked_entry() {},
  },
);

export const entryUnlockWakesNobody = twin(
  "entry-unlock-wakes-nobody",
  "who unlocks an entry wakes nobody who waits for it",
  {
    *dax_wake_entry() {},
  },
);

export const readsAskWhoShares = twin(
  "reads-ask-who-shares",
  "XFS tells reads, too, whether others have the blocks, as from v6.2 on",
  {
    xfs_read_trims_shared: () => true,
  },
);

export const lockFolioLooksOnce = twin(
  "lock-folio-looks-once",
  "who locks the entry of a page does not ask the page again when it holds the lock of the entries",
  {
    *dax_mapping_is_current() {
      return true;
    },
  },
);

export const entryLockIsIgnored = twin(
  "entry-lock-is-ignored",
  "who looks for an unlocked entry takes a locked one, too",
  {
    *get_unlocked_entry(_k, mapping, index) {
      return yield* READ_ONCE(entryCell(mapping, index));
    },
  },
);

export const writebackIgnoresEntryLock = twin(
  "writeback-ignores-entry-lock",
  "who writes back locks and unlocks an entry that somebody else has locked",
  {
    *dax_writeback_one(k, mapping, index, entry) {
      yield* k.below.dax_writeback_one(mapping, index, { ...entry, locked: false });
    },
  },
);

export const entryGoesWithoutItsPage = twin(
  "entry-goes-without-its-page",
  "a page still says of the file that its entry has left",
  {
    *dax_disassociate_entry() {},
  },
);

export const allocateUnseen = twin(
  "allocate-unseen",
  "ext4 gives a page a block without looking again whether it has one by now",
  {
    *ext4_map_create_blocks(k, inode, index, pages) {
      yield* WRITE_ONCE(extentOf(inode, index), null);
      return yield* k.below.ext4_map_create_blocks(inode, index, pages);
    },
  },
);

export const collapseDoesNotWriteBack = twin(
  "collapse-does-not-write-back",
  "what a collapsed range lets move leaves the page cache unwritten",
  {
    *ext4_write_back_what_moves() {},
  },
);

export const umountDoesNotSync = twin("umount-does-not-sync", "umount forgets inodes as they are", {
  *sync_filesystem() {},
});

export const freezeHoldsNobodyOff = twin(
  "freeze-holds-nobody-off",
  "who writes does not ask whether it is frozen",
  {
    *sb_start_write() {},
    *sb_end_write() {},
    *sb_start_pagefault() {},
    *sb_end_pagefault() {},
  },
);

export const writeFaultLeavesEntryClean = twin(
  "write-fault-leaves-entry-clean",
  "a write fault does not mark its entry dirty",
  {
    dax_fault_dirties: () => false,
  },
);

export const writeLeavesHoleMapped = twin(
  "write-leaves-hole-mapped",
  "write(2) into a hole leaves the page of zeroes mapped",
  {
    *dax_write_invalidates() {},
  },
);

export const unmapLeavesEntries = twin(
  "unmap-leaves-entries",
  "what is to be taken out of every page table stays there",
  {
    *unmap_mapping_pages() {},
  },
);

export const writeFaultIgnoresRemapping = twin(
  "write-fault-ignores-remapping",
  "a write fault of XFS does not wait while blocks of the file are being shared",
  {
    *xfs_fault_waits() {
      return false;
    },
  },
);

export const fsdaxTwins = [
  evictDoesNotWait,
  entryWakeupIsNotPassedOn,
  entryUnlockWakesNobody,
  readsAskWhoShares,
  lockFolioLooksOnce,
  entryLockIsIgnored,
  writebackIgnoresEntryLock,
  entryGoesWithoutItsPage,
  allocateUnseen,
  collapseDoesNotWriteBack,
  umountDoesNotSync,
  freezeHoldsNobodyOff,
  writeFaultLeavesEntryClean,
  writeLeavesHoleMapped,
  unmapLeavesEntries,
  writeFaultIgnoresRemapping,
];
