// The kernel versions, oldest first, each the one before and what changed until then.
import { v5_18 } from "../kernel/base.ts";
import { type Change, type KernelVersion, laterKernel } from "../kernel/kernel.ts";
import { fsdaxLayouts } from "./fsdax-layouts.ts";
import { fsdaxRefcounts } from "./fsdax-refcounts.ts";
import { fsdaxReflink, fsdaxShare } from "./fsdax-reflink.ts";
import { fsdaxTwins } from "./fsdax-twins.ts";
import { folioPut, gupPut } from "./fsdax-wakeup.ts";
import { twins } from "./twins.ts";

/** Linux 6.12: pins are dropped through the hook, and DAX files of XFS may share blocks. */
export const v6_12 = laterKernel("v6.12", v5_18, [gupPut, fsdaxReflink, fsdaxShare]);

/** Linux 7.2: FS-DAX counts are normalised. */
export const v7_2 = laterKernel("v7.2", v6_12, [...fsdaxLayouts, fsdaxRefcounts]);

/** In the order in which they are printed. */
export const kernels: readonly KernelVersion[] = [v5_18, v6_12, v7_2];

/** Every change by name, twins included. */
export const changes: readonly Change[] = [
  folioPut,
  gupPut,
  fsdaxReflink,
  fsdaxShare,
  ...fsdaxLayouts,
  fsdaxRefcounts,
  ...twins,
  ...fsdaxTwins,
];
