// get_user_pages: references and pins through a user's address, as its callers know it. Source: mm/gup.c.

import { hex } from "../../base/brand.ts";
import { requireUse } from "../../base/errors.ts";
import { type Code, rmw } from "../../explore/access.ts";
import { WARN } from "../include/asm-generic/bug.ts";
import { EINVAL } from "../include/asm-generic/errno-base.ts";
import { is_zero_page, isTail, page_folio } from "../include/linux/mm.ts";
import type { Page, PinnedAs, Word0 } from "../include/linux/mm_types.ts";
import { PG_head } from "../include/linux/page-flags.ts";
import { down_read, up_read } from "../kernel/locking/rwsem.ts";
import type { Kernel } from "../kernel.ts";
import { FOLL_FAST_ONLY, FOLL_GET, FOLL_LONGTERM, FOLL_PIN } from "./gup-flags.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    is_valid_gup_args: typeof is_valid_gup_args;
    gup_fast_fallback: typeof gup_fast_fallback;
    get_user_pages_fast: typeof get_user_pages_fast;
    get_user_pages_fast_only: typeof get_user_pages_fast_only;
    pin_user_pages_fast: typeof pin_user_pages_fast;
    pin_user_pages_fast_only: typeof pin_user_pages_fast_only;
    unpin_user_page: typeof unpin_user_page;
    unpin_user_pages: typeof unpin_user_pages;
    put_user_page: typeof put_user_page;
    user_is_done: typeof user_is_done;
  }
}

/**
 * Do a caller's flags go together with those that the function sets? It is for the function to say FOLL_PIN, and for long
 * pages are only pinned.
 *
 * Models `mm/gup.c:is_valid_gup_flags()` @ v5.10, and the checks of pin_user_pages_fast().
 * Simplified: the `_only` variants ask the same, as from v6.3 on.
 */
export const is_valid_gup_args = (_k: Kernel, flags: number, to_set: number): boolean =>
  (flags & (to_set & FOLL_PIN ? FOLL_GET : FOLL_PIN | FOLL_LONGTERM)) === 0;

/**
 * Takes pages of the current process: first without locks, and what that does not give under
 * mmap_lock, with faults.
 *
 * Models `mm/gup.c:gup_fast_fallback()` @ v6.12; v5.18 has it as internal_get_user_pages_fast().
 * Left out: MMF_HAS_PINNED, for which fork() would ask; signals; FOLL_TOUCH, with which pages that are taken under mmap_lock
 * are marked as used.
 *
 * @returns the pages, which may be fewer than asked for with FOLL_FAST_ONLY, or a negative error.
 */
