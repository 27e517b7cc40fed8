// Which faults wait while the blocks of a file are given to another.

import { change } from "../kernel/kernel.ts";
import { READ_ONCE } from "../kernel/lib/atomic.ts";

export const xfsReadFault = change({
  name: "xfs-read-fault",
  subject: "xfs: a function of its own for write faults, xfs_write_fault()",
  source: "between 6.1.192 and 6.12.117, whose sources were read",
  about: "Before, faults that only read waited for the end of a clone as well.",
  functions: {
    /** Models the test of XFS_IREMAPPING in `fs/xfs/xfs_file.c:xfs_write_fault()` @ v6.12. */
    *xfs_fault_waits(_k, inode, writes) {
      return writes && (yield* READ_ONCE(inode.i_remapping));
    },
  },
});
