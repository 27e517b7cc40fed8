import type { Inode } from "../kernel/include/linux/fs.ts";
import type { Page } from "../kernel/include/linux/mm_types.ts";
import { noMappingOfFreeBlock, noPinOnFreeBlock, noWarning, referencesAddUp } from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { mappedFile, pinPage } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly pages: readonly Page[];
}

export const fuseTruncateVsPin = scenario<World>({
  name: "fuse-truncate-vs-pin",
  question: "Does truncation of a virtio-fs file wait for pins beyond its first page?",
  claim: "An end of 0 was meant to stand for the whole file; it is the first page (changelog of the fix).",
  closed: "Nobody touches the file again. No signal arrives.",
  *setup(k) {
    const { inode, mm } = yield* mappedFile(k, "fuse", 2);
    yield* k.touch(mm, 1, true);
    const pages = yield* pinPage(k, 1);
    return { inode, pages };
  },
  threads: {
    truncate: {
      title: "truncate",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.do_truncate(inode, 0);
      },
    },
    unpin: {
      title: "unpin",
      cpu: 1,
      *run(k, { pages }) {
        yield* k.unpin_user_pages(pages);
      },
    },
  },
  invariants: [noPinOnFreeBlock, noMappingOfFreeBlock, referencesAddUp, noWarning],
  expected: {
    "v5.10": {
      verdict: "invariant",
      rule: "no-pin-on-free-block",
      because: "only the first page is unmapped and looked at",
    },
    "v5.18": {
      verdict: "invariant",
      rule: "no-pin-on-free-block",
      because: "only the first page is unmapped and looked at",
    },
    "v5.18+fuse-whole-file": {
      verdict: "missed-wakeup",
      rule: "layout-break-returns",
      because: "truncation waits, and gup_put_folio() drops the pin without the hook",
    },
    "v6.1": {
      verdict: "invariant",
      rule: "no-pin-on-free-block",
      because: "only the first page is unmapped and looked at; stable 6.1.192 has the fix",
    },
    "v6.12": {
      verdict: "invariant",
      rule: "no-pin-on-free-block",
      because:
        "in 6.12.0 only the first page is unmapped and looked at; its stable series has the fix (6.12.117 passes -1)",
    },
    "v6.12+fuse-whole-file": { verdict: "holds", because: "the end is that of the file" },
    "v6.15": { verdict: "holds", because: "fuse: fix dax truncate/punch_hole fault path" },
    "v7.2": { verdict: "holds", because: "fuse: fix dax truncate/punch_hole fault path (v6.15)" },
  },
});
