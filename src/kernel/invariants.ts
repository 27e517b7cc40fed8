// The rules of a page's life, each by name, so that a scenario says which it watches. A message is one
// sentence with the numbers, the page and the actors. Letters and digits as in docs/invariants.md.
import {
  chargesAddUp,
  countNotBelowIdle,
  heldPageIsReferenced,
  mapcountCountsMappings,
  mapcountWithinCount,
  mappedPageIsReferenced,
  noLongtermPinOfFsdax,
  pinnedAnonPageIsExclusive,
  referencesAddUp,
  rssCountsMappings,
} from "./invariants/counts.ts";
import { badPageIsNotMapped, pooledPageIsUnused } from "./invariants/devices.ts";
import { entryLockIsHeld, referencedFolioStaysInFile } from "./invariants/entries.ts";
import {
  associationsCountEntries,
  mappingShowsBlockOfFile,
  noMappingOfDeadDevice,
  noMappingOfFreeBlock,
  noPinOnFreeBlock,
  noStoreToForeignBlock,
  sharedBlockIsNotWritable,
  unflushedPageIsDirty,
} from "./invariants/files.ts";
import {
  folioHasOnePgmap,
  pgmapIsValid,
  pincountCountsPins,
  pinsArePutAsTaken,
  sharedTailsAreNotWritten,
} from "./invariants/folios.ts";
import type { KernelInvariant } from "./invariants/rule.ts";

export * from "./invariants/counts.ts";
export * from "./invariants/devices.ts";
export * from "./invariants/entries.ts";
export * from "./invariants/files.ts";
export * from "./invariants/folios.ts";
export type { KernelInvariant, ScenarioInvariant } from "./invariants/rule.ts";

/** The kernel's own warnings: what its code says must not be. */
export const noWarning: KernelInvariant = {
  name: "no-warning",
  check: (k, see) => see(k.world.warning),
};

/** All of them. */
export const kernelInvariants: readonly KernelInvariant[] = [
  heldPageIsReferenced,
  referencesAddUp,
  countNotBelowIdle,
  mappedPageIsReferenced,
  mapcountWithinCount,
  mapcountCountsMappings,
  noLongtermPinOfFsdax,
  pinnedAnonPageIsExclusive,
  pincountCountsPins,
  pinsArePutAsTaken,
  rssCountsMappings,
  noPinOnFreeBlock,
  noMappingOfFreeBlock,
  noStoreToForeignBlock,
  sharedBlockIsNotWritable,
  mappingShowsBlockOfFile,
  associationsCountEntries,
  entryLockIsHeld,
  referencedFolioStaysInFile,
  unflushedPageIsDirty,
  noMappingOfDeadDevice,
  pgmapIsValid,
  folioHasOnePgmap,
  sharedTailsAreNotWritten,
  pooledPageIsUnused,
  badPageIsNotMapped,
  chargesAddUp,
  noWarning,
];
