// Changes that break something on purpose. A checker that has never been seen to fail has not been
// tested: each scenario says which of these it catches, and where one survives and why.

import { pfn as toPfn } from "../base/brand.ts";
import type { Code, Wait } from "../explore/access.ts";
import type { DaxEntry } from "../kernel/include/linux/dax.ts";
import { pfn_to_page } from "../kernel/include/linux/mm.ts";
import { folio_ref_sub_return, page_ref_count } from "../kernel/include/linux/page_ref.ts";
import { down_write, up_write } from "../kernel/kernel/locking/rwsem.ts";
import { finish_wait, prepare_to_wait, schedule } from "../kernel/kernel/sched/wait.ts";
import { change } from "../kernel/kernel.ts";

const twin = (name: string, subject: string, functions: Parameters<typeof change>[0]["functions"]) =>
  change({ name: `twin/${name}`, subject, source: "twin", functions });

export const skipPteRecheck = twin(
  "skip-pte-recheck",
  "GUP without locks does not look at the page-table entry a second time",
  {
    *gup_pte_unchanged() {
      return true;
    },
  },
);

export const scanBeforeUnmap = twin(
  "scan-before-unmap",
  "break-layouts looks at the counts before it unmaps the file",
  {
    *dax_layout_busy_page_range(k, mapping, start, end) {
      if (!(yield* k.dax_mapping_may_be_busy(mapping))) return null;
      const page = yield* k.dax_scan_busy_page(mapping, start, end);
      yield* k.unmap_mapping_pages(mapping, start, end - start + 1);
      return page;
    },
  },
);

export const hookTestsZero = twin(
  "hook-tests-zero",
  "the put hook of one-based pages wakes waiters at 0 instead of 1",
  {
    *__put_devmap_managed_folio_refs(k, folio, refs) {
      if ((yield* folio_ref_sub_return(folio, refs)) === 0) yield* k.wake_up_var(folio._refcount);
      return true;
    },
  },
);

export const freeDoesNotWake = twin(
  "free-does-not-wake",
  "the last put of a normalised FS-DAX folio wakes nobody",
  {
    *free_zone_device_folio() {},
  },
);

export const pollInsteadOfSleep = twin(
  "poll-instead-of-sleep",
  "break-layouts looks again and again, and lets others have the lock in between, but does not sleep",
  {
    *ext4_wait_dax_page(k, inode, _wait) {
      const { invalidate_lock } = inode.i_mapping;
      yield* up_write(invalidate_lock);
      yield* down_write(k, invalidate_lock);
    },
  },
);

export const checkBeforeEnqueue = twin(
  "check-before-enqueue",
  "wait_var_event() looks at its condition before it joins the wait queue",
  {
    *___wait_var_event(k, key, condition: () => Code<boolean>, cmd: (wait: Wait) => Code, wait: Wait) {
      const table = k.world.bit_wait_table;
      while (!(yield* condition())) {
        yield* prepare_to_wait(k, table, key, false);
        yield* cmd(wait);
      }
      yield* finish_wait(k, table);
    },
  },
);

export const sleepWithInvalidateLock = twin(
  "sleep-with-invalidate-lock",
  "ext4 keeps invalidate_lock while it waits for a page",
  {
    *ext4_wait_dax_page(k, _inode, wait) {
      yield* schedule(k, wait);
    },
  },
);

export const busyCountsMappings = twin(
  "busy-counts-mappings",
  "the insertion of a normalised FS-DAX page is not counted as a mapping",
  {
    *folio_add_file_rmap_pte() {},
    *folio_remove_rmap_pte() {},
  },
);

export const busyIgnoresPins = twin("busy-ignores-pins", "break-layouts takes a pinned page for idle", {
  *dax_busy_page(k, entry: DaxEntry) {
    if (entry.kind !== "normal") return null;
    const page = pfn_to_page(k, toPfn(entry.pfn));
    const count = yield* page_ref_count(page);
    return count > 1 && count < 1024 ? page : null;
  },
});

export const twins = [
  skipPteRecheck,
  scanBeforeUnmap,
  hookTestsZero,
  freeDoesNotWake,
  checkBeforeEnqueue,
  pollInsteadOfSleep,
  sleepWithInvalidateLock,
  busyCountsMappings,
  busyIgnoresPins,
];
