// The verdict on one scenario and one kernel, as data: what `check --json` prints (`verdict-schema.ts`).
import type { z } from "zod";
import type { summaryRecord, verdictRecord } from "./verdict-schema.ts";

/** Version of the records; raised when a field changes its meaning or goes. */
export const SCHEMA_VERSION = 1;

export type Verdict = z.infer<typeof verdictRecord>["data"];
export type CheckSummary = z.infer<typeof summaryRecord>["data"];

/** What a cell of the matrix says: `holds`, `missed wakeup`, the name of a broken rule. */
export function verdictText({ verdict, kind, property }: Verdict): string {
  if (verdict !== "violation") return verdict === "not-applicable" ? "-" : verdict;
  return kind === "invariant" || kind === "assertion"
    ? (property ?? kind)
    : (kind ?? "").replaceAll("-", " ");
}

/** True if the catalogue expects this; null if it says nothing. */
export function isExpected({ verdict, kind, expected }: Verdict): boolean | null {
  if (expected === null || verdict === "inconclusive") return null;
  return expected === (verdict === "violation" ? kind : verdict);
}
