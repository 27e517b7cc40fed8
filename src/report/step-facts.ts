// What one step of an execution did, as a diagram needs to know it.
import type { Cell, Operation } from "../explore/access.ts";
import type { Execution, Step } from "../explore/execution.ts";
import { mainCells } from "../explore/operation.ts";
import type { Item } from "./recording.ts";

/** What the thread asked for, whatever a memory model made of it. */
export const askedOf = (step: Step): Operation => step.op.asked ?? step.op;

/** True if a step has a cell as its business, and says so. */
export const looksAt = (step: Step, cell: Cell): boolean =>
  step.op.note?.quiet !== true && mainCells(askedOf(step)).some((c) => c.id === cell.id);

/** True if a step leaves another value in a cell, and says so. */
export const changes = (step: Step, cell: Cell): boolean =>
  askedOf(step).op !== "read" && step.op.note?.quiet !== true && step.changes.some((w) => w.cell === cell.id);

/** False for a step that explains nothing: taking a lock, or reading a constant. */
export const saysSomething = (item: Item): boolean => {
  if (item.kind === "blocks") return true;
  const { op, note } = askedOf(item.step);
  return op !== "acquire" && note?.quiet !== true;
};

/** What a step stores to, but for notes of the model that it leaves as they were: they say nothing. */
export const told = ({ writes, changes: changed }: Step, { prepared }: Execution): Step["writes"] =>
  writes.filter((w) => !prepared.cells[w.cell]?.ghost || changed.some((c) => c.cell === w.cell));

/** True for a step that changes more than a lock. */
export const changesSomething = (item: Item): boolean =>
  item.kind === "step" &&
  saysSomething(item) &&
  askedOf(item.step).op !== "read" &&
  item.step.changes.length > 0;

/** What taking a lock changed that others look at without taking it, as an entry of the page cache. */
export function taken({ thread, op: made, changes: changed }: Step, { steps }: Execution): readonly Cell[] {
  const op = made.asked ?? made;
  if (op.op !== "acquire" || op.blocks === "sleep") return [];
  const looks = (s: Step, cell: Cell): boolean =>
    s.thread !== thread && askedOf(s).op !== "acquire" && looksAt(s, cell);
  return mainCells(op).filter(
    (cell) => !cell.ghost && changed.some((c) => c.cell === cell.id) && steps.some((s) => looks(s, cell)),
  );
}
