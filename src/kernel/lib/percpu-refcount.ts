// References to what lives as long as a device does. Source: include/linux/percpu-refcount.h.
// Left out everywhere: that the count is spread over CPUs until it is killed, and the grace period of that.
import { type Cell, type Code, type GhostUpdate, rmw } from "../../explore/access.ts";
import type { PercpuRef } from "../include/linux/memremap.ts";

/** Models `include/linux/percpu-refcount.h:percpu_ref_tryget_live()` @ v6.12. */
export function* percpu_ref_tryget_live(ref: Cell<PercpuRef>): Code<boolean> {
  return yield* rmw(
    [ref],
    (old: PercpuRef) =>
      old.dead ? { next: [old], result: false } : { next: [{ ...old, count: old.count + 1 }], result: true },
    { note: { quiet: true } },
  );
}

/** Models `include/linux/percpu-refcount.h:percpu_ref_get()` @ v6.12. */
export function* percpu_ref_get(ref: Cell<PercpuRef>): Code {
  yield* rmw([ref], (old: PercpuRef) => ({ next: [{ ...old, count: old.count + 1 }], result: null }), {
    note: { quiet: true },
  });
}

/**
 * Models `include/linux/percpu-refcount.h:percpu_ref_put()` @ v6.12.
 *
 * @param ghosts What becomes known with the step.
 */
export function* percpu_ref_put(ref: Cell<PercpuRef>, ghosts: readonly GhostUpdate[] = []): Code {
  yield* rmw([ref], (old: PercpuRef) => ({ next: [{ ...old, count: old.count - 1 }], result: null }), {
    ghosts,
    note: { quiet: true },
  });
}
