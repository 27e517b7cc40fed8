import type { Code } from "../explore/access.ts";
import type { FileSystemName, Inode, SuperBlock } from "../kernel/include/linux/fs.ts";
import type { Page } from "../kernel/include/linux/mm_types.ts";
import {
  noMappingOfFreeBlock,
  noPinOnFreeBlock,
  noWarning,
  referencedFolioStaysInFile,
  referencesAddUp,
} from "../kernel/invariants.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { type Expectation, type ScenarioThread, scenario } from "../kernel/scenario.ts";
import { mappedFile, pinPage } from "./furniture.ts";

interface World {
  readonly sb: SuperBlock;
  readonly inode: Inode;
  readonly pages: readonly Page[];
}

/** A file that was written to, pinned and unmapped. */
const pinnedAndUnmapped = (type: FileSystemName) =>
  function* setup(k: Kernel): Code<World> {
    const { sb, inode, mm, vma } = yield* mappedFile(k, type, 1);
    yield* k.touch(mm, 0, true);
    const pages = yield* pinPage(k, 0);
    yield* k.munmap(vma);
    return { sb, inode, pages };
  };

const threads: Readonly<Record<string, ScenarioThread<World>>> = {
  umount: {
    title: "umount, mount, truncate",
    cpu: 0,
    *run(k, { sb, inode }) {
      yield* k.generic_shutdown_super(sb);
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
};

const forgotten: Expectation = {
  verdict: "invariant",
  rule: "no-pin-on-free-block",
  because: "the inode is forgotten with its pages, and nothing is found later",
};

export const umountVsPin = scenario<World>({
  name: "umount-vs-pin",
  question: "Does the file system still know of a pin after it was unmounted and mounted again?",
  claim: "Pages must be idle before a file system is unmounted (changelog of the patch of v6.15).",
  closed: "The process has unmapped and closed the file; its pin holds neither the file nor the mount.",
  setup: pinnedAndUnmapped("ext4"),
  threads,
  invariants: [
    referencedFolioStaysInFile,
    noPinOnFreeBlock,
    noMappingOfFreeBlock,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": forgotten,
    "v5.18": forgotten,
    "v6.1": forgotten,
    "v6.12": forgotten,
    "v6.12+unmapped-busy-pages": {
      verdict: "invariant",
      rule: "no-pin-on-free-block",
      because: "after the mount there are no entries whose pages could be looked at",
    },
    "v6.15": { verdict: "holds", because: "fs/dax: ensure all pages are idle prior to filesystem unmount" },
    "v7.2": {
      verdict: "holds",
      because: "fs/dax: ensure all pages are idle prior to filesystem unmount (v6.15)",
    },
  },
  twins: [
    {
      change: "twin/evict-does-not-wait",
      kernel: "v7.2",
      expect: "invariant",
      rule: "no-pin-on-free-block",
      because: "the entry goes while the page is pinned: the kernel warns, and the block is freed later",
    },
    {
      change: "twin/free-does-not-wake",
      kernel: "v7.2",
      expect: "missed-wakeup",
      rule: "evict-returns",
      because: "eviction waits for 0, and the last unpin tells nobody",
    },
  ],
});

export const umountOfFuseVsPin = scenario<World>({
  name: "umount-of-fuse-vs-pin",
  question: "And on virtio-fs?",
  claim:
    "v6.15 made file systems wait when an inode is forgotten, all but fuse, which then warned of entries that were left " +
    "(changelog of fuse: fix runtime warning on truncate_folio_batch_exceptionals()).",
  closed: "As umount-vs-pin. That the host gives a page of the window to another file stands for its reuse.",
  setup: pinnedAndUnmapped("fuse"),
  threads,
  invariants: [
    referencedFolioStaysInFile,
    noPinOnFreeBlock,
    noMappingOfFreeBlock,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": forgotten,
    "v5.18": forgotten,
    "v6.1": forgotten,
    "v6.12": forgotten,
    "v6.15": {
      verdict: "invariant",
      rule: "no-pin-on-free-block",
      because:
        "the entry is still there when the inode is forgotten: the kernel warns, and nothing is found later",
    },
    "v7.2": {
      verdict: "holds",
      because: "fuse: fix runtime warning on truncate_folio_batch_exceptionals() (v6.16)",
    },
  },
});
