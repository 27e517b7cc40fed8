// What a rule is, and how rules go over the pages of the machine.
import type { See } from "../../explore/access.ts";
import type { Page } from "../include/linux/mm_types.ts";
import type { Kernel } from "../kernel.ts";

/** A rule of one scenario, which may look at what its setup returned, too. */
export interface ScenarioInvariant<W> {
  readonly name: string;
  /** `end`: holds between operations, so it is looked at where nobody can run any more. */
  readonly at?: "every-state" | "end";
  /** @returns one sentence with the numbers, the page and the actors if the rule is broken, else null. */
  readonly check: (k: Kernel, see: See, w: W) => string | null;
}

/** A rule over the pages and page tables of the machine, for any scenario. */
export interface KernelInvariant extends ScenarioInvariant<unknown> {
  readonly check: (k: Kernel, see: See) => string | null;
}

export const devicePages = (k: Kernel): Page[] =>
  [...k.world.mem_map.values()].filter((page) => page.zone === "ZONE_DEVICE");

export const firstBroken = (k: Kernel, check: (page: Page) => string | null): string | null => {
  for (const page of devicePages(k)) {
    const detail = check(page);
    if (detail !== null) return detail;
  }
  return null;
};
