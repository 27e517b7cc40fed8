// Which steps a diagram shows: those that touch what another thread changes or what the finding is
// about, and those that sleep or wake.
import type { Cell, See } from "../explore/access.ts";
import type { Step } from "../explore/execution.ts";
import { footprint, mainCells } from "../explore/operation.ts";
import type { Finding } from "../explore/outcome.ts";
import type { Item, Recording } from "./recording.ts";
import { askedOf, changes, changesSomething, looksAt, saysSomething, taken, told } from "./step-facts.ts";

/** Steps that by themselves do not make a story. */
const FEW = 4;

/**
 * What is shown of a recorded execution.
 *
 * @param about The cells that the finding is about.
 * @param loops True for what comes again and again.
 */
export function essentialItems(
  recording: Recording,
  finding: Finding | null,
  about: ReadonlySet<number>,
  loops: (item: Item) => boolean,
): readonly Item[] {
  const { items } = recording;
  const essential = new Set(
    items.filter(
      (i) => matters(i, recording, about) || (loops(i) && finding?.kind === "livelock" && saysSomething(i)),
    ),
  );
  // Where that leaves next to nothing, or of a thread nothing, what is changed is told as well.
  const few = essential.size <= FEW;
  const seen = new Set([...essential].map((i) => i.thread));
  return items.filter((i) => essential.has(i) || ((few || !seen.has(i.thread)) && changesSomething(i)));
}

/** The cells that a finding is about: of those that the execution wrote, and what was last looked at before `fail`. */
export function cellsOfFinding({ execution }: Recording, finding: Finding): Set<number> {
  const seen = new Set<number>();
  const see: See = (cell) => {
    seen.add(cell.id);
    return execution.see(cell);
  };
  if (finding.kind === "invariant") {
    execution.prepared.invariants.find((i) => i.name === finding.property)?.check(see);
  }
  for (const t of finding.threads) {
    const turn = execution.threads[t]?.turn;
    if (turn?.kind === "wants" && turn.op.op === "acquire") turn.op.wait?.condition(see);
  }
  const written = new Set(execution.steps.flatMap((s) => s.writes.map((w) => w.cell)));
  const about = new Set([...seen].filter((id) => written.has(id)));
  if (finding.kind !== "assertion") return about;
  for (const t of finding.threads) for (const cell of lastLook(execution.steps, t)) about.add(cell.id);
  return about;
}

/** What a thread read last: what it then found wrong. */
function lastLook(steps: readonly Step[], thread: number): readonly Cell[] {
  const last = steps.findLast((s) => s.thread === thread && askedOf(s).op === "read");
  return last === undefined ? [] : mainCells(askedOf(last));
}

function matters(item: Item, { execution }: Recording, about: ReadonlySet<number>): boolean {
  if (item.kind === "blocks") return true;
  const op = askedOf(item.step);
  const writes = told(item.step, execution);
  if (op.op === "acquire" || op.note?.quiet === true) {
    return writes.some((w) => about.has(w.cell)) || taken(item.step, execution).length > 0;
  }
  const own = op.note?.text?.(item.step.result);
  if (own !== undefined) return own !== "" || writes.some((w) => about.has(w.cell));
  const meets = (cell: Cell): boolean =>
    execution.steps.some(
      (s) => s.thread !== item.thread && (changes(s, cell) || (changes(item.step, cell) && looksAt(s, cell))),
    );
  // A note of the model that the step leaves as it was is none of its business.
  const changed = (cell: Cell): boolean => item.step.changes.some((w) => w.cell === cell.id);
  const asked = (cell: Cell): boolean => op.op === "read" && cell === op.cell;
  const cells = footprint(op).filter((cell) => !cell.ghost || changed(cell) || asked(cell));
  return cells.some((cell) => about.has(cell.id) || meets(cell));
}
