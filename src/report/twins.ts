// What became of changes that break something on purpose, as text and as JSON.
import type { Twin } from "../kernel/scenario.ts";
import { SCHEMA_VERSION, type Verdict, verdictText } from "./verdict.ts";
import { wrap } from "./wrap.ts";

export interface CheckedTwin {
  readonly scenario: string;
  readonly twin: Twin;
  readonly verdict: Verdict;
  readonly asExpected: boolean;
}

/** One paragraph for each twin, and a line that counts them. */
export function twinsText(checked: readonly CheckedTwin[]): string {
  const good = checked.filter((c) => c.asExpected).length;
  const all = `${checked.length} ${checked.length === 1 ? "twin" : "twins"}`;
  return [
    ...checked.flatMap(twinLines),
    "",
    `${all}: ${good} as expected, ${checked.length - good} not.`,
  ].join("\n");
}

function twinLines({ scenario, twin, verdict, asExpected }: CheckedTwin): string[] {
  const { kernel, tlb, change, expect, rule, because } = twin;
  const what = expect === "survives" ? "survives" : `caught: ${verdictText(verdict)}`;
  const outcome = asExpected
    ? what
    : `! ${verdictText(verdict)}, expected ${[expect, rule ?? ""].join(" ").trim()}`;
  const model = tlb === undefined ? "" : ` (${tlb})`;
  return [`${scenario}, ${kernel}${model}, ${change}: ${outcome}`, ...wrap(`  ${because}`, 100, "  ")];
}

/** The record of one twin, for `check --twins --json`. */
export const twinRecordOf = ({ twin, verdict, asExpected }: CheckedTwin): unknown => ({
  type: "twin",
  schemaVersion: SCHEMA_VERSION,
  data: {
    change: twin.change,
    expect: twin.expect,
    rule: twin.rule ?? null,
    because: twin.because,
    asExpected,
    verdict,
  },
});
