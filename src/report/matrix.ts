// The matrix scenario x kernel, and the sentence below it.
import { thousands } from "../base/thousands.ts";
import { type CheckSummary, expectedText, isExpected, type Verdict, verdictText } from "./verdict.ts";

/**
 * Draws the matrix. A cell that is not as expected has an exclamation mark; rules that are
 * broken are named below, since their names are long. Where a scenario has no verdict, what its author did has led to an
 * error, which is told apart.
 */
export function drawMatrix(verdicts: readonly Verdict[]): string {
  const scenarios = [...new Set(verdicts.map((v) => v.scenario))];
  const columns = inOrder([...new Set(verdicts.map(columnName))]);
  const rules = [...new Set(verdicts.flatMap((v) => brokenRule(v) ?? []))];
  const text = (scenario: string, column: string): string => {
    const cell = verdicts.find((v) => v.scenario === scenario && columnName(v) === column);
    if (cell === undefined) return "error";
    const rule = brokenRule(cell);
    const outcome = rule === null ? verdictText(cell) : `breaks [${rules.indexOf(rule) + 1}]`;
    return `${outcome}${isExpected(cell) === false ? ` ! expected ${expectedText(cell)}` : ""}`;
  };
  const rows = [["scenario", ...columns], ...scenarios.map((s) => [s, ...columns.map((c) => text(s, c))])];
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((r) => r[i]?.length ?? 0))) ?? [];
  const lines = rows.map((row) =>
    row
      .map((c, i) => c.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return [...lines, ...rules.map((rule, i) => `[${i + 1}] ${rule}`)].join("\n");
}

/** Kernels by their release: the first scenario may not have come to a verdict on each. */
const inOrder = (columns: readonly string[]): readonly string[] => {
  const releaseOf = (column: string): string => column.split("+", 1)[0] ?? "";
  return columns.toSorted((a, b) => releaseOf(a).localeCompare(releaseOf(b), "en", { numeric: true }));
};

/** The rule that a verdict says is broken, or null. */
const brokenRule = ({ verdict, kind, property }: Verdict): string | null =>
  verdict === "violation" && (kind === "invariant" || kind === "assertion") ? property : null;

/** `v6.12`, with its changes. */
export const columnName = (v: Pick<Verdict, "kernel" | "with">): string => [v.kernel, ...v.with].join("+");

/** Adds up what was found. */
export function summarise(verdicts: readonly Verdict[], status: number, millis: number): CheckSummary {
  return {
    cells: verdicts.length,
    asExpected: verdicts.filter((v) => isExpected(v) === true).length,
    unexpected: verdicts.filter((v) => isExpected(v) === false).length,
    findings: verdicts.filter((v) => isExpected(v) === null && v.verdict === "violation").length,
    inconclusive: verdicts.filter((v) => v.verdict === "inconclusive").length,
    millis,
    status,
  };
}

/** The sentence below the matrix: what came out, and what was covered. */
export function summaryText(s: CheckSummary, verdicts: readonly Verdict[]): string {
  const states = verdicts.reduce((sum, v) => sum + v.states, 0);
  const parts: string[] = [];
  if (s.asExpected > 0) parts.push(`${s.asExpected} as expected`);
  if (s.unexpected > 0) parts.push(`${s.unexpected} NOT as expected (!)`);
  if (s.findings > 0) parts.push(`${s.findings} with a finding`);
  const open = verdicts.filter((v) => isExpected(v) === null && v.verdict === "holds").length;
  if (open > 0) parts.push(`${open} ${open === 1 ? "holds" : "hold"}`);
  const none = verdicts.filter((v) => isExpected(v) === null && v.verdict === "not-applicable").length;
  if (none > 0) parts.push(`${none} not applicable`);
  if (s.inconclusive > 0) parts.push(`${s.inconclusive} inconclusive: a bound was reached`);
  const cells = s.cells === 1 ? "1 cell" : `${s.cells} cells`;
  const covered =
    s.inconclusive === 0 && verdicts.every((v) => v.complete || v.verdict === "not-applicable")
      ? "every interleaving was explored"
      : "not every interleaving was explored";
  const time = (s.millis / 1000).toFixed(1);
  return `${cells}: ${parts.join(", ")}; ${covered} (${thousands(states)} states, ${time} s).`;
}
