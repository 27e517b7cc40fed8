import type { Inode } from "../kernel/include/linux/fs.ts";
import type { Page } from "../kernel/include/linux/mm_types.ts";
import {
  entryLockIsHeld,
  noMappingOfFreeBlock,
  noPinOnFreeBlock,
  noWarning,
  referencedFolioStaysInFile,
  referencesAddUp,
} from "../kernel/invariants.ts";
import { scenario } from "../kernel/scenario.ts";
import { mappedFile, pinPage } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly pages: readonly Page[];
}

const passedOver =
  "the locked entry is passed over, and the block freed; the kernel warns that a truncated page is referenced";

export const fsyncVsPunchHole = scenario<World>({
  name: "fsync-vs-punch-hole",
  question: "Does a punch hole see that a page is pinned while fsync() has its entry locked?",
  claim:
    "The scan for busy pages passes over locked entries, and so misses DMA (changelog of the fix, 2025).",
  closed: "Nobody munmaps, nobody touches the page again, no signal arrives.",
  *setup(k) {
    const { inode, mm } = yield* mappedFile(k, "ext4", 1);
    yield* k.store(mm, 0);
    return { inode, pages: yield* pinPage(k, 0) };
  },
  threads: {
    punch: {
      title: "punch hole",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.ext4_punch_hole(inode, 0, 1);
      },
    },
    fsync: {
      title: "fsync",
      cpu: 1,
      *run(k, { inode }) {
        yield* k.vfs_fsync(inode);
      },
    },
    unpin: {
      title: "unpin",
      cpu: 2,
      *run(k, { pages }) {
        yield* k.unpin_user_pages(pages);
      },
    },
  },
  invariants: [
    referencedFolioStaysInFile,
    entryLockIsHeld,
    noPinOnFreeBlock,
    noMappingOfFreeBlock,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": {
      verdict: "invariant",
      rule: "no-pin-on-free-block",
      because: "the locked entry is passed over, and the block freed",
    },
    "v5.18": {
      verdict: "invariant",
      rule: "no-pin-on-free-block",
      because: "the locked entry is passed over, and the block freed",
    },
    "v6.1": { verdict: "invariant", rule: "no-pin-on-free-block", because: passedOver },
    "v6.12": { verdict: "invariant", rule: "no-pin-on-free-block", because: passedOver },
    "v6.12+scan-waits-for-locked-entries": {
      verdict: "invariant",
      rule: "no-pin-on-free-block",
      because: "the scan waits for the entry, and then looks at the next one",
    },
    "v6.12+scan-waits-for-locked-entries+scan-looks-at-the-entry-again": {
      verdict: "holds",
      because: "the scan waits for the entry and looks at it",
    },
    "v6.15": {
      verdict: "invariant",
      rule: "no-pin-on-free-block",
      because: "the scan waits for the entry, and then looks at the next one",
    },
    "v7.2": {
      verdict: "holds",
      because: 'fs/dax: Fix "don\'t skip locked entries when scanning entries" (v6.16)',
    },
  },
});
