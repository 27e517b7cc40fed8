// Remedies for the wait that does not end: break-layouts of v7.2 waits for a count of 0, and a mapping that
// came back while it slept keeps 1. None has been posted; they are candidates of ours.

import { hex } from "../base/brand.ts";
import type { Code, See, Wait } from "../explore/access.ts";
import { noExternalReference, whoHolds } from "../kernel/fs/dax-layout.ts";
import { page_folio } from "../kernel/include/linux/mm.ts";
import type { Folio, Page } from "../kernel/include/linux/mm_types.ts";
import { folio_ref_count, folio_ref_sub_return } from "../kernel/include/linux/page_ref.ts";
import { finish_wait, prepare_to_wait, schedule } from "../kernel/kernel/sched/wait.ts";
import { change, type Kernel } from "../kernel/kernel.ts";

/** A put of a device folio that wakes who waits for it, whatever count it leaves. */
function* putAndWake(k: Kernel, folio: Folio, refs: number): Code {
  if ((yield* folio_ref_sub_return(folio, refs)) === 0) yield* k.__folio_put(folio);
  else yield* k.wake_up_var(folio.page);
}

const everyPutWakes = {
  *folio_put(k: Kernel, folio: Folio): Code {
    yield* putAndWake(k, folio, 1);
  },
  *folio_put_refs(k: Kernel, folio: Folio, refs: number): Code {
    yield* putAndWake(k, folio, refs);
  },
  *release_pages(k: Kernel, pages: readonly Page[]): Code {
    for (const page of pages) {
      const folio = yield* page_folio(k, page);
      yield* putAndWake(k, folio, 1);
    }
  },
};

export const wakeOnEveryPut = change({
  name: "stuck-wait/wake-on-every-put",
  subject: "every put of an FS-DAX folio wakes who waits for it, and the wait stays one for 0",
  source: "a candidate of ours",
  about: "Is it enough to tell the waiter of the unpin? It looks at the count, and sleeps again.",
  onto: ["v6.15", "v7.2"],
  functions: everyPutWakes,
});

export const waitForNoExternalReference = change({
  name: "stuck-wait/no-external-reference",
  subject: "break-layouts waits until no reference is left that no mapping holds, and every put wakes",
  source: "a candidate of ours",
  about: "The wait is for what the scan looks for: a count that is the mapcount.",
  onto: ["v6.15", "v7.2"],
  functions: {
    ...everyPutWakes,
    *wait_page_idle(k, page, inode, cb) {
      const { folio } = page;
      const wait: Wait = {
        text: `_refcount == _mapcount of pfn ${hex(page.pfn)}`,
        condition: (see: See) => see(page._refcount) === see(page._mapcount) + 1,
        goal: noExternalReference(page),
        obstacle: whoHolds(k, page),
      };
      yield* k.___wait_var_event(
        k.page_idle_key(page),
        function* idle(): Code<boolean> {
          const count = yield* folio_ref_count(folio);
          const mapped = yield* k.folio_mapcount(folio);
          return count === mapped;
        },
        function* cmd(w: Wait): Code {
          if (cb === "schedule") yield* schedule(k, w);
          else yield* k[cb](inode, w);
        },
        wait,
      );
    },
  },
});

export const rescanAfterEachWake = change({
  name: "stuck-wait/rescan-after-each-wake",
  subject: "break-layouts unmaps and scans again whenever it is woken, and every put wakes",
  source: "a candidate of ours",
  about:
    "The wait is for a put; what it has left is found by the scan, after the file is unmapped once more.",
  onto: ["v6.15", "v7.2"],
  functions: {
    ...everyPutWakes,
    *wait_page_idle(k, page, inode, cb) {
      const table = k.world.bit_wait_table;
      const wait: Wait = {
        text: `a put of pfn ${hex(page.pfn)}`,
        condition: (see: See) => see(page._refcount) === see(page._mapcount) + 1,
        goal: noExternalReference(page),
        obstacle: whoHolds(k, page),
      };
      yield* prepare_to_wait(k, table, k.page_idle_key(page), false);
      const count = yield* folio_ref_count(page.folio);
      const mapped = yield* k.folio_mapcount(page.folio);
      if (count !== mapped) {
        if (cb === "schedule") yield* schedule(k, wait);
        else yield* k[cb](inode, wait);
      }
      yield* finish_wait(k, table);
    },
  },
});

export const stuckWaitRemedies = [wakeOnEveryPut, waitForNoExternalReference, rescanAfterEachWake];
