// What the machine has while a scenario runs: memory map, tasks and their CPUs, and the tables that
// the kernel keeps as globals. Made before the scenario's setup; it never changes but for its cells.
import type { Pfn } from "../base/brand.ts";
import { type Cell, cell, ghostCell, modelled } from "../explore/access.ts";
import type { Modelled } from "../explore/value.ts";
import type { SuperBlock } from "./include/linux/fs.ts";
import type { DevPagemap } from "./include/linux/memremap.ts";
import { type Geometry, type MmStruct, newZeroPage, type Page } from "./include/linux/mm_types.ts";
import type { QueueEntry } from "./kernel/sched/wait.ts";

/**
 * Does a TLB flush wait for CPUs that walk page tables with interrupts off? `ipi`: it does, as on x86,
 * where it interrupts them. `rcu-table-free`: it does not, as on arm64, where tables are freed by RCU.
 */
export type TlbModel = "ipi" | "rcu-table-free";

/** A thread of the scenario, as the kernel knows it. */
export interface Task extends Modelled {
  readonly name: string;
  readonly cpu: number;
  /** Set once setup has made it; null for a kernel thread. */
  mm: MmStruct | null;
  /** False from the moment it prepares to sleep until somebody wakes it. */
  readonly woken: Cell<boolean>;
  /** True while its CPU has interrupts off. */
  readonly irqs_off: Cell<boolean>;
  /** CPUs, by task name, whose answer to a TLB flush of this task is outstanding. */
  readonly ipi_pending: Cell<readonly string[]>;
}

export interface World {
  readonly tlb: TlbModel;
  readonly geometry: Geometry;
  readonly tasks: readonly Task[];
  /** struct pages by page frame number; grows in setup only. */
  readonly mem_map: Map<Pfn, Page>;
  /** The pgmap of each page frame of device memory, one cell for each range; grows in setup only. */
  readonly pgmap_array: Map<Pfn, Cell<DevPagemap | null>>;
  /** Pages of ordinary memory that nobody has, lowest first. */
  readonly free_ram: Cell<readonly Pfn[]>;
  /** Pages charged to the control group, of which there is one. */
  readonly memcg_usage: Cell<number>;
  readonly zero_page: Page;
  /** What a hole as large as a PMD entry is read from. */
  readonly huge_zero_page: Page;
  /** Wait queues of wait_var_event(), all in one table, first in first out. */
  readonly bit_wait_table: Cell<readonly QueueEntry[]>;
  /** Wait queues of DAX entry locks. */
  readonly dax_wait_table: Cell<readonly QueueEntry[]>;
  /** Ghost state: the first warning that the kernel gave, or null. */
  readonly warning: Cell<string | null>;
  /** Ghost state: the first store through a cached translation that reached a block of somebody else, or null. */
  readonly foreign_store: Cell<string | null>;
  /** Every mm that setup made, so that invariants can look at all page tables. */
  readonly mms: MmStruct[];
  /** Every file system that setup made, likewise. */
  readonly super_blocks: SuperBlock[];
}

/** The tables of x86-64 and arm64. */
export const GEOMETRY: Geometry = { PTRS_PER_PTE: 512, PTRS_PER_PMD: 512 };

/** The task in which setup runs. */
export const SETUP = "setup";

/** Makes the machine for a scenario with these threads. Only within setup. */
export function newWorld(
  threads: readonly { readonly name: string; readonly cpu: number }[],
  tlb: TlbModel,
  geometry: Geometry = GEOMETRY,
): World {
  const tasks = [{ name: SETUP, cpu: 0 }, ...threads].map(
    ({ name, cpu }): Task =>
      modelled("task", {
        name,
        cpu,
        mm: null,
        woken: cell(`${name}.woken`, false),
        irqs_off: cell(`${name}.irqs_off`, false),
        ipi_pending: cell<readonly string[]>(`${name}.ipi_pending`, []),
      }),
  );
  return modelled("world", {
    tlb,
    geometry,
    tasks,
    mem_map: new Map(),
    pgmap_array: new Map(),
    free_ram: cell<readonly Pfn[]>("free_ram", []),
    memcg_usage: cell("memcg.usage", 0),
    zero_page: newZeroPage(0),
    huge_zero_page: newZeroPage(1),
    bit_wait_table: cell<readonly QueueEntry[]>("bit_wait_table", []),
    dax_wait_table: cell<readonly QueueEntry[]>("dax_wait_table", []),
    warning: ghostCell<string | null>("warning", null),
    foreign_store: ghostCell<string | null>("foreign_store", null),
    mms: [],
    super_blocks: [],
  });
}
