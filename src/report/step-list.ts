// Every atomic step of an execution, one line each: for whoever wants to see all of it.
import { mainCells } from "../explore/operation.ts";
import { known, type Recording } from "./recording.ts";
import { valueText } from "./value-text.ts";

/**
 * Lists all steps: number, thread, function, operation, cells, what was seen and what changed.
 *
 * @param shows True for the functions that a reader knows.
 */
export function listSteps({ execution, items }: Recording, shows: (functionName: string) => boolean): string {
  const { prepared } = execution;
  // A memory model adds threads that make stores happen for the others.
  const names = prepared.threads.map((t) => t.name);
  const width = Math.max(...names.map((n) => n.length));
  const lines: string[] = [];
  for (const item of items) {
    const thread = (names[item.thread] ?? "").padEnd(width);
    if (item.kind === "blocks") {
      lines.push(`      ${thread}  <${item.what}>`);
      continue;
    }
    const { result, changes } = item.step;
    const op = item.step.op.asked ?? item.step.op;
    const cells = mainCells(op).flatMap((c, i) => (c.ghost && i > 0 ? [] : [c.name]));
    const changed = changes.map((c) => `${prepared.cells[c.cell]?.name}=${valueText(c.value)}`);
    const back = result === undefined || result === null ? "" : ` -> ${valueText(result)}`;
    const effect = changed.length === 0 ? "" : `: ${changed.join(", ")}`;
    const call = known(item.call, shows);
    const where = call === null ? "" : `${call.name}(): `;
    lines.push(
      `${`${item.at}`.padStart(4)}  ${thread}  ${where}${op.op} ${cells.join(", ")}${back}${effect}`,
    );
  }
  return lines.join("\n");
}
