// What XFS does when a block that it is about to copy has been copied by somebody else meanwhile.
import { change } from "../kernel/kernel.ts";

export const xfsCowHole = change({
  name: "xfs-cow-hole",
  subject: "xfs: re-read the data fork mapping after cycling ILOCK for a copy on write",
  source: "in 7.2.13, and in stable kernels of 2026 (6.1.192, 6.12.117 of Debian); not in 6.15.4",
  about:
    "Before, the block that was found before ILOCK was dropped was asked for its other owners. If the file had been " +
    "given a copy meanwhile, and one other file had the old block, that was taken for the file's own, and written to.",
  functions: {
    /** Models the look at if_seq in `fs/xfs/xfs_reflink.c:xfs_reflink_fill_cow_hole()` @ v7.2. */
    xfs_cow_hole_looks_again: () => true,
  },
});
