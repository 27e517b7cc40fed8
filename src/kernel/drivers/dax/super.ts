// The DAX device under a file system: is it there, and whom to tell when it goes or goes bad.
// Source: drivers/dax/super.c.

import type { Pfn } from "../../../base/brand.ts";
import { acquire, type Code, rmw } from "../../../explore/access.ts";
import { ENXIO, EOPNOTSUPP } from "../../include/asm-generic/errno-base.ts";
import type { DaxDevice } from "../../include/linux/dax.ts";
import type { SuperBlock } from "../../include/linux/fs.ts";
import type { Kernel } from "../../kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../../lib/atomic.ts";
import type { FailureFlags } from "../../mm/memory-failure.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    dax_alive: typeof dax_alive;
    dax_holder_notify_failure: typeof dax_holder_notify_failure;
    kill_dax: typeof kill_dax;
    kill_dax_notifies: typeof kill_dax_notifies;
  }
}

/** Models `drivers/dax/super.c:dax_read_lock()` @ v6.12. */
export function* dax_read_lock(k: Kernel, dev: DaxDevice): Code {
  const { name } = k.current;
  yield* rmw([dev.dax_srcu], (readers: readonly string[]) => ({ next: [[...readers, name]], result: null }), {
    note: { quiet: true },
  });
}

/** Models `drivers/dax/super.c:dax_read_unlock()` @ v6.12. */
export function* dax_read_unlock(k: Kernel, dev: DaxDevice): Code {
  const { name } = k.current;
  yield* rmw(
    [dev.dax_srcu, dev.srcu_pending],
    (readers: readonly string[], pending: readonly string[]) => ({
      next: [readers.filter((r) => r !== name), pending.filter((r) => r !== name)],
      result: null,
    }),
    { note: { quiet: true } },
  );
}

/**
 * May the device's memory be used?
 *
 * Models `drivers/dax/super.c:dax_alive()` @ v6.12, in `fs/dax.c:dax_iomap_direct_access()`. The section of
 * dax_read_lock() ends there, with what was found still in use; a section of one access is one step.
 */
export function* dax_alive(_k: Kernel, sb: SuperBlock): Code<boolean> {
  return yield* READ_ONCE(sb.s_dax_dev.alive);
}

/**
 * Tells the holder of the device.
 *
 * Models `drivers/dax/super.c:dax_holder_notify_failure()` @ v6.12.
 *
 * @param pfns What is concerned.
 * @returns 0, or a negative error.
 */
export function* dax_holder_notify_failure(
  k: Kernel,
  sb: SuperBlock,
  pfns: readonly Pfn[],
  flags: FailureFlags,
): Code<number> {
  const dev = sb.s_dax_dev;
  yield* dax_read_lock(k, dev);
  let rc = -ENXIO;
  if (yield* READ_ONCE(dev.alive)) {
    const told = yield* READ_ONCE(dev.holder_ops);
    rc = told ? yield* k.xfs_dax_notify_failure(sb, pfns, flags) : -EOPNOTSUPP;
  }
  yield* dax_read_unlock(k, dev);
  return rc;
}

/** Tells the holder that the device goes: in v5.18 there is nobody to tell. */
export function* kill_dax_notifies(_k: Kernel, _sb: SuperBlock): Code {}

/**
 * The device goes: nobody finds its memory from here on.
 *
 * Models `drivers/dax/super.c:kill_dax()` @ v6.12.
 */
export function* kill_dax(k: Kernel, sb: SuperBlock): Code {
  const dev = sb.s_dax_dev;
  yield* k.kill_dax_notifies(sb);
  yield* WRITE_ONCE(dev.alive, false);
  // synchronize_srcu(): those who are in a section now
  yield* rmw([dev.dax_srcu, dev.srcu_pending], (readers: readonly string[]) => ({
    next: [readers, readers],
    result: null,
  }));
  yield* acquire(
    [dev.srcu_pending],
    (pending: readonly string[]) => (pending.length === 0 ? { next: [pending], result: null } : null),
    { blocks: "event", note: { quiet: true } },
  );
  yield* WRITE_ONCE(dev.holder_ops, false);
}
