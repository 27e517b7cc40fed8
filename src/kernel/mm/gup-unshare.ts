// Before a page is pinned for reading: must the process get a page of its own first? Source: mm/internal.h, which older
// kernels have in include/linux/mm.h.
import type { Code } from "../../explore/access.ts";
import { folio_test_anon, page_folio } from "../include/linux/mm.ts";
import { type Page, VM_SHARED, type VmArea } from "../include/linux/mm_types.ts";
import { PG_anon_exclusive } from "../include/linux/page-flags.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE } from "../lib/atomic.ts";
import { FOLL_LONGTERM, FOLL_PIN, FOLL_WRITE } from "./gup-flags.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    gup_must_unshare: typeof gup_must_unshare;
  }
}

/** Ours: a kernel before v5.19 pins for reading what it finds. */
export function* pins_what_it_finds(
  _k: Kernel,
  _vma: VmArea | null,
  _flags: number,
  _page: Page,
): Code<boolean> {
  return false;
}

/**
 * Must a write-protected page be unshared before it is pinned for reading? An anonymous page that other processes may
 * have, too: a later store would go to a copy, and the pin would stay behind.
 *
 * Models `include/linux/mm.h:gup_must_unshare()` @ v6.1.
 *
 * @param _vma The mapping, or null where GUP holds no lock and does not know it.
 */
export function* gup_must_unshare(k: Kernel, _vma: VmArea | null, flags: number, page: Page): Code<boolean> {
  if ((flags & (FOLL_WRITE | FOLL_PIN)) !== FOLL_PIN) return false;
  const folio = yield* page_folio(k, page);
  if (!(yield* folio_test_anon(folio))) return false;
  return ((yield* READ_ONCE(page.flags)) & PG_anon_exclusive) === 0;
}

/**
 * As {@link gup_must_unshare}; and a page of a file, if it is to be pinned for long through a private mapping, where the
 * next store would bring a copy.
 *
 * Models `mm/internal.h:gup_must_unshare()` @ v6.12.
 */
export function* gup_must_unshare_files(
  k: Kernel,
  vma: VmArea | null,
  flags: number,
  page: Page,
): Code<boolean> {
  if ((flags & (FOLL_WRITE | FOLL_PIN)) !== FOLL_PIN) return false;
  const folio = yield* page_folio(k, page);
  if (!(yield* folio_test_anon(folio))) {
    if (!(flags & FOLL_LONGTERM)) return false;
    return vma === null || (vma.vm_flags & VM_SHARED) === 0;
  }
  return ((yield* READ_ONCE(page.flags)) & PG_anon_exclusive) === 0;
}
