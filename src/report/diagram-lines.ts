// What the lines of a diagram say. Drawn are the steps that matter: those that touch what another
// thread changes, and those that sleep or wake; and of the calls around them the innermost, its caller,
// and wherever several meet.
import type { Cell, Operation, See } from "../explore/access.ts";
import type { Step } from "../explore/execution.ts";
import { footprint, mainCells } from "../explore/operation.ts";
import type { Finding } from "../explore/outcome.ts";
import type { Call, Item, Recording } from "./recording.ts";
import { argumentText, cellName, valueText } from "./value-text.ts";

/** One line of a diagram. */
export interface DiagramLine {
  readonly thread: number;
  readonly text: string;
  readonly margin: string;
  /** True if it comes again and again. */
  readonly loops: boolean;
}

/**
 * The lines of a recorded execution that ends in a finding, or completes.
 *
 * @param loopFrom The last step before those that come again and again; null if none do.
 * @param shows    True for the functions that a reader knows.
 */
export function diagramLines(
  recording: Recording,
  finding: Finding | null,
  loopFrom: number | null,
  shows: (functionName: string) => boolean,
): DiagramLine[] {
  const about = finding === null ? new Set<number>() : cellsOfFinding(recording, finding);
  const loops = (i: Item): boolean => loopFrom !== null && i.kind === "step" && i.at > loopFrom;
  const items = recording.items.filter(
    (i) => matters(i, recording, about) || (loops(i) && finding?.kind === "livelock" && saysSomething(i)),
  );
  return linesOf(items, shows, about, recording, loops);
}

/** The cells that the finding is about, of those that the execution wrote. */
function cellsOfFinding({ execution }: Recording, finding: Finding): Set<number> {
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
  return new Set([...seen].filter((id) => written.has(id)));
}

/** True for what a reader must see to follow: see the head of this file. */
function matters(item: Item, { execution }: Recording, about: ReadonlySet<number>): boolean {
  if (item.kind === "blocks") return true;
  const op = askedOf(item.step);
  const { writes } = item.step;
  if (op.op === "acquire" || op.note?.quiet === true) {
    return writes.some((w) => about.has(w.cell));
  }
  const own = op.note?.text?.(item.step.result);
  if (own !== undefined) return own !== "" || writes.some((w) => about.has(w.cell));
  return [...footprint(op)].some(
    (cell) =>
      about.has(cell.id) ||
      execution.steps.some(
        (s) =>
          s.thread !== item.thread && (changes(s, cell) || (changes(item.step, cell) && looksAt(s, cell))),
      ),
  );
}

/** False for a step that explains nothing: taking a lock, or reading a constant. */
const saysSomething = (item: Item): boolean => {
  if (item.kind === "blocks") return true;
  const { op, note } = askedOf(item.step);
  return op !== "acquire" && note?.quiet !== true;
};

const looksAt = (step: Step, cell: Cell): boolean =>
  step.op.note?.quiet !== true && mainCells(askedOf(step)).some((c) => c.id === cell.id);

/** What the thread asked for, whatever a memory model made of it. */
const askedOf = (step: Step): Operation => step.op.asked ?? step.op;

const changes = (step: Step, cell: Cell): boolean =>
  askedOf(step).op !== "read" && step.op.note?.quiet !== true && step.writes.some((w) => w.cell === cell.id);

/** What one call did before another had its turn, or before the thread was interrupted. */
interface Group {
  readonly thread: number;
  readonly leaf: Call | null;
  readonly items: Item[];
}

/**
 * The lines of all threads. Each thread begins with the call that all it does is part of; below it
 * stand the innermost calls that a reader knows, with what they saw and changed.
 */
function linesOf(
  items: readonly Item[],
  shows: (name: string) => boolean,
  about: ReadonlySet<number>,
  { execution }: Recording,
  loops: (item: Item) => boolean,
): DiagramLine[] {
  const groups: Group[] = [];
  const { threads } = execution.prepared;
  for (const item of items) {
    if (threads[item.thread]?.hidden) {
      const owner = threads.findIndex((t) => threads[item.thread]?.title === `stores of ${t.title}`);
      groups.push({ thread: owner, leaf: null, items: [item] });
      continue;
    }
    const leaf = known(item.call, shows);
    const last = groups.at(-1);
    const sleeps = item.kind === "blocks";
    const same =
      last?.thread === item.thread && last.leaf === leaf && loops(last.items[0] as Item) === loops(item);
    if (last !== undefined && same && !sleeps) last.items.push(item);
    else groups.push({ thread: item.thread, leaf, items: [item] });
  }
  const roots = execution.threads.map((_, t) =>
    rootOf(
      groups.filter((g) => g.thread === t),
      shows,
    ),
  );
  const begun = new Set<number>();
  const lines: DiagramLine[] = [];
  for (const { thread, leaf, items: own } of groups) {
    const again = loops(own[0] as Item);
    const root = roots[thread] ?? null;
    if (root !== null && !begun.has(thread)) {
      begun.add(thread);
      lines.push({ thread, text: callText(root), margin: "", loops: again });
    }
    const texts = own.map((i, at) => itemText(i, own.slice(at + 1), about)).filter((t) => t !== "");
    const call = leaf === null || leaf === root || own[0]?.kind === "blocks" ? "" : callText(leaf);
    const text = [call, texts.join(", ")].filter((t) => t !== "").join(": ");
    const margin = marginOf(own, about, execution);
    lines.push({
      thread,
      text: `${root === null ? "" : "  "}${text || `changes ${margin.split("=")[0]}`}`,
      margin,
      loops: again,
    });
  }
  return lines;
}

