// The scenarios, in the order in which they are printed.

import type { Scenario } from "../kernel/scenario.ts";
import { bystandersVsPunchHole } from "./bystanders-vs-punch-hole.ts";
import { cloneVsPin } from "./clone-vs-pin.ts";
import { collapseRangeVsDirtyPage } from "./collapse-range-vs-dirty-page.ts";
import { collapseRangeVsPin } from "./collapse-range-vs-pin.ts";
import { copyingStoreVsPunchOfSecondFile } from "./copying-store-vs-punch-of-second-file.ts";
import { copyingWriteVsHugeMapping, copyingWriteVsMapping } from "./copying-write-vs-mapping.ts";
import { dontneedAndTouchVsPunchHole } from "./dontneed-and-touch-vs-punch-hole.ts";
import { folioPutVsPunchHole } from "./folio-put-vs-punch-hole.ts";
import { forkVsMunmapOfHugeFusePage } from "./fork-vs-munmap-of-huge-fuse-page.ts";
import { forkVsMunmapOfHugePage } from "./fork-vs-munmap-of-huge-page.ts";
import { forkVsPin } from "./fork-vs-pin.ts";
import { forkVsPunchHole } from "./fork-vs-punch-hole.ts";
import { freezeVsTruncateOfPinnedPage } from "./freeze-vs-truncate-of-pinned-page.ts";
import { fsyncVsPunchHole } from "./fsync-vs-punch-hole.ts";
import { fsyncVsReadFault } from "./fsync-vs-read-fault.ts";
import { fsyncVsStoreBesideHugePage } from "./fsync-vs-store-beside-huge-page.ts";
import { fuseTruncateVsPin } from "./fuse-truncate-vs-pin.ts";
import { gupVsTouch } from "./gup-vs-touch.ts";
import { invalidateVsFaultsOnOneEntry } from "./invalidate-vs-faults-on-one-entry.ts";
import { killDaxVsReadFault, killDaxVsStore } from "./kill-dax-vs-read-fault.ts";
import { killDevDaxVsFault } from "./kill-dev-dax-vs-fault.ts";
import { longtermPinsOfCoherentPage } from "./longterm-pin-vs-longterm-pin-of-coherent-page.ts";
import { longtermPinVsPunchHole } from "./longterm-pin-vs-punch-hole.ts";
import { mapSyncFaultVsWrite } from "./map-sync-fault-vs-write.ts";
import {
  memoryFailureVsReadFaultOnSharedPage,
  memoryFailureVsWriteFaultOnSharedPage,
} from "./memory-failure-vs-fault-on-shared-page.ts";
import { memoryFailureVsLoadOfDeviceDax } from "./memory-failure-vs-load-of-device-dax.ts";
import { memoryFailureVsPunchHole } from "./memory-failure-vs-punch-hole.ts";
import { memoryFailureVsSecondFile } from "./memory-failure-vs-second-file.ts";
import { mmapVsMmapOfP2pmem } from "./mmap-vs-mmap-of-p2pmem.ts";
import { munmapOfPartVsPunchHoleOfHugePage } from "./munmap-of-part-vs-punch-hole-of-huge-page.ts";
import { munmapVsMemoryFailureOfTail } from "./munmap-vs-memory-failure-of-tail.ts";
import { munmapVsMunmap } from "./munmap-vs-munmap.ts";
import { munmapVsPgmapOfTail } from "./munmap-vs-pgmap-of-tail.ts";
import { munmapVsPinOfDeviceDax } from "./munmap-vs-pin-of-device-dax.ts";
import {
  munmapVsPinOfHugePage,
  punchHoleVsPinOfHugePage,
  punchHoleVsPinOfHugePageWithIpi,
} from "./munmap-vs-pin-of-huge-page.ts";
import { munmapVsPunchHole } from "./munmap-vs-punch-hole.ts";
import { munmapVsPunchHoleOfHugePage } from "./munmap-vs-punch-hole-of-huge-page.ts";
import { pinVsMunmapOfP2pmem } from "./pin-vs-munmap-of-p2pmem.ts";
import { punchVsPunchOfSharedExtent } from "./punch-vs-punch-of-shared-extent.ts";
import { readPinVsMunmapOfSecondFile } from "./read-pin-vs-munmap-of-second-file.ts";
import { readPinVsStore } from "./read-pin-vs-store.ts";
import { reclaimVsPin } from "./reclaim-vs-pin.ts";
import { refaultDuringWait } from "./refault-during-wait.ts";
import {
  refaultOfSharedExtentVsUnpin,
  refaultOfSharedHugeExtentVsUnpin,
} from "./refault-of-shared-extent-vs-unpin.ts";
import { sharedLoadVsPunchOfSecondFile } from "./shared-load-vs-punch-of-second-file.ts";
import { staleStoreVsPunchHole } from "./stale-store-vs-punch-hole.ts";
import { staleStoreVsSplitOfHugePage } from "./stale-store-vs-split-of-huge-page.ts";
import { threeInvalidationsVsFault } from "./three-invalidations-vs-fault.ts";
import { truncateVsAllocation } from "./truncate-vs-allocation.ts";
import { truncateVsDirtyHugePage } from "./truncate-vs-dirty-huge-page.ts";
import { truncateVsDirtyPage } from "./truncate-vs-dirty-page.ts";
import { truncateVsGup, truncateVsGupFast } from "./truncate-vs-gup-fast.ts";
import { truncateVsPinOfUnmappedFile } from "./truncate-vs-pin-of-unmapped-file.ts";
import { copyingStoreVsCopyingWrite, storeVsWriteIntoHole } from "./two-allocators.ts";
import { twoFaultsOnDevicePage } from "./two-faults-on-device-page.ts";
import { twoFilesFaultOnSharedExtent } from "./two-files-fault-on-shared-extent.ts";
import { releasePagesVsPunchHole, twoUnpinnersVsPunchHole } from "./two-unpinners-vs-punch-hole.ts";
import { umountVsDirtyPage } from "./umount-vs-dirty-page.ts";
import { umountOfFuseVsPin, umountVsPin } from "./umount-vs-pin.ts";
import {
  unlinkedMappingVsPunchHole,
  unlinkedMappingVsPunchHoleOfFuse,
} from "./unlinked-mapping-vs-punch-hole.ts";
import { unpinVsEvictOfSharedExtent } from "./unpin-vs-evict-of-shared-extent.ts";
import { unpinVsPunchAfterUnshare } from "./unpin-vs-punch-after-unshare.ts";
import { unpinVsPunchHole } from "./unpin-vs-punch-hole.ts";
import { unpinVsPunchOfSharedExtent } from "./unpin-vs-punch-of-shared-extent.ts";
import { writeFaultVsClone } from "./write-fault-vs-clone.ts";
import { writeIntoHoleVsReadFault } from "./write-into-hole-vs-read-fault.ts";

