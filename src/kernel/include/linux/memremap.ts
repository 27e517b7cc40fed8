// Device memory: its kinds, and the range that it is remapped in. Source: include/linux/memremap.h.
import type { Pfn } from "../../../base/brand.ts";
import type { Cell } from "../../../explore/access.ts";
import type { Modelled } from "../../../explore/value.ts";

/** Kinds of device memory. */
export const MEMORY_DEVICE_FS_DAX = "FS_DAX";
export const MEMORY_DEVICE_GENERIC = "GENERIC";
/** Memory that only the device reaches: page tables say where a page is, and a fault brings it back. */
export const MEMORY_DEVICE_PRIVATE = "PRIVATE";
/** From v6.0 on. */
export const MEMORY_DEVICE_COHERENT = "COHERENT";
/** The memory of a PCI device that other devices do DMA to. Programs can map it from v6.2 on. */
export const MEMORY_DEVICE_PCI_P2PDMA = "PCI_P2PDMA";
export type MemoryType =
  | typeof MEMORY_DEVICE_FS_DAX
  | typeof MEMORY_DEVICE_GENERIC
  | typeof MEMORY_DEVICE_PRIVATE
  | typeof MEMORY_DEVICE_COHERENT
  | typeof MEMORY_DEVICE_PCI_P2PDMA;

/** struct dev_pagemap: one remapped range of device memory. */
export interface DevPagemap extends Modelled {
  readonly type: MemoryType;
  /** Order of the folios that the range is made of from the start: 0 but for device-dax. */
  readonly vmemmap_shift: number;
  /** percpu_ref: holds the pgmap, not its pages. */
  readonly ref: Cell<PercpuRef>;
  /** What the driver keeps: the pages that it has given to nobody. Empty where nobody asks a driver for pages. */
  readonly pool: Cell<readonly Pfn[]>;
}

/** struct percpu_ref: `dead` once killed, and then no new reference is given out by tryget_live. */
export interface PercpuRef {
  readonly count: number;
  readonly dead: boolean;
  readonly [field: string]: number | boolean;
}
