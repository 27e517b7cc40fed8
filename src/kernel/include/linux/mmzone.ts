// Following the pgmap of a page, which lies in word 0. Source: include/linux/mmzone.h.
import type { Code, GhostUpdate } from "../../../explore/access.ts";
import type { Kernel } from "../../kernel.ts";
import { READ_ONCE } from "../../lib/atomic.ts";
import type { DevPagemap } from "./memremap.ts";
import { isTail, page_folio } from "./mm.ts";
import type { Page, Word0 } from "./mm_types.ts";

/** Ghost state: that who reads word 0 of this page takes it for a pgmap, and finds none. */
const noteMisread = (k: Kernel, page: Page): GhostUpdate => {
  const who = `${k.current.name} follows the pgmap of pfn 0x${page.pfn.toString(16)}`;
  return {
    cell: page.misread,
    update: (earlier, word0) => {
      const found = word0 as Word0;
      if (earlier !== null || (found !== null && !isTail(found))) return earlier;
      return found === null
        ? `${who}, which is 0`
        : `${who}, which is the link of a tail to pfn 0x${found.head.toString(16)}`;
    },
  };
};

/**
 * The pgmap in word 0 of a page of device memory, as whoever follows it finds it. I8 is about this step.
 *
 * Ours: `page->pgmap` where v6.12 spells it, and `folio->pgmap` where v7.2 does.
 * Left out: what the kernel does where it finds none. A link of a tail, it follows into the struct pages of the folio,
 * and what it reads there is no type; at 0, it stops with an oops. Here it goes on in both cases.
 *
 * @returns null if it is none: 0, the link of a tail, or ordinary memory.
 */
export function* followPgmap(k: Kernel, page: Page): Code<DevPagemap | null> {
  const word0 = yield* READ_ONCE(page.pgmap, page.zone === "ZONE_DEVICE" ? [noteMisread(k, page)] : []);
  return isTail(word0) ? null : word0;
}

/** Models `include/linux/mmzone.h:page_pgmap()` @ v6.15: the pgmap of the head of a page. */
export function* page_pgmap(k: Kernel, page: Page): Code<DevPagemap | null> {
  const folio = yield* page_folio(k, page);
  return yield* followPgmap(k, folio.page);
}
