// The entries that a DAX file has in the page cache, and the devices under them. Source: include/linux/dax.h,
// fs/dax.c, drivers/dax/dax-private.h.
import type { Pfn } from "../../../base/brand.ts";
import type { Cell } from "../../../explore/access.ts";
import type { Modelled } from "../../../explore/value.ts";
import type { DevPagemap } from "./memremap.ts";

/** A DAX entry of the page cache: a value entry in `i_pages`. `null` is no entry. */
export interface DaxEntry {
  /** `empty` is a lock placeholder, `zero` a hole that is mapped to the zero page. */
  readonly kind: "normal" | "empty" | "zero";
  /** First page frame; 0 if none. */
  readonly pfn: number;
  /** DAX_PMD: stands for as many pages of the file as a PMD entry maps, from an aligned one on. */
  readonly pmd: boolean;
  /** Somebody works on the entry, or on the page behind it; others wait. */
  readonly locked: boolean;
  readonly [field: string]: string | number | boolean;
}

/** PAGECACHE_TAG_DIRTY and PAGECACHE_TAG_TOWRITE of one index. */
export interface DaxMarks {
  readonly dirty: boolean;
  readonly towrite: boolean;
  readonly [field: string]: boolean;
}

export const NO_MARKS: DaxMarks = { dirty: false, towrite: false };

/** struct dev_dax: memory that programs map as a device, without a file system. */
export interface DevDax extends Modelled {
  /** In pages: every entry maps as many, and every mapping begins at a multiple. 1, or what a PMD or PUD entry maps. */
  readonly align: number;
  readonly pgmap: DevPagemap;
  readonly pfns: readonly Pfn[];
}

/** struct dax_device: the memory under a file system. */
export interface DaxDevice extends Modelled {
  readonly pfns: readonly Pfn[];
  /** DAXDEV_ALIVE. */
  readonly alive: Cell<boolean>;
  /** Whether the holder wants to be told of failures: holder_ops. */
  readonly holder_ops: Cell<boolean>;
  /** Who is in a section of dax_read_lock(). */
  readonly dax_srcu: Cell<readonly string[]>;
  /** Whom synchronize_srcu() still waits for. */
  readonly srcu_pending: Cell<readonly string[]>;
}
