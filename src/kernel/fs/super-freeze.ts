// Freezing a file system: who writes to it is held off. Source: fs/super.c, include/linux/fs.h. A file system is
// frozen level by level: first who writes by system calls is held off (SB_FREEZE_WRITE), then who stores through
// mappings (SB_FREEZE_PAGEFAULT), and after all was written back, the file system's own changes (SB_FREEZE_FS).
import { requireUse } from "../../base/errors.ts";
import { acquire, type Code, rmw } from "../../explore/access.ts";
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
    thaw_super: typeof thaw_super;
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
 * Simplified: s_umount; to look whether it is frozen, and to begin, is one step. Before v6.6, who comes while another
 * freezes is told -EBUSY at once, and here he waits for the end of that first.
 *
 * @param who `kernel` for the file system itself.
 * @returns 0, or -EBUSY if he has frozen it already.
 * @throws {@link PagelifeError} PL210 if writers are not counted, or the file system cannot be frozen.
 */
export function* freeze_super(k: Kernel, sb: SuperBlock, who: FreezeHolder = "userspace"): Code<number> {
  const { name } = sb.s_type;
  const { frozen, write, pagefault, fs } = sb.s_writers;
  requireUse(name === "ext4" || name === "xfs", `${name} cannot be frozen: FIFREEZE says -EOPNOTSUPP`);
  requireUse(
    k.sb_counts_writers(sb),
    `freeze_super() needs a file system that counts its writers: mountDax(k, blocks, "${name}", FIRST_PFN, { freezes: true })`,
  );
  const begun = yield* acquire<number | "begins">([frozen], ({ state, holders }: Frozen) => {
    if (state === "freezing") return null;
    if (state === "unfrozen") return { next: [{ state: "freezing", holders }], result: "begins" };
    if (holders.includes(who)) return { next: [{ state, holders }], result: -EBUSY };
    return { next: [{ state, holders: [...holders, who].sort() }], result: 0 };
  });
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
 * Lets everybody write again, once all who froze the file system have thawed it: FITHAW.
 *
 * Models `fs/super.c:thaw_super()` @ v6.12.
 *
 * @returns 0, or -EINVAL if he has not frozen it.
 */
export function* thaw_super(_k: Kernel, sb: SuperBlock, who: FreezeHolder = "userspace"): Code<number> {
  const { frozen, write, pagefault, fs } = sb.s_writers;
  const left = yield* rmw<number>(
    [frozen],
    (old: Frozen) => {
      if (!old.holders.includes(who)) return { next: [old], result: -1 };
      const holders = old.holders.filter((h) => h !== who);
      return {
        next: [{ state: holders.length === 0 ? "unfrozen" : "frozen", holders }],
        result: holders.length,
      };
    },
    { note: { text: (result) => (result === 0 ? `the ${sb.s_type.name} is thawed` : "") } },
  );
  if (left < 0) return -EINVAL;
  if (left > 0) return 0;
  for (const level of [fs, pagefault, write]) yield* percpu_up_write(level);
  return 0;
}
