// Who has frozen a file system: not asked at first; then the kernel and programs each for themselves.

import { acquire, rmw } from "../explore/access.ts";
import { thawNote } from "../kernel/fs/super-freeze.ts";
import { EBUSY, EINVAL } from "../kernel/include/asm-generic/errno-base.ts";
import type { Frozen } from "../kernel/include/linux/fs.ts";
import { change } from "../kernel/kernel.ts";

export const freezeHolders = change({
  name: "freeze-holders",
  subject: "fs: distinguish between user initiated freeze and kernel initiated freeze",
  source:
    "commit 880b9577855e, D. Wong, v6.6, with the wait for who is freezing; holders are counted since v6.8",
  about:
    "Before, a file system was frozen once only, who came while another froze it was told -EBUSY at once, and whoever " +
    "thawed it, thawed it for all.",
  functions: {
    /** Models the loop at `retry` in `fs/super.c:freeze_super()` @ v6.12, with may_freeze() and freeze_inc(). */
    *freeze_begins(_k, sb, who) {
      return yield* acquire<number | "begins">([sb.s_writers.frozen], ({ state, holders }: Frozen) => {
        if (state === "freezing") return null;
        if (state === "unfrozen") return { next: [{ state: "freezing", holders }], result: "begins" };
        if (holders.includes(who)) return { next: [{ state, holders }], result: -EBUSY };
        return { next: [{ state, holders: [...holders, who].sort() }], result: 0 };
      });
    },

    /**
     * Models the beginning of `fs/super.c:thaw_super_locked()` @ v6.12, with freeze_dec(): who has not frozen it is told 0
     * while others have, and changes nothing.
     */
    *thaw_leaves(_k, sb, who) {
      return yield* rmw<number>(
        [sb.s_writers.frozen],
        (old: Frozen) => {
          if (old.state !== "frozen") return { next: [old], result: -EINVAL };
          const holders = old.holders.filter((h) => h !== who);
          const left = holders.length;
          return { next: [{ state: left === 0 ? "unfrozen" : "frozen", holders }], result: left };
        },
        thawNote(sb),
      );
    },
  },
});

export const thawAsksWho = change({
  name: "thaw-asks-who",
  subject: "fs: filesystem freezing for suspend and hibernation (series)",
  source: "series of C. Brauner, merged for v6.16 (8dd53535f1e1)",
  about:
    "Before, a thaw by somebody who had not frozen the file system was answered with 0 while others had.",
  after: ["freeze-holders"],
  functions: {
    /** Models `fs/super.c:may_unfreeze()` @ v7.2, in thaw_super_locked(), for holders of which none is exclusive. */
    *thaw_leaves(_k, sb, who) {
      return yield* rmw<number>(
        [sb.s_writers.frozen],
        (old: Frozen) => {
          if (old.state !== "frozen" || !old.holders.includes(who)) return { next: [old], result: -EINVAL };
          const holders = old.holders.filter((h) => h !== who);
          const left = holders.length;
          return { next: [{ state: left === 0 ? "unfrozen" : "frozen", holders }], result: left };
        },
        thawNote(sb),
      );
    },
  },
});
