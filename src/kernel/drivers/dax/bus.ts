// DAX devices going away. Source: drivers/dax/bus.c.
import type { Code } from "../../../explore/access.ts";
import type { Inode } from "../../include/linux/fs.ts";
import type { Kernel } from "../../kernel.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    kill_dev_dax: typeof kill_dev_dax;
  }
}

/**
 * Takes a device from all who map it, for good.
 *
 * Models `drivers/dax/bus.c:kill_dev_dax()` @ v6.12.
 */
export function* kill_dev_dax(k: Kernel, inode: Inode): Code {
  yield* k.kill_dax(inode.i_sb);
  yield* k.unmap_mapping_pages(inode.i_mapping, 0, inode.dev_dax?.pfns.length ?? 0);
}
