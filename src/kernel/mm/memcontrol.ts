// Memory control groups: one, to which anonymous pages are charged. Source: mm/memcontrol.c.
import { type Code, rmw } from "../../explore/access.ts";
import type { Folio } from "../include/linux/mm_types.ts";
import type { Kernel } from "../kernel.ts";

declare module "../kernel.ts" {
  interface KernelFunctions {
    mem_cgroup_charge: typeof mem_cgroup_charge;
    mem_cgroup_uncharge: typeof mem_cgroup_uncharge;
  }
}

/**
 * Charges a new folio of one page.
 *
 * Models `include/linux/memcontrol.h:mem_cgroup_charge()` @ v6.12.
 * Left out: limits, reclaim.
 */
export function* mem_cgroup_charge(k: Kernel, folio: Folio): Code {
  yield* rmw(
    [folio.page.memcg_data, k.world.memcg_usage],
    (_charged: number, usage: number) => ({ next: [1, usage + 1], result: null }),
    { note: { quiet: true } },
  );
}

/**
 * Takes back what a folio that is freed was charged with. Every freed page of device memory comes here; of those that a
 * file system or a device has, none was ever charged.
 *
 * Models `include/linux/memcontrol.h:mem_cgroup_uncharge()` @ v6.12. The look at an uncharged folio is no step of its
 * own: nobody writes to its word.
 */
export function* mem_cgroup_uncharge(k: Kernel, folio: Folio): Code {
  yield* rmw(
    [folio.page.memcg_data, k.world.memcg_usage],
    (charged: number, usage: number) => ({ next: [0, usage - charged], result: null }),
    { note: { quiet: true } },
  );
}
