// What `check` says of single cells: why, how it comes about, and the line that repeats it.
import { thousands } from "../base/thousands.ts";
import { columnName } from "../report/matrix.ts";
import { expectedText, isExpected, type Verdict, verdictText } from "../report/verdict.ts";
import { wrap } from "../report/wrap.ts";
import type { CheckedCell } from "./check-cell.ts";
import { drawCell } from "./draw-cell.ts";

const MB = 1_000_000;
/** A search that took longer says how fast it was. */
const LONG_MS = 5_000;

/**
 * Explains cells one after the other. A diagram that was drawn already, for another kernel, is not drawn again.
 *
 * @param filesOf Files of the user's that a command which repeats the finding must name.
 * @param rules   Of `--rule`, likewise.
 */
export function explainCells(
  cells: readonly CheckedCell[],
  filesOf: (c: CheckedCell) => readonly string[],
  rules: readonly string[],
): string {
  const drawn = new Map<string, string>();
  const again = (c: CheckedCell) => (token: string) => reproduceLine(token, filesOf(c), rules);
  return cells.map((c) => explain(c, again(c), drawn).join("\n")).join("\n\n");
}

function explain(c: CheckedCell, reproduce: (token: string) => string, drawn: Map<string, string>): string[] {
  const { cell, verdict, exploration } = c;
  const column = columnName(verdict);
  const known = cell.scenario.expected?.[column]?.because;
  const reason = known ?? (verdict.verdict === "not-applicable" ? (verdict.detail ?? undefined) : undefined);
  const lines = [
    `${verdict.scenario}, ${column}: ${verdictText(verdict)}`,
    ...(reason === undefined ? [] : wrap(`  ${reason}`, 100, "  ")),
  ];
  if (isExpected(verdict) === false) lines.push(`  NOT as expected: ${expectedText(verdict)}`);
  if (verdict.verdict === "inconclusive") lines.push(`  a bound was reached: ${verdict.bound}`);
  if (verdict.bound !== null || verdict.millis > LONG_MS) lines.push(`  ${effort(verdict)}`);
  for (const note of exploration?.search.notes ?? []) lines.push(...wrap(`  note: ${note}`, 100, "    "));
  const shortest = exploration?.counterexample;
  if (!shortest || !verdict.counterexample) return lines;

  const diagram = drawCell(cell, shortest);
  const body = `${verdict.scenario}${diagram.slice(diagram.indexOf("\n"))}`;
  const same = drawn.get(body);
  lines.push("", same === undefined ? diagram : ` It comes about as on ${same}, above.`, "");
  if (same === undefined) drawn.set(body, column);
  const { steps, preemptions, loop } = shortest;
  const round = loop === null ? "" : ` to the loop of ${loop.length}`;
  const proof = shortest.shortest ? "none shorter" : "a shorter one may exist";
  lines.push(
    ` ${steps} steps${round}, ${preemptions} ${preemptions === 1 ? "preemption" : "preemptions"}; ${proof}.`,
  );
  if (verdict.also.length > 0)
    lines.push(...wrap(` Found as well: ${verdict.also.map(otherText).join("; ")}.`, 100, "   "));
  lines.push(` Reproduce: ${reproduce(verdict.counterexample.replay)}`);
  return lines;
}

const otherText = ({ kind, property }: Verdict["also"][number]): string =>
  kind === "invariant" || kind === "assertion" ? property : `${kind.replaceAll("-", " ")}, ${property}`;

/** What a search took. */
function effort({ states, steps, millis, bytes }: Verdict): string {
  const n = (x: number): string => thousands(Math.round(x));
  const memory = bytes === null ? "" : `, ${n(Math.ceil(bytes / MB))} MB`;
  const seconds = (millis / 1000).toFixed(1);
  return `searched: ${n(states)} states, ${n(steps)} steps in ${seconds} s (${n((states / millis) * 1000)} states/s)${memory}`;
}

/** A command that shows the execution again; files of the user's and rules must be named anew. */
export function reproduceLine(token: string, files: readonly string[], rules: readonly string[]): string {
  const load = files.map((f) => ` --load ${f}`).join("");
  const only = rules.map((r) => ` --rule ${r}`).join("");
  return `pagelife show${load}${only} --replay ${token}`;
}
