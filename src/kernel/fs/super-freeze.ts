// Freezing a file system: who writes to it is held off. Source: fs/super.c, include/linux/fs.h.
import type { Code } from "../../explore/access.ts";
import type { SuperBlock } from "../include/linux/fs.ts";
import { down_read, down_write, up_read, up_write } from "../kernel/locking/rwsem.ts";
import type { Kernel } from "../kernel.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    sb_start_write: typeof sb_start_write;
    sb_end_write: typeof sb_end_write;
    freeze_super: typeof freeze_super;
    thaw_super: typeof thaw_super;
  }
}

/**
 * Enters a section in which the file system is not frozen. Nobody here freezes one before v6.7, so that there is nothing
 * to wait for.
 *
 * Models `include/linux/fs.h:sb_start_write()` and `sb_start_pagefault()` @ v6.1.
 */
export function* sb_start_write(_k: Kernel, _sb: SuperBlock): Code {}

/** Leaves it. Models `include/linux/fs.h:sb_end_write()` and `sb_end_pagefault()` @ v6.1. */
export function* sb_end_write(_k: Kernel, _sb: SuperBlock): Code {}

/**
 * As sb_start_write(), where XFS freezes itself when its device goes.
 *
 * Models `include/linux/fs.h:sb_start_write()` and `sb_start_pagefault()` @ v6.12.
 * Simplified: the levels of freezing are one.
 */
export function* sb_start_write_unless_frozen(k: Kernel, sb: SuperBlock): Code {
  if (sb.s_type.holder) yield* down_read(k, sb.s_writers);
}

/** Models `include/linux/fs.h:sb_end_write()` and `sb_end_pagefault()` @ v6.12. */
export function* sb_end_write_unless_frozen(k: Kernel, sb: SuperBlock): Code {
  if (sb.s_type.holder) yield* up_read(k, sb.s_writers);
}

/**
 * Holds off everybody who writes, after those who do have come to their end, and writes back.
 *
 * Models `fs/super.c:freeze_super()` @ v6.12.
 * Left out: that a second holder may freeze what is frozen.
 */
export function* freeze_super(k: Kernel, sb: SuperBlock): Code {
  yield* down_write(k, sb.s_writers);
  yield* k.sync_filesystem(sb);
}

/** Models `fs/super.c:thaw_super()` @ v6.12. */
export function* thaw_super(_k: Kernel, sb: SuperBlock): Code {
  yield* up_write(sb.s_writers);
}
