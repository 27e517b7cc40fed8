// What is known of the kernel that shall be recorded. The command line gathers it; nothing here looks.
import type { Btf } from "./btf.ts";

export interface KernelFacts {
  /** `uname -r`. */
  readonly release: string;
  readonly root: boolean;
  /** Where tracefs is mounted; null if it is not, or cannot be read. */
  readonly tracefs: string | null;
  /** Names of functions that can be probed; null if they could not be read. */
  readonly functions: ReadonlySet<string> | null;
  readonly btf: Btf | null;
  /** `page_ref:*` tracepoints (CONFIG_DEBUG_PAGE_REF); null if that could not be found out. */
  readonly pageRef: boolean | null;
  readonly fsDax: boolean | null;
  /** CONFIG_NODES_SHIFT; null if the configuration could not be read. */
  readonly nodesShift: number | null;
  /** NUMA nodes. */
  readonly nodes: readonly number[];
  readonly tools: readonly Tool[];
  /** Physical ranges of persistent memory, as pages: from /proc/iomem. */
  readonly pmem: readonly (readonly [number, number])[];
}

export const recordTools = ["trace-cmd", "perf", "bpftrace", "tracefs"] as const;
export type Tool = (typeof recordTools)[number];
