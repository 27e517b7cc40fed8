/**
 * `pagelife/kernel`: the implemented subsystem, for scenarios and changes of one's own.
 *
 * @module
 */
export { type Pfn, pfn } from "../base/brand.ts";
export { countsOf, type Mapping, mappersOf, mappings, type PageCounts } from "./counts.ts";
export {
  noteGiven,
  noteTakenAway,
  warnOfDoubleAssociation,
  warnOfForeignMapping,
} from "./fs/dax-associate.ts";
export { marksCell, untilUnlocked } from "./fs/dax-entry.ts";
export { entryCell, lockAndStoreEntries, storeEntries } from "./fs/dax-store.ts";
export { untilIdle } from "./fs/ext4/inode.ts";
export { WARN } from "./include/asm-generic/bug.ts";
export * from "./include/asm-generic/errno-base.ts";
export { type DaxEntry, type DaxMarks, NO_MARKS } from "./include/linux/dax.ts";
export {
  type AddressSpace,
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_UNSHARE_RANGE,
  type FallocMode,
  type FileSystemName,
  type FileSystemType,
  type Inode,
  type Iomap,
  type SuperBlock,
} from "./include/linux/fs.ts";
export { type DevPagemap, MEMORY_DEVICE_FS_DAX, MEMORY_DEVICE_GENERIC } from "./include/linux/memremap.ts";
export {
  folio_nr_pages,
  folio_order,
  folio_page,
  folio_test_large,
  GUP_PIN_COUNTING_BIAS,
  page_folio,
  pfn_to_page,
} from "./include/linux/mm.ts";
export type {
  Folio,
  Geometry,
  MmStruct,
  Page,
  PageMapping,
  Pte,
  UpperEntry,
  VmArea,
  Word0,
} from "./include/linux/mm_types.ts";
export {
  PAGE_MAPPING_DAX_SHARED,
  VM_HUGEPAGE,
  VM_MIXEDMAP,
  VM_NOHUGEPAGE,
  VM_SHARED,
  VM_SYNC,
  VM_WRITE,
} from "./include/linux/mm_types.ts";
export { followPgmap, page_pgmap } from "./include/linux/mmzone.ts";
export * from "./include/linux/page_ref.ts";
export {
  isLeaf,
  pmd_offset,
  pmdOrder,
  pmdPages,
  pmdStart,
  pte_offset,
  pudOrder,
  pudPages,
} from "./include/linux/pgtable.ts";
export * from "./invariants.ts";
export { down_read, down_write, up_read, up_write } from "./kernel/locking/rwsem.ts";
export { spin_lock, spin_unlock } from "./kernel/locking/spinlock.ts";
export { finish_wait, prepare_to_wait, schedule, wake_up } from "./kernel/sched/wait.ts";
export { type Change, change, type Kernel, type KernelCalls, type KernelFunctions } from "./kernel.ts";
export * from "./lib/atomic.ts";
export * from "./liveness.ts";
export {
  FOLL_FAST_ONLY,
  FOLL_GET,
  FOLL_LONGTERM,
  FOLL_PCI_P2PDMA,
  FOLL_PIN,
  FOLL_WRITE,
} from "./mm/gup-flags.ts";
/** The files of the kernel, for the types of their functions. */
export type * as modules from "./modules.ts";
export {
  type Expectation,
  type Scenario,
  type ScenarioThread,
  scenario,
  type Twin,
} from "./scenario.ts";
export { type Blocked, boot, isBlocked, type Machine, type SequentialOptions } from "./sequential.ts";
export {
  addRam,
  cacheTranslation,
  createChild,
  createDevDax,
  createFile,
  createProcess,
  FIRST_DEV_DAX_PFN,
  FIRST_PFN,
  FIRST_RAM,
  mapFile,
  mountDax,
  prepareMapping,
} from "./setup.ts";
export { createP2pmem, mapCoherent, mapPrivate } from "./setup-device.ts";
export { mayFail } from "./setup-errors.ts";
export type { Task, TlbModel, World } from "./world.ts";
