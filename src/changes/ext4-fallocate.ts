// When ext4 breaks the layouts of a file of which a part is to go.
import { change } from "../kernel/kernel.ts";

export const ext4Fallocate = change({
  name: "ext4-fallocate",
  subject: "ext4: move out common parts into ext4_fallocate()",
  source: "series of Z. Yi, merged for v6.14; 6.12.117 of Debian has it",
  about:
    "Before, punching a hole beyond the end of the file did nothing. Afterwards the layouts of the file are broken first: " +
    "it is unmapped, and its pages are waited for.",
  functions: {
    /** Models `fs/ext4/extents.c:ext4_fallocate()` @ v6.12.117: the layouts are broken before the size is looked at. */
    *ext4_hole_is_beyond_end() {
      return false;
    },
  },
});
