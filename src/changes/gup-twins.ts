// Changes that break on purpose what GUP asks about a page before it gives it out.
import { MEMORY_DEVICE_PCI_P2PDMA } from "../kernel/include/linux/memremap.ts";
import { isMapping, isTail, page_folio } from "../kernel/include/linux/mm.ts";
import { followPgmap } from "../kernel/include/linux/mmzone.ts";
import { down_read, up_read } from "../kernel/kernel/locking/rwsem.ts";
import { change } from "../kernel/kernel.ts";
import { READ_ONCE } from "../kernel/lib/atomic.ts";
import { FOLL_LONGTERM, FOLL_PIN, FOLL_WRITE } from "../kernel/mm/gup-flags.ts";

const twin = (name: string, subject: string, functions: Parameters<typeof change>[0]["functions"]) =>
  change({ name: `twin/${name}`, subject, source: "twin", functions });

export const pinWithoutUnshare = twin(
  "pin-without-unshare",
  "GUP pins a page for reading that fork() has shared, as it finds it",
  {
    *gup_must_unshare() {
      return false;
    },
  },
);

export const gupIgnoresFork = twin(
  "gup-ignores-fork",
  "GUP without locks does not look whether a fork() goes on",
  {
    gup_looks_for_fork: () => false,
  },
);

export const unsharePageOfNoFile = twin(
  "unshare-page-of-no-file",
  "GUP takes a page without a mapping for an anonymous one that must be unshared",
  {
    *gup_must_unshare(k, _vma, flags, page) {
      if ((flags & (FOLL_WRITE | FOLL_PIN)) !== FOLL_PIN) return false;
      const folio = yield* page_folio(k, page);
      return (yield* READ_ONCE(folio.mapping)) === null;
    },
  },
);

export const gupIgnoresP2pdma = twin(
  "gup-ignores-p2pdma",
  "GUP does not ask whether a page is memory of a PCI device, nor its mapping for long pins",
  {
    *is_pci_p2pdma_page() {
      return false;
    },
    check_vma_flags: () => 0,
  },
);

export const pgmapOfTail = twin(
  "pgmap-of-tail",
  "GUP asks the page itself for its pgmap, as before v6.15, whether it is a tail or not",
  {
    *is_pci_p2pdma_page(k, page) {
      if (page.zone !== "ZONE_DEVICE") return false;
      const pgmap = yield* followPgmap(k, page);
      return pgmap?.type === MEMORY_DEVICE_PCI_P2PDMA;
    },
  },
);

export const munmapFreesP2pdma = twin(
  "munmap-frees-p2pdma",
  "munmap gives memory of a PCI device back to the driver at once, whoever holds it",
  {
    *zap_drop_references(k, pages) {
      for (const page of pages) {
        const pgmap = yield* READ_ONCE(page.pgmap);
        if (pgmap !== null && !isTail(pgmap)) yield* k.p2pdma_page_free(pgmap, page);
      }
    },
  },
);

export const coherentIsPinnable = twin("coherent-is-pinnable", "any page may be pinned for long", {
  *folio_is_longterm_pinnable() {
    return true;
  },
});

export const unpinnableKeepsReference = twin(
  "unpinnable-keeps-reference",
  "GUP without locks finds that a folio may not be pinned for long, and leaves its reference behind",
  {
    *try_grab_folio_fast(k, page, refs, flags) {
      const folio = yield* page_folio(k, page);
      if (!(flags & FOLL_LONGTERM) || (yield* k.folio_is_longterm_pinnable(folio))) {
        return yield* k.below.try_grab_folio_fast(page, refs, flags);
      }
      yield* k.try_get_folio(page, refs);
      return null;
    },
  },
);

export const unpinTakesInodeLock = twin(
  "unpin-takes-inode-lock",
  "an unpin takes the lock of the page's file, to look whether anybody waits for the page",
  {
    *unpin_user_page(k, page) {
      const mapping = yield* READ_ONCE(page.mapping);
      const inode = isMapping(mapping) ? mapping.host : null;
      if (inode !== null) yield* down_read(k, inode.i_rwsem);
      yield* k.below.unpin_user_page(page);
      if (inode !== null) yield* up_read(k, inode.i_rwsem);
    },
  },
);

export const gupTwins = [
  unpinTakesInodeLock,
  coherentIsPinnable,
  unpinnableKeepsReference,
  gupIgnoresP2pdma,
  pgmapOfTail,
  munmapFreesP2pdma,
  pinWithoutUnshare,
  gupIgnoresFork,
  unsharePageOfNoFile,
];
