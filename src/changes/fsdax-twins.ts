// Changes that break the file-system half on purpose.
import { change } from "../kernel/kernel.ts";

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

export const lockFolioLooksOnce = twin(
  "lock-folio-looks-once",
  "who locks the entry of a page does not ask the page again when it holds the lock of the entries",
  {
    *dax_mapping_is_current() {
      return true;
    },
  },
);

export const fsdaxTwins = [evictDoesNotWait, entryWakeupIsNotPassedOn, lockFolioLooksOnce];
