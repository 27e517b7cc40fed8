// Pages of ZONE_DEVICE have its number in the upper bits of their flags, below the node. So probes can be
// filtered without knowing where the memory map lies.
// Source: include/linux/page-flags-layout.h (x86-64 and arm64 with a virtual memory map)
import type { KernelFacts } from "./kernel-facts.ts";

export interface ZoneFilter {
  /** How far to the right the flags are shifted to leave node and zone. */
  readonly shift: number;
  /** What is left of the flags of a page of ZONE_DEVICE, for each node. */
  readonly values: readonly bigint[];
}

/** More nodes would make a filter that kernels refuse as too long. */
const MAX_NODES = 8;

/** @returns the filter, or why there is none. */
export function zoneFilterOf(facts: KernelFacts): ZoneFilter | string {
  const zone = facts.btf?.enumerator("zone_type", "ZONE_DEVICE") ?? null;
  const zones = facts.btf?.enumerator("zone_type", "__MAX_NR_ZONES") ?? null;
  if (zone === null || zones === null) return "the number of ZONE_DEVICE is not known without BTF";
  if (facts.nodesShift === null) {
    return "CONFIG_NODES_SHIFT is not known (no /proc/config.gz, /boot/config-* or /lib/modules/*/config)";
  }
  if (facts.nodes.length > MAX_NODES) return `there are more than ${MAX_NODES} NUMA nodes`;
  const width = zones <= 2 ? 1 : zones <= 4 ? 2 : 3;
  return {
    shift: 64 - facts.nodesShift - width,
    values: facts.nodes.map((node) => (BigInt(node) << BigInt(width)) | BigInt(zone)),
  };
}

/** As a filter of trace events, which cannot shift. */
export function asEventFilter(zone: ZoneFilter): string {
  const shift = BigInt(zone.shift);
  const parts = zone.values.map((value) => {
    const from = BigInt.asUintN(64, value << shift);
    return `flags >= 0x${from.toString(16)} && flags <= 0x${(from + (1n << shift) - 1n).toString(16)}`;
  });
  return parts.length === 1 ? (parts[0] ?? "") : parts.map((p) => `(${p})`).join(" || ");
}

/** As a predicate of bpftrace. @param flags The expression for a page's flags. */
export function asPredicate(zone: ZoneFilter, flags: string): string {
  return zone.values.map((value) => `(${flags} >> ${zone.shift}) == ${value}`).join(" || ");
}
