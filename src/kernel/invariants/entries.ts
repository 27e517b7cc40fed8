// Rules about the entries of the page cache: who may change them.
import type { KernelInvariant } from "./rule.ts";

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
