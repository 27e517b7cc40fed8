import type { Inode } from "../kernel/include/linux/fs.ts";
import type { Page } from "../kernel/include/linux/mm_types.ts";
import { noMappingOfFreeBlock, noPinOnFreeBlock, noWarning, referencesAddUp } from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly pages: readonly Page[];
}

export const folioPutVsPunchHole = scenario<World>({
  name: "folio-put-vs-punch-hole",
  question: "Does a punch hole end if a reference from get_user_pages is dropped with a bare folio_put()?",
  claim:
    "The hook that wakes waiters belongs into folio_put() itself, or only where GUP drops references (July " +
    "2022, reference/threads/004).",
  closed: "Nobody munmaps, nobody touches the page again, no signal arrives.",
  *setup(k) {
    const { inode, mm } = yield* mappedFile(k, "ext4", 1);
    yield* k.touch(mm, 0, true);
    const pages = yield* k.get_user_pages_fast(0, 1, 0);
    return { inode, pages: typeof pages === "number" ? [] : pages };
  },
  threads: {
    punch: {
      title: "punch hole",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.ext4_punch_hole(inode, 0, 1);
      },
    },
    put: {
      title: "folio_put",
      cpu: 1,
      *run(k, { pages }) {
        for (const page of pages) {
          yield* k.user_is_done(page);
          yield* k.folio_put(page.folio);
        }
      },
    },
  },
  invariants: [noPinOnFreeBlock, noMappingOfFreeBlock, referencesAddUp, noWarning],
  expected: {
    "v5.18": {
      verdict: "missed-wakeup",
      rule: "layout-break-returns",
      because: "folio_put() does not look for 2 -> 1",
    },
    "v5.18+fsdax-wakeup/folio-put": { verdict: "holds", because: "folio_put() itself looks for 2 -> 1" },
    "v5.18+fsdax-wakeup/gup-put": {
      verdict: "missed-wakeup",
      rule: "layout-break-returns",
      because: "the merged fix is in gup_put_folio(); folio_put() stays as it was",
    },
    "v6.1": {
      verdict: "missed-wakeup",
      rule: "layout-break-returns",
      because: "folio_put() does not look for 2 -> 1",
    },
    "v6.12": {
      verdict: "missed-wakeup",
      rule: "layout-break-returns",
      because: "folio_put() does not look for 2 -> 1",
    },
    "v6.15": {
      verdict: "holds",
      because: "an idle page has no reference, so every last put frees and wakes",
    },
    "v7.2": { verdict: "holds", because: "an idle page has no reference, so every last put frees and wakes" },
  },
});
