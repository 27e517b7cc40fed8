// What the steps of a diagram say, in a few words.
import type { Cell } from "../explore/access.ts";
import type { Execution, Step } from "../explore/execution.ts";
import { mainCells } from "../explore/operation.ts";
import type { Call, Item } from "./recording.ts";
import { askedOf, changes, taken, told } from "./step-facts.ts";
import { argumentText, cellName, longCellName, valueText } from "./value-text.ts";

/** Parameters that say something to a reader who does not see the code. */
const TELLING = new Set(["refs", "nr"]);

/** `folio_put_refs(1024)`. */
export function callText({ name, params, args }: Call): string {
  const shown = args.filter((_, i) => TELLING.has(params[i] ?? "")).map(argumentText);
  return `${name}(${shown.filter((a) => a !== null).join(", ")})`;
}

/** The texts of one diagram. A cell is named in short, unless another one that is drawn has the same short name. */
export class StepTexts {
  readonly #execution: Execution;
  readonly #about: ReadonlySet<number>;
  readonly #ambiguous: ReadonlySet<string>;

  /**
   * @param about Cells that have the right margin for themselves.
   * @param items What is drawn.
   */
  constructor(execution: Execution, about: ReadonlySet<number>, items: readonly Item[]) {
    this.#execution = execution;
    this.#about = about;
    const named = new Map<string, number>();
    const ambiguous = new Set<string>();
    for (const cell of items.flatMap((i) => (i.kind === "step" ? this.#namedBy(i.step) : []))) {
      const short = cellName(cell);
      if ((named.get(short) ?? cell.id) !== cell.id) ambiguous.add(short);
      named.set(short, cell.id);
    }
    this.#ambiguous = ambiguous;
  }

  /** What these steps of one call did; the effect on what the finding is about stands in the margin alone. */
  textOf(items: readonly Item[]): string {
    return items
      .map((item, i) => this.#itemText(item, items.slice(i + 1)))
      .filter((text) => text !== "")
      .join(", ");
  }

  /** What the cells that the finding is about hold after these steps, where they were written. */
  marginOf(items: readonly Item[]): string {
    const last = new Map<number, string>();
    for (const item of items) {
      if (item.kind !== "step" || askedOf(item.step).op === "read") continue;
      if (item.step.op.note?.text !== undefined) continue;
      for (const { cell: id, value } of told(item.step, this.#execution)) {
        const cell = this.#execution.prepared.cells[id];
        if (this.#about.has(id) && cell !== undefined) last.set(id, this.#equation(cell, value));
      }
    }
    return [...last.values()].join(" ");
  }

  /** The cells that the text of a step may name. */
  #namedBy(step: Step): readonly Cell[] {
    const op = askedOf(step);
    const inMargin = told(step, this.#execution).flatMap((w) => {
      const cell = this.#execution.prepared.cells[w.cell];
      return cell !== undefined && this.#about.has(w.cell) ? [cell] : [];
    });
    if (op.op === "acquire") return [...taken(step, this.#execution), ...inMargin];
    return [...mainCells(op).slice(0, 1), ...inMargin];
  }

  #equation(cell: Cell, value: unknown): string {
    const short = cellName(cell);
    return `${this.#ambiguous.has(short) ? longCellName(cell) : short}=${valueText(value)}`;
  }

  #itemText(item: Item, later: readonly Item[]): string {
    if (item.kind === "blocks") return `<${item.what}>`;
    const { step } = item;
    const op = askedOf(step);
    if (step.op.op === "acquire" && op === step.op) return this.#acquireText(step);
    const [cell] = mainCells(op);
    // What is changed next, within the same call, need not be told.
    const replaced = (i: Item): boolean => i.kind === "step" && cell !== undefined && changes(i.step, cell);
    if (op.op === "read" && op.note?.text === undefined && later.some(replaced)) return "";
    const inMargin =
      op.op !== "read" &&
      mainCells(op).some(
        (c) => this.#about.has(c.id) && told(step, this.#execution).some((w) => w.cell === c.id),
      ) &&
      op.note?.text === undefined;
    return inMargin ? "" : this.#stepText(step);
  }

  /** An entry that was locked, or a store that was buffered until now; nothing for a mere lock. */
  #acquireText(step: Step): string {
    const texts = taken(step, this.#execution)
      .filter((c) => !this.#about.has(c.id))
      .map((c) => this.#equation(c, step.changes.find((w) => w.cell === c.id)?.value));
    const stored = step.op.op === "acquire" && step.op.more !== undefined && step.writes.length > 1;
    return [...(stored ? ["<a store reaches memory>"] : []), ...texts].join(", ");
  }

  #stepText(step: Step): string {
    const { result, writes } = step;
    const op = askedOf(step);
    const own = op.note?.text?.(result);
    if (own !== undefined) return own;
    const [cell] = mainCells(op);
    if (cell === undefined) return "";
    if (op.op === "read") return `sees ${this.#equation(cell, result)}`;
    const write = writes.find((w) => w.cell === cell.id);
    if (op.op === "rmw" && step.changes.length === 0) return `sees ${this.#equation(cell, write?.value)}`;
    if (op.op === "write" && write === undefined) return `${this.#equation(cell, op.value)} (buffered)`;
    return write === undefined ? "" : this.#equation(cell, write.value);
  }
}
