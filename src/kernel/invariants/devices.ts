// Rules about memory of devices: what a driver gives out, page by page, and what has gone bad.
import { hex } from "../../base/brand.ts";
import { isPooled, mappersOf } from "../counts.ts";

import { firstBroken, type KernelInvariant } from "./rule.ts";

/** I19: a page that the driver has, to give it to somebody, is used by nobody. */
export const pooledPageIsUnused: KernelInvariant = {
  name: "pooled-page-is-unused",
  check: (k, see) =>
    firstBroken(k, (page) => {
      if (!isPooled(k, see, page)) return null;
      const users = [...see(page.heldPins), ...see(page.heldGets), ...mappersOf(k, see, page)];
      return users.length === 0
        ? null
        : `the driver has pfn ${hex(page.pfn)} back, but ${users.join(" and ")} still uses it`;
    }),
};

/**
 * I27: once memory failure says of a bad page that it is dealt with, no page table maps it. Asks too much where somebody
 * touches the page again: a fault maps it once more, unless the driver knows of bad blocks, which it does not here.
 */
export const badPageIsNotMapped: KernelInvariant = {
  name: "bad-page-is-not-mapped",
  at: "end",
  check: (k, see) =>
    firstBroken(k, (page) => {
      const by = mappersOf(k, see, page);
      return see(page.failed) && by.length > 0
        ? `the memory of pfn ${hex(page.pfn)} has failed and was dealt with, but ${by.join(", ")} maps it`
        : null;
    }),
};
