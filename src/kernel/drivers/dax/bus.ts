// DAX devices going away. Source: drivers/dax/bus.c.
import { requireUse } from "../../../base/errors.ts";
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
  const { dev_dax, i_mapping, i_sb, name } = inode;
  requireUse(dev_dax, `kill_dev_dax() takes a DAX device, made by createDevDax(), and was given ${name}`);
  yield* k.kill_dax(i_sb);
  yield* k.unmap_mapping_pages(i_mapping, 0, dev_dax.pfns.length);
}
