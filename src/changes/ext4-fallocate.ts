// When ext4 breaks the layouts of a file of which a part is to go.
import { ext4_punch_hole_unwritten } from "../kernel/fs/ext4/inode.ts";
import { down_write, up_write } from "../kernel/kernel/locking/rwsem.ts";
import { change } from "../kernel/kernel.ts";
import { READ_ONCE } from "../kernel/lib/atomic.ts";

export const ext4Fallocate = change({
  name: "ext4-fallocate",
  subject: "ext4: move out common parts into ext4_fallocate()",
  source: "series of Z. Yi, merged for v6.14; 6.12.117 of Debian has it",
  about:
    "Before, what is refused, such as a hole beyond the end of the file, was refused at once. Afterwards the layouts of " +
    "the file are broken first: it is unmapped, and its pages are waited for. Before, a punch hole wrote back what was dirty.",
  functions: {
    ext4_punch_hole: ext4_punch_hole_unwritten,

    /** Models `fs/ext4/extents.c:ext4_fallocate()` @ v6.12.117: the layouts are broken before the size is looked at. */
    *ext4_with_layouts_broken(k, inode, refuses, work) {
      const { i_rwsem, i_mapping } = inode;
      yield* down_write(k, i_rwsem);
      yield* down_write(k, i_mapping.invalidate_lock);
      yield* k.ext4_break_layouts(inode);
      const size = yield* READ_ONCE(inode.i_size);
      const refused = refuses(size);
      if (refused === null) yield* work(size);
      yield* up_write(i_mapping.invalidate_lock);
      yield* up_write(i_rwsem);
      return refused ?? 0;
    },
  },
});
