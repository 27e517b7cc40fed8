// How direct I/O on a block device, and io_uring, take pages and give them back. That is the affair of the block
// layer and of io_uring, which the subsystem leaves out; programs need them as the way to hold a page.
import type { Code } from "../explore/access.ts";
import { page_folio } from "../kernel/include/linux/mm.ts";
import type { Page } from "../kernel/include/linux/mm_types.ts";
import type { Kernel } from "../kernel/kernel.ts";

export interface DirectIo {
  /** FOLL_GET until 6.4 (`block/bio.c:__bio_iov_iter_get_pages()`), FOLL_PIN since. */
  readonly takes: "pin" | "get";
  /** A request ends where memory of another device begins (`lib/iov_iter.c:iov_iter_extract_bvecs()`). */
  readonly oneDevice: boolean;
  /** io_uring registers memory of files, if GUP gives it; v6.1 refuses it (`io_uring/rsrc.c:io_pin_pages()`). */
  readonly registersFiles: boolean;
  /** Gives a page back that was taken with FOLL_GET. */
  put(k: Kernel, page: Page): Code;
}

/** Models `include/linux/mm.h:put_page()`, which sees a page of device memory become idle. */
function* put(k: Kernel, page: Page): Code {
  yield* k.put_user_page(page);
}

/**
 * Models `block/bio.c:__bio_release_pages()` @ v6.1.192: it drops the references with folio_put_refs(), which does not
 * know that an FS-DAX page is idle at 1, and tells nobody.
 */
function* putFolio(k: Kernel, page: Page): Code {
  yield* k.user_is_done(page);
  const folio = yield* page_folio(k, page);
  yield* k.folio_put_refs(folio, 1);
}

const pins: DirectIo = { takes: "pin", oneDevice: false, registersFiles: true, put };

const gets = { takes: "get", oneDevice: false, registersFiles: false } as const;

const byRelease: Readonly<Record<string, DirectIo>> = {
  "v5.10": { ...gets, put },
  "v5.18": { ...gets, put },
  "v6.1": { ...gets, put: putFolio },
  "v7.2": { ...pins, oneDevice: true },
};

/** The direct I/O of a release of the subsystem, such as `v6.12`. */
export const directIoOf = (release: string): DirectIo => byRelease[release] ?? pins;
