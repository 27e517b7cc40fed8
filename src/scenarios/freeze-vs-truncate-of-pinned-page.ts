import type { Code } from "../explore/access.ts";
import type { Inode, SuperBlock } from "../kernel/include/linux/fs.ts";
import type { Page } from "../kernel/include/linux/mm_types.ts";
import { noPinOnFreeBlock, noWarning } from "../kernel/invariants.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { createFile, createProcess, FIRST_PFN, mapFile, mountDax } from "../kernel/setup.ts";
import { pinPage } from "./furniture.ts";

interface World {
  readonly sb: SuperBlock;
  readonly inode: Inode;
  readonly log: Inode;
  readonly pages: readonly Page[];
}

/** A page of a file is pinned, and who has the pin has another file of the same file system. */
function* pinnedPageAndLog(k: Kernel): Code<World> {
  const sb = mountDax(k, 2, "ext4", FIRST_PFN, { freezes: true });
  const inode = yield* createFile(k, sb, "file", 1);
  const log = yield* createFile(k, sb, "log", 1);
  const mm = createProcess(k, "mm", 1);
  yield* mapFile(k, mm, inode, 0, 1);
  k.current.mm = mm;
  yield* k.touch(mm, 0, true);
  const pages = yield* pinPage(k, 0);
  return { sb, inode, log, pages };
}

const circle: Expectation = {
  verdict: "deadlock",
  rule: "layout-break-returns",
  because:
    "truncate waits for the pin in the midst of a write, freeze_super() waits for truncate and lets nobody begin to " +
    "write, and who has the pin is about to write; only a signal to truncate ends it",
};

export const freezeVsTruncateOfPinnedPage = scenario<World>({
  name: "freeze-vs-truncate-of-pinned-page",
  question: "May who has a page pinned write to another file of the file system before he unpins?",
  claim:
    "Nobody asked in the mails. truncate(2) waits for pins between sb_start_write() and sb_end_write(), and " +
    "percpu_down_write() keeps new readers out while it waits (fs/open.c, kernel/locking/percpu-rwsem.c): our reading.",
  closed: "No signal comes, though the wait of ext4 for a page is one that signals end.",
  setup: pinnedPageAndLog,
  threads: {
    truncate: {
      title: "truncate",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.do_truncate(inode, 0);
      },
    },
    freeze: {
      title: "freeze, thaw",
      cpu: 1,
      *run(k, { sb }) {
        yield* k.freeze_super(sb);
        yield* k.thaw_super(sb);
      },
    },
    unpin: {
      title: "write to a log, unpin",
      cpu: 2,
      *run(k, { log, pages }) {
        yield* k.vfs_write(log, 0);
        yield* k.unpin_user_pages(pages);
      },
    },
  },
  invariants: [noPinOnFreeBlock, noWarning],
  expected: {
    "v5.10": circle,
    "v5.18": {
      verdict: "missed-wakeup",
      rule: "layout-break-returns",
      because: "and where who has the pin comes first, his unpin does not wake truncate",
    },
    "v5.18+fsdax-wakeup/gup-put": circle,
    "v6.1": circle,
    "v6.12": circle,
    "v6.15": circle,
    "v7.2": circle,
    "v7.2+twin/freeze-holds-nobody-off": {
      verdict: "holds",
      because: "nobody is held off: the write is done, and the pin dropped",
    },
  },
});