export function* gup_fast_fallback(
  k: Kernel,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[] | number> {
  const { mm } = k.current;
  requireUse(
    mm !== null,
    `${k.current.name} pins pages and runs in no process: set mm of the thread, or k.current.mm in setup`,
  );
  const pages = yield* k.gup_fast(mm, start, nr_pages, flags);
  if (pages.length === nr_pages || flags & FOLL_FAST_ONLY) return pages;

  yield* down_read(k, mm.mmap_lock);
  const rest = yield* k.__gup_longterm_locked(mm, start + pages.length, nr_pages - pages.length, flags);
  yield* up_read(k, mm.mmap_lock);
  if (typeof rest === "number") return pages.length > 0 ? pages : rest;
  return [...pages, ...rest];
}

/** Ghost state: the caller holds references to these pages from here on. */
function* noteGets(k: Kernel, pages: readonly Page[]): Code {
  const { name } = k.current;
  for (const page of pages) {
    if (is_zero_page(k, page)) continue;
    yield* rmw([page.heldGets], (held: readonly string[]) => ({ next: [[...held, name]], result: null }), {
      note: { text: () => `holds pfn 0x${page.pfn.toString(16)}` },
    });
  }
}

/**
 * Ghost state: the caller holds pins of these pages from here on. How they were counted is what the pages are part of
 * now: as long as they are pinned, that must not change.
 */
function* notePins(k: Kernel, pages: readonly Page[], flags: number): Code {
  const { name } = k.current;
  const long = flags & FOLL_LONGTERM ? 1 : 0;
  for (const page of pages) {
    if (is_zero_page(k, page)) continue;
    yield* rmw(
      [page.heldPins, page.longtermPins, page.pinnedAs, page.pgmap, page.flags],
      (held: readonly string[], pins: number, as: readonly PinnedAs[], word0: Word0, bits: number) => {
        const head = isTail(word0) ? word0.head : page.pfn;
        const apart = isTail(word0) || (bits & PG_head) !== 0;
        return { next: [[...held, name], pins + long, [...as, { head, apart }], word0, bits], result: null };
      },
      { note: { text: () => `holds pfn 0x${page.pfn.toString(16)}` } },
    );
  }
}

/** Which of those who hold a page lets go of it: the caller, or another whose hold he gives back. */
const holderAt = (held: readonly string[], name: string): number => Math.max(0, held.indexOf(name));

const without = <T>(list: readonly T[], at: number): T[] => list.filter((_, i) => i !== at);

/** Ghost state: the caller uses the page no longer, or hands back what another task took. */
function* noteUnpinned(k: Kernel, page: Page): Code {
  const { name } = k.current;
  const pinned = yield* rmw(
    [page.heldPins, page.pinnedAs],
    (held: readonly string[], as: readonly PinnedAs[]) => {
      const at = holderAt(held, name);
      return { next: [without(held, at), without(as, at)], result: held.length > 0 };
    },
    { note: { text: () => "" } },
  );
  requireUse(
    pinned,
    `${name} unpins pfn ${hex(page.pfn)}, which nobody has pinned; put_user_page() drops what get_user_pages_fast() took`,
  );
}

/** What both kinds of GUP do first: `to_set` is theirs to say. */
function* get(
  k: Kernel,
  start: number,
  nr_pages: number,
  flags: number,
  to_set: number,
): Code<readonly Page[] | number> {
  if (k.is_valid_gup_args(flags, to_set)) return yield* k.gup_fast_fallback(start, nr_pages, flags | to_set);
  yield* WARN(k, "gup-flags-go-together", `${k.current.name} calls GUP with flags that do not go together`);
  return -EINVAL;
}

/**
 * Takes references to pages of the current process.
 *
 * Models `mm/gup.c:get_user_pages_fast()` @ v6.12. Each is dropped with put_page().
 */
export function* get_user_pages_fast(
  k: Kernel,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[] | number> {
  const pages = yield* get(k, start, nr_pages, flags, FOLL_GET);
  if (typeof pages !== "number") yield* noteGets(k, pages);
  return pages;
}

/**
 * Takes references to pages of the current process, if that needs no lock; else fewer, or none.
 *
 * Models `mm/gup.c:get_user_pages_fast_only()` @ v6.12.
 */
export function* get_user_pages_fast_only(
  k: Kernel,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[]> {
  const pages = yield* get(k, start, nr_pages, flags, FOLL_GET | FOLL_FAST_ONLY);
  if (typeof pages === "number") return [];
  yield* noteGets(k, pages);
  return pages;
}

/**
 * Pins pages of the current process, for DMA or the like.
 *
 * Models `mm/gup.c:pin_user_pages_fast()` @ v6.12. Each is given back with unpin_user_page().
 */
export function* pin_user_pages_fast(
  k: Kernel,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[] | number> {
  const pages = yield* get(k, start, nr_pages, flags, FOLL_PIN);
  if (typeof pages !== "number") yield* notePins(k, pages, flags);
  return pages;
}

/**
 * Pins pages of the current process, if that needs no lock; else fewer, or none.
 *
 * Models `mm/gup.c:pin_user_pages_fast_only()` @ v5.18.
 */
export function* pin_user_pages_fast_only(
  k: Kernel,
  start: number,
  nr_pages: number,
  flags: number,
): Code<readonly Page[]> {
  const pages = yield* get(k, start, nr_pages, flags, FOLL_PIN | FOLL_FAST_ONLY);
  if (typeof pages === "number") return [];
  yield* notePins(k, pages, flags);
  return pages;
}

/**
 * Gives back a pin. The caller's use of the page ends where this begins.
 *
 * Models `mm/gup.c:unpin_user_page()` @ v6.12.
 */
export function* unpin_user_page(k: Kernel, page: Page): Code {
  if (is_zero_page(k, page)) return;
  yield* noteUnpinned(k, page);
  const folio = yield* page_folio(k, page);
  yield* k.gup_put_folio(folio, 1, FOLL_PIN);
}

/**
 * Drops a reference that get_user_pages took. The caller's use of the page ends where this begins.
 *
 * Ours: what callers of get_user_pages() do with put_page().
 */
export function* put_user_page(k: Kernel, page: Page): Code {
  yield* k.user_is_done(page);
  yield* k.put_page(page);
}

/** Ghost state: the caller uses the page that it got no longer, however it drops the reference next. */
export function* user_is_done(k: Kernel, page: Page): Code {
  if (is_zero_page(k, page)) return;
  const { name } = k.current;
  const got = yield* rmw(
    [page.heldGets],
    (held: readonly string[]) => ({ next: [without(held, holderAt(held, name))], result: held.length > 0 }),
    { note: { text: () => "" } },
  );
  requireUse(
    got,
    `${name} drops a reference to pfn ${hex(page.pfn)}, of which nobody has one from get_user_pages_fast(); ` +
      "unpin_user_page() gives back a pin",
  );
}

/** Models `mm/gup.c:unpin_user_pages()` @ v6.12, without its batching by folio. */
export function* unpin_user_pages(k: Kernel, pages: readonly Page[]): Code {
  for (const page of pages) yield* k.unpin_user_page(page);
}
