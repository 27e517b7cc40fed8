// Changes that break on purpose what GUP asks about a page before it gives it out.
import { page_folio } from "../kernel/include/linux/mm.ts";
import { change } from "../kernel/kernel.ts";
import { READ_ONCE } from "../kernel/lib/atomic.ts";
import { FOLL_PIN, FOLL_WRITE } from "../kernel/mm/gup-flags.ts";

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

export const gupTwins = [pinWithoutUnshare, gupIgnoresFork, unsharePageOfNoFile];
