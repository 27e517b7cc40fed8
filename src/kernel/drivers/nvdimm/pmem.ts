// Persistent memory. Source: drivers/nvdimm/pmem.c.

import type { Pfn } from "../../../base/brand.ts";
import type { Code } from "../../../explore/access.ts";
import { EOPNOTSUPP } from "../../include/asm-generic/errno-base.ts";
import type { Kernel } from "../../kernel.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    pmem_pagemap_memory_failure: typeof pmem_pagemap_memory_failure;
  }
}

/**
 * What the driver does about a bad page: in v5.18 nothing, it has no such operation.
 *
 * Models the absence of `drivers/nvdimm/pmem.c:pmem_pagemap_memory_failure()` @ v5.18.
 */
export function* pmem_pagemap_memory_failure(_k: Kernel, _pfn: Pfn): Code<number> {
  return -EOPNOTSUPP;
}
