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

/** True if the scenario expects this; null if it says nothing. */
export function isExpected(v: Verdict): boolean | null {
  if (v.expected === null || v.verdict === "inconclusive") return null;
  return v.expected === (v.verdict === "violation" ? v.kind : v.verdict) && breaks(v, v.expectedRule);
}

/** True if this rule or promise is among those that are broken; always, for none in particular. */
export function breaks({ property, liveness, also }: Verdict, rule: string | null): boolean {
  return (
    rule === null || property === rule || liveness.includes(rule) || also.some((a) => a.property === rule)
  );
}

/** What is expected, in words: `invariant no-pin-on-free-block`. */
export const expectedText = ({ expected, expectedRule }: Verdict): string =>
  [expected, ...(expectedRule === null ? [] : [expectedRule])].join(" ");
