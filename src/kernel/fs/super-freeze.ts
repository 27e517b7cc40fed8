// Freezing a file system: who writes to it is held off. Source: fs/super.c, include/linux/fs.h. A file system is
// frozen level by level: first who writes by system calls is held off (SB_FREEZE_WRITE), then who stores through
// mappings (SB_FREEZE_PAGEFAULT), and after all was written back, the file system's own changes (SB_FREEZE_FS).

import { requireUse } from "../../base/errors.ts";
import { type Code, rmw, type StepOptions } from "../../explore/access.ts";
import { EBUSY, EINVAL } from "../include/asm-generic/errno-base.ts";
import type { FreezeHolder, Frozen, SuperBlock } from "../include/linux/fs.ts";
import {
  percpu_down_read,
  percpu_down_write,
  percpu_up_read,
  percpu_up_write,
} from "../kernel/locking/percpu-rwsem.ts";
import type { Kernel } from "../kernel.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    sb_counts_writers: typeof sb_counts_writers;
    sb_start_write: typeof sb_start_write;
    sb_end_write: typeof sb_end_write;
    sb_start_pagefault: typeof sb_start_pagefault;
    sb_end_pagefault: typeof sb_end_pagefault;
    sb_start_intwrite: typeof sb_start_intwrite;
    sb_end_intwrite: typeof sb_end_intwrite;
    freeze_super: typeof freeze_super;
    freeze_begins: typeof freeze_begins;
    thaw_super: typeof thaw_super;
    thaw_leaves: typeof thaw_leaves;
  }
}

/**
 * Are those who write counted, so that the file system can be frozen? Ours: Linux counts them always. Here they are where
 * somebody may freeze it, for a search would take much longer otherwise.
 */
export const sb_counts_writers = (_k: Kernel, sb: SuperBlock): boolean => sb.s_freezes;

/** Enters a system call that writes; waits while that is held off. Models `include/linux/fs.h:sb_start_write()` @ v6.12. */
export function* sb_start_write(k: Kernel, sb: SuperBlock): Code {
  if (k.sb_counts_writers(sb)) yield* percpu_down_read(k, sb.s_writers.write);
}

/** Leaves it. Models `include/linux/fs.h:sb_end_write()` @ v6.12. */
export function* sb_end_write(k: Kernel, sb: SuperBlock): Code {
  if (k.sb_counts_writers(sb)) yield* percpu_up_read(k, sb.s_writers.write);
}

/** Enters a fault that makes a page writable. Models `include/linux/fs.h:sb_start_pagefault()` @ v6.12. */
export function* sb_start_pagefault(k: Kernel, sb: SuperBlock): Code {
  if (k.sb_counts_writers(sb)) yield* percpu_down_read(k, sb.s_writers.pagefault);
}

/** Leaves it. Models `include/linux/fs.h:sb_end_pagefault()` @ v6.12. */
export function* sb_end_pagefault(k: Kernel, sb: SuperBlock): Code {
  if (k.sb_counts_writers(sb)) yield* percpu_up_read(k, sb.s_writers.pagefault);
}

/** Enters a change that nobody asked for by a system call. Models `include/linux/fs.h:sb_start_intwrite()` @ v6.12. */
export function* sb_start_intwrite(k: Kernel, sb: SuperBlock): Code {
  if (k.sb_counts_writers(sb)) yield* percpu_down_read(k, sb.s_writers.fs);
}

/** Leaves it. Models `include/linux/fs.h:sb_end_intwrite()` @ v6.12. */
export function* sb_end_intwrite(k: Kernel, sb: SuperBlock): Code {
  if (k.sb_counts_writers(sb)) yield* percpu_up_read(k, sb.s_writers.fs);
}

