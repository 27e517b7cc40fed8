// Every atomic step of an execution, one line each: for whoever wants to see all of it.
import { mainCells } from "../explore/operation.ts";
import type { Recording } from "./recording.ts";
import { valueText } from "./value-text.ts";

/** Lists all steps: number, thread, function, operation, cells, result and what was written. */
export function listSteps({ execution, items }: Recording): string {
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
    const { result, writes } = item.step;
    const op = item.step.op.asked ?? item.step.op;
    const cells = mainCells(op).map((c) => c.name);
    const wrote = writes.map((w) => `${prepared.cells[w.cell]?.name} = ${valueText(w.value)}`);
    const back = result === undefined ? "" : ` -> ${valueText(result)}`;
    const effect = op.op === "read" || wrote.length === 0 ? "" : `; ${wrote.join(", ")}`;
    const where = item.call?.name ?? "";
    lines.push(
      `${`${item.at}`.padStart(4)}  ${thread}  ${where}: ${op.op} ${cells.join(", ")}${back}${effect}`,
    );
  }
  return lines.join("\n");
}
