// XFS: the AGF, the header of an allocation group. Who has its buffer locked changes, or asks for, who has the blocks of
// the group. Here there is one group for the blocks that files have; a block is always found in another, for an
// allocation that finds an AGF locked goes on to the next group first (XFS_ALLOC_FLAG_TRYLOCK).
// Source: fs/xfs/libxfs/xfs_alloc.c.
import {
  type Applied,
  acquire,
  type Cell,
  type Code,
  type See,
  type StepOptions,
  type Wait,
} from "../../../explore/access.ts";
import type { Value } from "../../../explore/value.ts";
import type { SuperBlock } from "../../include/linux/fs.ts";
import { down_write, type Holders, up_write } from "../../kernel/locking/rwsem.ts";
import type { Kernel } from "../../kernel.ts";

/** Locks the AGF, for more than a step. Models `fs/xfs/libxfs/xfs_alloc.c:xfs_alloc_read_agf()` @ v6.12. */
export function* xfs_alloc_read_agf(k: Kernel, sb: SuperBlock): Code {
  yield* down_write(k, sb.s_agf);
}

/** Models `fs/xfs/xfs_trans_buf.c:xfs_trans_brelse()` @ v6.12, of an AGF. */
export function* xfs_trans_brelse(sb: SuperBlock): Code {
  yield* up_write(sb.s_agf);
}

/** A section with the AGF locked: one step, which can be made while nobody else has it locked. */
export function* agf_locked<R extends Value>(
  sb: SuperBlock,
  cells: readonly Cell[],
  section: (...values: never[]) => Applied<R>,
  options?: StepOptions,
): Code<R> {
  return yield* acquire(
    [sb.s_agf.holders, ...cells],
    (agf: Holders, ...values: never[]) => {
      if (agf.writer !== null) return null;
      const { next, result } = section(...values);
      return { next: [agf, ...next], result };
    },
    { ...options, wait: untilAgfIsFree(sb) },
  );
}

/** What a section with the AGF locked waits for. */
export const untilAgfIsFree = ({ s_agf }: SuperBlock): Wait => ({
  text: s_agf.holders.name,
  condition: (see: See) => see(s_agf.holders).writer === null,
});
