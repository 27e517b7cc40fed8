// Rules about the entries of the page cache: who may change them, and when a folio may leave its file.
import { hex } from "../../base/brand.ts";
import { mappersOf } from "../counts.ts";

import { firstBroken, type KernelInvariant } from "./rule.ts";

/** I17: an entry is changed by who has locked it; or, unlocked, by who holds the lock of the page cache. */
export const entryLockIsHeld: KernelInvariant = {
  name: "entry-lock-is-held",
  check: (k, see) => {
    for (const { s_inodes } of k.world.super_blocks) {
      for (const { i_mapping } of s_inodes) {
        const misuse = see(i_mapping.misuse);
        if (misuse !== null) return misuse;
      }
    }
    return null;
  },
};

/**
 * I7: a folio leaves its last file, and is taken apart, only when nobody has a reference: clearing its words clears counts
 * of pins and mappings. Since v6.15; before, each page counts in words of its own, and the kernel warns only of those that are
 * truncated while they are held.
 */
export const referencedFolioStaysInFile: KernelInvariant = {
  name: "referenced-folio-stays-in-file",
  check: (k, see) =>
    firstBroken(k, (page) => {
      const by = see(page.takenAwayBy);
      const count = see(page._refcount);
      if (by === null || count < 1) return null;
      const holders = [...see(page.heldPins), ...see(page.heldGets)].map((name) => `${name} holds it`);
      const mappers = mappersOf(k, see, page).map((name) => `${name} maps it`);
      const users = [...holders, ...mappers].join(", ") || "whoever had it has yet to drop what it counts";
      return `${by} takes pfn ${hex(page.pfn)} away from its file with a count of ${count}: ${users}`;
    }),
};
