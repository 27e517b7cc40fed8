// Rules about memory that a driver gives out, page by page.
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
