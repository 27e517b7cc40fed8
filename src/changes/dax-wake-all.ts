// The removal of a DAX entry, and who of those that wait for its lock is woken.
import { change } from "../kernel/kernel.ts";

export const daxWakeAll = change({
  name: "dax-wake-all",
  subject: "dax: Wake up all waiters after invalidating dax entry",
  source: "commit 237388320def, V. Goyal, v5.13; stable 5.10 has it, too",
  about:
    "Before, who removed an entry woke one of those that waited for it. If that one found nothing and wanted nothing, " +
    "it woke nobody else.",
  functions: {
    /** Models the mode of put_unlocked_entry() in `fs/dax.c:__dax_invalidate_entry()` @ v6.1. */
    dax_invalidation_wakes: () => "WAKE_ALL",
  },
});
