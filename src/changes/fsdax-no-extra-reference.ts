// The proposal of October 2021: drop the base reference of FS-DAX pages, and leave mappings as they are.
import type { Code, Wait } from "../explore/access.ts";
import { pagesOf } from "../kernel/fs/dax-entry.ts";
import { untilIdle } from "../kernel/fs/ext4/inode.ts";
import type { DaxEntry } from "../kernel/include/linux/dax.ts";
import { page_ref_count } from "../kernel/include/linux/page_ref.ts";
import { change } from "../kernel/kernel.ts";

export const noExtraReference = change({
  name: "fsdax-no-extra-reference",
  subject: "mm: remove extra ZONE_DEVICE struct page refcount (v1 2/2)",
  source: "Message-ID: <20211014153928.16805-3-alex.sierra@amd.com>; not merged in this form",
  about:
    "An idle page has no reference, the last put frees and wakes, and break-layouts waits for 0. But an entry of a " +
    "page table still holds no reference, so pages with a count of 0 are mapped.",
  onto: ["v5.18"],
  functions: {
    fsdax_idle_count: () => 0,
    /** As the patch: no put asks for one-based pages. */
    *put_devmap_managed_folio_refs() {
      return false;
    },
    /** As the patch: the last put of an FS-DAX page wakes who waits for it. */
    *free_zone_device_folio(k, folio) {
      yield* k.wake_up_var(folio._refcount);
    },
    /** As the patch: any reference makes a page busy. */
    *dax_busy_page(k, entry: DaxEntry) {
      for (const page of pagesOf(k, entry)) {
        if ((yield* page_ref_count(page)) > 0) return page;
      }
      return null;
    },
    /** As the patch: ext4 waits for 0. */
    *ext4_break_layouts(k, inode) {
      for (;;) {
        const page = yield* k.dax_layout_busy_page(inode.i_mapping);
        if (page === null) return;
        yield* k.___wait_var_event(
          page._refcount,
          function* idle(): Code<boolean> {
            return (yield* page_ref_count(page)) === 0;
          },
          function* cmd(wait: Wait): Code {
            yield* k.ext4_wait_dax_page(inode, wait);
          },
          untilIdle(k, page, 0),
        );
      }
    },
  },
});
