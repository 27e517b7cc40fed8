// Values of options that several commands take.
import { PagelifeError } from "../base/errors.ts";
import type { TlbModel } from "../kernel/world.ts";
import type { MemoryModel } from "./check-cell.ts";

/** Reads `--tlb`. */
export function parseTlb(value: string | undefined): TlbModel | undefined {
  if (value === undefined || value === "ipi" || value === "rcu-table-free") return value;
  throw new PagelifeError("PL105", `--tlb ${value}: expected ipi or rcu-table-free`);
}

/** Reads `--memory`. */
export function parseMemory(value: string | undefined): MemoryModel {
  if (value === undefined || value === "sc" || value === "tso") return value ?? "sc";
  throw new PagelifeError("PL105", `--memory ${value}: expected sc or tso`);
}

/** Reads a number above 0; `20_000_000` is one. */
export function parseCount(option: string, value: string): number {
  const n = Number(value.replaceAll("_", ""));
  if (Number.isFinite(n) && n > 0) return n;
  throw new PagelifeError("PL105", `${option} ${value}: expected a number above 0`);
}