/**
 * Holds off everybody who writes, after those who do have come to their end, and writes back: FIFREEZE.
 *
 * Models `fs/super.c:freeze_super()` @ v6.12, with ioctl_fsfreeze().
 * Simplified: s_umount; to look whether it is frozen, and to begin, is one step.
 * Left out: freeze_fs() of ext4 and XFS, which is about the journal; errors.
 *
 * @param who `kernel` for the file system itself.
 * @returns 0, or -EBUSY if it is frozen already: from v6.6 on, by the same.
 * @throws {@link PagelifeError} PL210 if writers are not counted, or the file system cannot be frozen.
 */
export function* freeze_super(k: Kernel, sb: SuperBlock, who: FreezeHolder = "userspace"): Code<number> {
  const { name } = sb.s_type;
  const { frozen, write, pagefault, fs } = sb.s_writers;
  requireUse(name === "ext4" || name === "xfs", `${name} cannot be frozen: FIFREEZE says -EOPNOTSUPP`);
  requireCounted(k, sb, "freeze_super");
  const begun = yield* k.freeze_begins(sb, who);
  if (begun !== "begins") return begun;
  yield* percpu_down_write(k, write);
  yield* percpu_down_write(k, pagefault);
  yield* k.sync_filesystem(sb);
  yield* percpu_down_write(k, fs);
  yield* rmw([frozen], () => ({ next: [{ state: "frozen", holders: [who] }], result: null }), {
    note: { text: () => `the ${name} is frozen` },
  });
  return 0;
}

/**
 * Looks whether a file system is frozen, and begins to freeze it if not.
 *
 * Models the first look at s_writers.frozen in `fs/super.c:freeze_super()` @ v6.1: it is frozen once only, and who comes
 * while another freezes is told so at once.
 *
 * @returns `begins`; or what freeze_super() answers.
 */
export function* freeze_begins(_k: Kernel, sb: SuperBlock, _who: FreezeHolder): Code<number | "begins"> {
  return yield* rmw<number | "begins">([sb.s_writers.frozen], ({ state, holders }: Frozen) =>
    state === "unfrozen"
      ? { next: [{ state: "freezing", holders }], result: "begins" }
      : { next: [{ state, holders }], result: -EBUSY },
  );
}

/**
 * Lets everybody write again, once all who froze the file system have thawed it: FITHAW.
 *
 * Models `fs/super.c:thaw_super()` @ v6.12.
 * Simplified: s_umount. Who comes while another freezes is told -EINVAL, and is never kept waiting for the end of that.
 *
 * @returns 0; -EINVAL if it is not frozen.
 */
export function* thaw_super(k: Kernel, sb: SuperBlock, who: FreezeHolder = "userspace"): Code<number> {
  const { fs, pagefault, write } = sb.s_writers;
  requireCounted(k, sb, "thaw_super");
  const left = yield* k.thaw_leaves(sb, who);
  if (left < 0) return left;
  if (left > 0) return 0;
  for (const level of [fs, pagefault, write]) yield* percpu_up_write(level);
  return 0;
}

/** Who freezes waits for those who write, if they are counted. */
function requireCounted(k: Kernel, sb: SuperBlock, name: string): void {
  requireUse(
    k.sb_counts_writers(sb),
    `${name}() needs a file system that counts its writers: mountDax(k, blocks, "${sb.s_type.name}", FIRST_PFN, { freezes: true })`,
  );
}

/**
 * Takes back that somebody has frozen a file system.
 *
 * Models the beginning of `fs/super.c:thaw_super_locked()` @ v6.1: whoever froze it, anybody thaws it.
 *
 * @returns how many others have frozen it, too; -EINVAL if it is not frozen.
 */
export function* thaw_leaves(_k: Kernel, sb: SuperBlock, _who: FreezeHolder): Code<number> {
  return yield* rmw<number>(
    [sb.s_writers.frozen],
    (old: Frozen) =>
      old.state === "frozen"
        ? { next: [{ state: "unfrozen", holders: [] }], result: 0 }
        : { next: [old], result: -EINVAL },
    thawNote(sb),
  );
}

/** What is said of the step that thaws. */
export const thawNote = ({ s_type }: SuperBlock): StepOptions => ({
  note: { text: (result) => (result === 0 ? `the ${s_type.name} is thawed` : "") },
});