export const catalogue: readonly Scenario[] = [
  unpinVsPunchHole,
  truncateVsGupFast,
  truncateVsGup,
  refaultDuringWait,
  twoUnpinnersVsPunchHole,
  releasePagesVsPunchHole,
  munmapVsMunmap,
  munmapVsPunchHole,
  dontneedAndTouchVsPunchHole,
  munmapVsPunchHoleOfHugePage,
  munmapOfPartVsPunchHoleOfHugePage,
  gupVsTouch,
  bystandersVsPunchHole,
  longtermPinVsPunchHole,
  munmapVsPinOfHugePage,
  punchHoleVsPinOfHugePage,
  punchHoleVsPinOfHugePageWithIpi,
  truncateVsAllocation,
  truncateVsPinOfUnmappedFile,
  fuseTruncateVsPin,
  reclaimVsPin,
  umountVsPin,
  umountOfFuseVsPin,
  forkVsMunmapOfHugePage,
  forkVsMunmapOfHugeFusePage,
  forkVsPin,
  readPinVsStore,
  folioPutVsPunchHole,
  fsyncVsPunchHole,
  unpinVsPunchOfSharedExtent,
  unpinVsPunchAfterUnshare,
  copyingStoreVsPunchOfSecondFile,
  unpinVsEvictOfSharedExtent,
  readPinVsMunmapOfSecondFile,
  truncateVsDirtyPage,
  truncateVsDirtyHugePage,
  collapseRangeVsDirtyPage,
  umountVsDirtyPage,
  fsyncVsReadFault,
  fsyncVsStoreBesideHugePage,
  mapSyncFaultVsWrite,
  writeIntoHoleVsReadFault,
  copyingWriteVsMapping,
  copyingWriteVsHugeMapping,
  copyingStoreVsCopyingWrite,
  storeVsWriteIntoHole,
  refaultOfSharedExtentVsUnpin,
  refaultOfSharedHugeExtentVsUnpin,
  twoFilesFaultOnSharedExtent,
  punchVsPunchOfSharedExtent,
  sharedLoadVsPunchOfSecondFile,
  invalidateVsFaultsOnOneEntry,
  threeInvalidationsVsFault,
  memoryFailureVsPunchHole,
  memoryFailureVsSecondFile,
  munmapVsMemoryFailureOfTail,
  memoryFailureVsWriteFaultOnSharedPage,
  memoryFailureVsReadFaultOnSharedPage,
  killDaxVsReadFault,
  killDaxVsStore,
  freezeVsTruncateOfPinnedPage,
  killDevDaxVsFault,
  munmapVsPinOfDeviceDax,
  munmapVsPgmapOfTail,
  memoryFailureVsLoadOfDeviceDax,
  pinVsMunmapOfP2pmem,
  mmapVsMmapOfP2pmem,
  longtermPinsOfCoherentPage,
  twoFaultsOnDevicePage,
  staleStoreVsPunchHole,
  staleStoreVsSplitOfHugePage,
  unlinkedMappingVsPunchHole,
  unlinkedMappingVsPunchHoleOfFuse,
  collapseRangeVsPin,
  cloneVsPin,
  writeFaultVsClone,
  forkVsPunchHole,
];
