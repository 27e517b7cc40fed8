// The kernel versions, oldest first, each the one before and what changed until then.
import { v5_10 } from "../kernel/base.ts";
import { type Change, type KernelVersion, laterKernel } from "../kernel/kernel.ts";
import { daxFolioResetOrder } from "./dax-folio-reset-order.ts";
import { daxMappingEndsFlushed, mixedmapEndsFlushed } from "./dax-mapping-ends-flushed.ts";
import { daxMkcleanRange } from "./dax-mkclean-range.ts";
import { daxResetKeepsPgmap } from "./dax-reset-keeps-pgmap.ts";
import { daxWakeAll } from "./dax-wake-all.ts";
import {
  devDaxCompound,
  devDaxPgoff,
  devDaxPgoffUp,
  deviceCoherent,
  gupLongtermCount,
  gupLongtermList,
} from "./device-dax.ts";
import {
  devicePrivateFaultRef,
  devicePrivateTrylock,
  devicePrivateWait,
  devicePrivateZero,
  hmmFaultOom,
  migrateLocksOnce,
  migrationWaitNoRef,
  zoneDeviceRefcount,
} from "./device-private.ts";
import { deviceTwins } from "./device-twins.ts";
import { ext4Fallocate } from "./ext4-fallocate.ts";
import { failureOfTail } from "./failure-of-tail.ts";
import { freezeHolders, thawAsksWho } from "./freeze-holders.ts";
import { fsdaxLayouts } from "./fsdax-layouts.ts";
import { fuseEvictWaits, scanLooksAgain } from "./fsdax-layouts-mended.ts";
import { noExtraReference } from "./fsdax-no-extra-reference.ts";
import { pmdMarkedSpecial, pmdNotSpecial } from "./fsdax-pmd.ts";
import { fsdaxRefcounts } from "./fsdax-refcounts.ts";
import { daxPreRemove, fsdaxReflink, fsdaxShare } from "./fsdax-reflink.ts";
import { fsdaxTwins } from "./fsdax-twins.ts";
import { folioPut, gupPut } from "./fsdax-wakeup.ts";
import {
  gupArguments,
  gupFolioAllowed,
  gupForkSeq,
  gupHeadRecheck,
  gupLongtermEarly,
  gupPmdRecheck,
  gupPutFolio,
  gupTryGrab,
} from "./gup-history.ts";
import { gupTwins } from "./gup-twins.ts";
import { anonExclusive, gupUnshare, gupUnshareFiles } from "./gup-unshare.ts";
import { mmTwins } from "./mm-twins.ts";
import { gupLongtermFiles, p2pdmaMmap, p2pmemMmapFails } from "./p2pdma.ts";
import { stuckWaitRemedies } from "./stuck-wait.ts";
import { twins } from "./twins.ts";
import { vmaSplitPrepared } from "./vma-split.ts";
import { xfsCowHole } from "./xfs-cow-hole.ts";
import { xfsNotifyWithoutAgf } from "./xfs-notify-without-agf.ts";
import { xfsReadFault } from "./xfs-read-fault.ts";
import { zapPmdAgain } from "./zap-pmd-again.ts";
import { zapWaitsForPmdLock } from "./zap-sync.ts";

/**
 * Linux 5.18: folios, of which DAX devices are made from the start; and gup_put_folio() drops pins without the hook
 * that wakes those who wait for 1.
 */
export const v5_18 = laterKernel("v5.18", v5_10, [
  gupForkSeq,
  gupLongtermEarly,
  daxWakeAll,
  gupHeadRecheck,
  devDaxCompound,
  devDaxPgoffUp,
  migrationWaitNoRef,
  migrateLocksOnce,
  zoneDeviceRefcount,
  gupPutFolio,
]);

/**
 * Linux 6.1: pins are dropped through the hook again, DAX files of XFS may share blocks,
 * and there is coherent device memory.
 */
export const v6_1 = laterKernel("v6.1", v5_18, [
  daxMkcleanRange,
  mixedmapEndsFlushed,
  gupPut,
  anonExclusive,
  gupUnshare,
  fsdaxReflink,
  gupPmdRecheck,
  deviceCoherent,
  devicePrivateZero,
  devicePrivateFaultRef,
]);

/** Linux 6.12: shared blocks are counted right. */
export const v6_12 = laterKernel("v6.12", v6_1, [
  fsdaxShare,
  daxPreRemove,
  gupFolioAllowed,
  gupUnshareFiles,
  p2pdmaMmap,
  gupArguments,
  gupLongtermFiles,
  gupTryGrab,
  ext4Fallocate,
  freezeHolders,
  xfsReadFault,
  vmaSplitPrepared,
  zapPmdAgain,
  devDaxPgoff,
]);

/** Linux 6.15: FS-DAX counts are normalised; entries of PMDs are marked special by mistake. */
export const v6_15 = laterKernel("v6.15", v6_12, [
  ...fsdaxLayouts,
  fsdaxRefcounts,
  pmdMarkedSpecial,
  devicePrivateTrylock,
  gupLongtermList,
]);

/** Linux 7.2. */
export const v7_2 = laterKernel("v7.2", v6_15, [
  scanLooksAgain,
  fuseEvictWaits,
  pmdNotSpecial,
  thawAsksWho,
  daxFolioResetOrder,
  xfsCowHole,
  devicePrivateWait,
  hmmFaultOom,
  p2pmemMmapFails,
  gupLongtermCount,
]);

/** Where a kernel is not the release .0 that it is named after. */
export const exceptions: readonly string[] = [
  "v5.10 unmaps for a bad page what surrounds it, as 5.10.262 of Debian does; 5.10.0 unmaps more behind it",
  "v5.10, v5.18 and v6.1 count no pin of the page of zeroes, as 6.1.192 of Debian does (c8070b787519, v6.5)",
  "v6.1 lets files be read while they are cloned, as 6.1.192 of Debian does (14a537983b22, of v6.7)",
  "v6.1 has dax_file_unshare(), as 6.1.192 of Debian does, and 6.0 does not",
  "v6.12 has ext4-fallocate, as 6.12.117 of Debian does, and 6.12.0 does not",
  "v6.1 has no device-dax-pgoff, which 6.1.192 does have",
  "v6.1 and v6.12 have no xfs-cow-hole, which 6.1.192 and 6.12.117 do have",
  "v7.2 has xfs-cow-hole, as 7.2.13 of Debian does; 7.2.0 was not read",
];

/** In the order in which they are printed. */
export const kernels: readonly KernelVersion[] = [v5_10, v5_18, v6_1, v6_12, v6_15, v7_2];

/** Every change by name, twins included: those that the newest kernel is made of first. */
export const changes: readonly Change[] = [
  ...v7_2.layers.flatMap((l) => l.change ?? []),
  folioPut,
  noExtraReference,
  ...stuckWaitRemedies,
  zapWaitsForPmdLock,
  xfsNotifyWithoutAgf,
  failureOfTail,
  daxMappingEndsFlushed,
  daxResetKeepsPgmap,
  ...twins,
  ...mmTwins,
  ...gupTwins,
  ...fsdaxTwins,
  ...deviceTwins,
];
