// DAX: which file a page belongs to, as the page itself knows it. Source: fs/dax.c.
import type { Code, GhostUpdate } from "../../explore/access.ts";
import { WARN } from "../include/asm-generic/bug.ts";
import type { DaxEntry } from "../include/linux/dax.ts";
import type { AddressSpace } from "../include/linux/fs.ts";
import { isMapping } from "../include/linux/mm.ts";
import type { Folio, Page, PageMapping } from "../include/linux/mm_types.ts";
import { page_ref_count } from "../include/linux/page_ref.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../lib/atomic.ts";
import { pagesOf } from "./dax-entry.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    dax_associate_entry: typeof dax_associate_entry;
    dax_disassociate_entry: typeof dax_disassociate_entry;
    dax_associate_page: typeof dax_associate_page;
    dax_disassociate_page: typeof dax_disassociate_page;
  }
}

/** Ghost state: no file has the folio from this step on, in which its mapping is cleared. */
export const noteTakenAway = (k: Kernel, folio: Folio): GhostUpdate => {
  const { name } = k.current;
  return { cell: folio.page.takenAwayBy, update: () => name };
};

/** Ghost state: a file has the folio from this step on. */
export const noteGiven = (folio: Folio): GhostUpdate => ({
  cell: folio.page.takenAwayBy,
  update: () => null,
});

/**
 * Says in each page which file and which page of it the entry stands for.
 *
 * Models `fs/dax.c:dax_associate_entry()` @ v5.18, with its loop over the pages.
 * Context: entry locked, xa_lock held.
 *
 * @param index First page of the file that the entry stands for.
 */
export function* dax_associate_entry(
  k: Kernel,
  entry: DaxEntry,
  mapping: AddressSpace,
  index: number,
  shared: boolean,
): Code {
  const pages = pagesOf(k, entry);
  for (let i = 0; i < pages.length; i++) {
    const page = pages[i];
    if (page !== undefined) yield* k.dax_associate_page(page, mapping, index + i, shared);
  }
}

/**
 * Says in a page which file and which page of it the entry stands for.
 *
 * Models one turn of the loop of `fs/dax.c:dax_associate_entry()` @ v5.18: a block of a DAX file is never shared.
 */
export function* dax_associate_page(
  k: Kernel,
  page: Page,
  mapping: AddressSpace,
  index: number,
  _shared: boolean,
): Code {
  if ((yield* READ_ONCE(page.mapping)) !== null) yield* warnOfDoubleAssociation(k, page);
  yield* WRITE_ONCE<PageMapping>(page.mapping, mapping);
  yield* WRITE_ONCE(page.index, index);
}

/** WARN_ON_ONCE(page->mapping) of dax_associate_entry(). */
export function* warnOfDoubleAssociation(k: Kernel, page: Page): Code {
  yield* WARN(
    k,
    "no-double-association",
    `pfn 0x${page.pfn.toString(16)} is given to a file, but has a mapping`,
  );
}

/**
 * Takes the pages of an entry away from their file.
 *
 * Models `fs/dax.c:dax_disassociate_entry()` @ v5.18, with its loop over the pages.
 * Left out: that it warns of a page that is truncated while GUP without locks has a reference for a moment.
 * Context: entry locked, or unlocked and xa_lock held.
 */
export function* dax_disassociate_entry(
  k: Kernel,
  entry: DaxEntry,
  mapping: AddressSpace,
  trunc: boolean,
): Code {
  for (const page of pagesOf(k, entry)) {
    if (trunc) yield* warnOfReference(k, page);
    yield* k.dax_disassociate_page(page, mapping);
  }
}

/**
 * WARN_ON_ONCE(trunc && page_ref_count(page) > 1) of dax_disassociate_entry().
 *
 * Simplified: it warns only while somebody holds the page. The kernel also warns of the reference that a GUP without
 * locks has for a moment, until it sees that the entry is gone, which harms nobody.
 */
function* warnOfReference(k: Kernel, page: Page): Code {
  const count = yield* page_ref_count(page);
  if (count <= 1) return;
  const pins = yield* READ_ONCE(page.heldPins);
  const gets = yield* READ_ONCE(page.heldGets);
  if (pins.length + gets.length === 0) return;
  yield* WARN(
    k,
    "no-truncation-of-referenced-page",
    `pfn 0x${page.pfn.toString(16)} is truncated with a count of ${count}`,
  );
}

/** Takes a page away from its file. Models one turn of the loop of `fs/dax.c:dax_disassociate_entry()` @ v5.18. */
export function* dax_disassociate_page(k: Kernel, page: Page, mapping: AddressSpace): Code {
  yield* warnOfForeignMapping(k, page, mapping);
  yield* WRITE_ONCE<PageMapping>(page.mapping, null);
  yield* WRITE_ONCE(page.index, 0);
}

/** WARN_ON_ONCE(page->mapping && page->mapping != mapping) of dax_disassociate_entry(). */
export function* warnOfForeignMapping(k: Kernel, page: Page, mapping: AddressSpace): Code<PageMapping> {
  const of = yield* READ_ONCE(page.mapping);
  if (of !== null && of !== mapping) {
    const whose = isMapping(of) ? of.host.name : "several files";
    yield* WARN(
      k,
      "no-disassociation-by-another-file",
      `${mapping.host.name} gives up pfn 0x${page.pfn.toString(16)}, which is associated with ${whose}`,
    );
  }
  return of;
}
