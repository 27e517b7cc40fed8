// The recorded workloads, operation by operation: what the real program did, and where it looked at a page. Only the
// pages that it used are there. Moments have the names that the program gave them.
import { devdax, unbindDevdax } from "./device-pages.ts";
import { hole, pmd, reflink, touch, unbind } from "./mapped-pages.ts";
import { odirectRead, punchPinned, punchRefault, vmsplice } from "./pinned-pages.ts";
import type { Workload } from "./workload.ts";

/** By the first part of a recording's name. */
export const workloads: Readonly<Record<string, Workload>> = {
  touch,
  hole,
  pmd,
  odirect_read: odirectRead,
  punch_pinned: punchPinned,
  punch_refault: punchRefault,
  vmsplice_munmap: vmsplice(true),
  vmsplice_punch: vmsplice(false),
  reflink,
  devdax,
  unbind,
  unbind_devdax: unbindDevdax,
};