/** The innermost call that a reader knows. */
function known(call: Call | null, shows: (name: string) => boolean): Call | null {
  for (let c = call; c !== null; c = c.parent) if (shows(c.name)) return c;
  return null;
}

/** The innermost call that all groups are part of; above a single one, its caller. */
function rootOf(groups: readonly Group[], shows: (name: string) => boolean): Call | null {
  const leaves = [...new Set(groups.map((g) => g.leaf).filter((l) => l !== null))];
  const [first = null] = leaves;
  if (leaves.length === 1) return first === null ? null : (known(first.parent, shows) ?? first);
  for (let c = first; c !== null; c = known(c.parent, shows)) {
    if (leaves.every((l) => isWithin(l, c))) return c;
  }
  return null;
}

function isWithin(call: Call | null, outer: Call | null): boolean {
  for (let c = call; c !== null; c = c.parent) if (c === outer) return true;
  return false;
}

/** What the cells that the finding is about hold after these steps, where they changed. */
function marginOf(
  items: readonly Item[],
  about: ReadonlySet<number>,
  execution: Recording["execution"],
): string {
  const last = new Map<number, string>();
  for (const item of items) {
    if (item.kind !== "step" || askedOf(item.step).op === "read") continue;
    if (item.step.op.note?.text !== undefined) continue;
    for (const { cell: id, value } of item.step.writes) {
      const cell = execution.prepared.cells[id];
      if (about.has(id) && cell !== undefined) last.set(id, `${cellName(cell)}=${valueText(value)}`);
    }
  }
  return [...last.values()].join(" ");
}

/** Parameters that say something to a reader who does not see the code. */
const TELLING = new Set(["refs", "nr"]);

function callText({ name, params, args }: Call): string {
  const shown = args.filter((_, i) => TELLING.has(params[i] ?? "")).map(argumentText);
  return `${name}(${shown.filter((a) => a !== null).join(", ")})`;
}

/** A step whose effect stands in the margin says nothing else, nor does a look at what `later` steps change. */
function itemText(item: Item, later: readonly Item[], about: ReadonlySet<number>): string {
  if (item.kind === "blocks") return `<${item.what}>`;
  const op = askedOf(item.step);
  if (item.step.op.op === "acquire" && op === item.step.op) return reachesMemory(item.step);
  const { writes } = item.step;
  const [cell] = mainCells(op);
  const replaced = (i: Item): boolean => i.kind === "step" && cell !== undefined && changes(i.step, cell);
  if (op.op === "read" && op.note?.text === undefined && about.has(cell?.id ?? -1) && later.some(replaced))
    return "";
  const inMargin = op.op !== "read" && writes.some((w) => about.has(w.cell)) && op.note?.text === undefined;
  return inMargin ? "" : stepText(item.step);
}

/** A store that was buffered until now; nothing where a lock was taken. */
function reachesMemory({ op, writes }: Step): string {
  const stored = op.op === "acquire" && op.more !== undefined;
  return stored ? `<${writes.length > 1 ? "a store reaches memory" : ""}>`.replace("<>", "") : "";
}

/** What a step did, in a few words. */
function stepText(step: Step): string {
  const { result, writes } = step;
  const op = askedOf(step);
  const own = op.note?.text?.(result);
  if (own !== undefined) return own;
  const [cell] = mainCells(op);
  if (cell === undefined) return "";
  if (op.op === "read") return `sees ${cellName(cell)}=${valueText(result)}`;
  const write = writes.find((w) => w.cell === cell.id);
  if (op.op === "write" && write === undefined) return `${cellName(cell)}=${valueText(op.value)} (buffered)`;
  return write === undefined ? "" : `${cellName(cell)}=${valueText(write.value)}`;
}
