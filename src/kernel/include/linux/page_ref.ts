// The reference count: the only way to it. Source: include/linux/page_ref.h.
import type { Code } from "../../../explore/access.ts";
import {
  atomic_add,
  atomic_add_unless,
  atomic_read,
  atomic_sub_and_test,
  atomic_sub_return,
} from "../../lib/atomic.ts";
import type { Folio, Page } from "./mm_types.ts";

/** Models `include/linux/page_ref.h:folio_ref_count()` @ v6.12. */
export function* folio_ref_count(folio: Folio): Code<number> {
  return yield* atomic_read(folio._refcount);
}

/** Models `include/linux/page_ref.h:page_ref_count()` @ v6.12. */
export function* page_ref_count(page: Page): Code<number> {
  return yield* atomic_read(page._refcount);
}

/** Models `include/linux/page_ref.h:folio_ref_add()` @ v6.12. */
export function* folio_ref_add(folio: Folio, nr: number): Code {
  yield* atomic_add(folio._refcount, nr);
}

/** Models `include/linux/page_ref.h:folio_ref_inc()` @ v6.12. */
export function* folio_ref_inc(folio: Folio): Code {
  yield* atomic_add(folio._refcount, 1);
}

/** Models `include/linux/page_ref.h:folio_ref_sub()` @ v6.12. */
export function* folio_ref_sub(folio: Folio, nr: number): Code {
  yield* atomic_add(folio._refcount, -nr);
}

/** Models `include/linux/page_ref.h:folio_ref_sub_return()` @ v6.12. */
export function* folio_ref_sub_return(folio: Folio, nr: number): Code<number> {
  return yield* atomic_sub_return(folio._refcount, nr);
}

/** Models `include/linux/page_ref.h:folio_ref_sub_and_test()` @ v6.12. */
export function* folio_ref_sub_and_test(folio: Folio, nr: number): Code<boolean> {
  return yield* atomic_sub_and_test(folio._refcount, nr);
}

/** Models `include/linux/mm.h:folio_put_testzero()` @ v6.12. */
export function* folio_put_testzero(folio: Folio): Code<boolean> {
  return yield* atomic_sub_and_test(folio._refcount, 1);
}

/**
 * Takes references, unless there is none: then the folio is frozen, or free.
 *
 * Models `include/linux/page_ref.h:folio_ref_try_add()` @ v6.12.
 */
export function* folio_ref_try_add(folio: Folio, nr: number): Code<boolean> {
  return yield* atomic_add_unless(folio._refcount, nr, 0);
}
