import type { SuperBlock } from "../kernel/include/linux/fs.ts";
import { noWarning, unflushedPageIsDirty } from "../kernel/invariants.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly sb: SuperBlock;
}

const synced: Expectation = {
  verdict: "holds",
  because: "sync_filesystem() writes back before the first inode is forgotten",
};

export const umountVsDirtyPage = scenario<World>({
  name: "umount-vs-dirty-page",
  question: "Is what a program stored durable after umount?",
  claim:
    "An inode with dirty entries is evicted, and its marks go with it. Not before they were written back: our reading.",
  closed: "The program has unmapped and closed the file before.",
  *setup(k) {
    const { sb, mm, vma } = yield* mappedFile(k, "xfs", 1);
    yield* k.store(mm, 0);
    yield* k.munmap(vma);
    return { sb };
  },
  threads: {
    umount: {
      title: "umount",
      cpu: 0,
      *run(k, { sb }) {
        yield* k.generic_shutdown_super(sb);
      },
    },
  },
  invariants: [unflushedPageIsDirty, noWarning],
  expected: {
    "v5.10": synced,
    "v5.18": synced,
    "v6.1": synced,
    "v6.12": synced,
    "v6.15": synced,
    "v7.2": synced,
  },
  twins: [
    {
      change: "twin/umount-does-not-sync",
      kernel: "v7.2",
      expect: "invariant",
      rule: "unflushed-page-is-dirty",
      because: "the mark goes with the entry, and the CPU's caches were never flushed",
    },
  ],
});
