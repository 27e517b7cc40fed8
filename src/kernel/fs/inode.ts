// References to inodes that the kernel takes for itself, beside those of who has a file open. Source: fs/inode.c.
import { acquire, type Code, rmw } from "../../explore/access.ts";
import type { Inode } from "../include/linux/fs.ts";
import type { VmArea } from "../include/linux/mm_types.ts";

/**
 * Takes a reference to an inode, so that it is not forgotten meanwhile.
 *
 * Models `fs/inode.c:igrab()` @ v6.12.
 *
 * @returns false if the inode is going away.
 */
export function* igrab({ i_freeing, i_grabs }: Inode): Code<boolean> {
  return yield* rmw(
    [i_freeing, i_grabs],
    (freeing: boolean, grabs: number) => ({ next: [freeing, freeing ? grabs : grabs + 1], result: !freeing }),
    { note: { quiet: true } },
  );
}

/**
 * Gives the reference of igrab() back.
 *
 * Models `fs/inode.c:iput()` @ v6.12. Simplified: the last one to have a reference forgets the inode; here evict() waits
 * until nobody has one, and does.
 */
export function* iput({ i_grabs }: Inode): Code {
  yield* rmw([i_grabs], (grabs: number) => ({ next: [grabs - 1], result: null }), { note: { quiet: true } });
}

/**
 * Sets I_FREEING, once nobody has a reference of igrab() any more, nor writes the inode back.
 *
 * @returns whether a process maps the file, whether it was set before, and whether the file has a name.
 */
export function* beginToForget({
  name,
  i_freeing,
  i_grabs,
  i_nlink,
  i_mapping,
}: Inode): Code<readonly boolean[]> {
  return yield* acquire(
    [i_freeing, i_grabs, i_nlink, i_mapping.i_mmap],
    (freeing: boolean, grabs: number, nlink: number, vmas: readonly VmArea[]) =>
      grabs > 0 ? null : { next: [true, grabs, nlink, vmas], result: [vmas.length > 0, freeing, nlink > 0] },
    {
      wait: { text: `the last iput() of ${name}`, condition: (see) => see(i_grabs) === 0 },
      note: { quiet: true },
    },
  );
}
