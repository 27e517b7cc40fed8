// A finding as kernel people draw it in mails: ASCII, at most 72 columns, one column per actor, lines
// numbered, what blocks in <angle brackets>, and a right margin with only the value that the broken
// rule is about. Drawn are the steps that matter: those that touch what another thread changes, and
// those that sleep or wake; and of the calls around them the innermost, its caller, and wherever
// several meet.
import type { Cell, Operation, See } from "../explore/access.ts";
import type { Step } from "../explore/execution.ts";
import { footprint, mainCells } from "../explore/operation.ts";
import type { Finding } from "../explore/outcome.ts";
import type { Call, Item, Recording } from "./recording.ts";
import { argumentText, cellName, valueText } from "./value-text.ts";

export const WIDTH = 72;
/** Columns of a diagram; with more actors there is one for all. */
const MOST_COLUMNS = 3;
/** Where the right margin begins. */
const MARGIN = 58;

export interface DiagramOptions {
  /** What the first line names: `v5.18`. */
  readonly subject: string;
  readonly switches: number;
  /** Steps after which the rest of the execution comes again and again; null if nothing does. */
  readonly loopFrom?: number | null;
  /** True for the functions that a reader knows: those of the kernel's table. */
  readonly shows: (functionName: string) => boolean;
}

interface Line {
  readonly thread: number;
  readonly text: string;
  readonly margin: string;
  /** True if it comes again and again. */
  readonly loops: boolean;
}

/** Draws a recorded execution that ends in a finding, or completes. */
export function drawDiagram(
  recording: Recording,
  finding: Finding | null,
  { subject, switches, loopFrom = null, shows }: DiagramOptions,
): string {
  const { prepared } = recording.execution;
  const about = finding === null ? new Set<number>() : cellsOfFinding(recording, finding);
  const loops = (i: Item): boolean => loopFrom !== null && i.kind === "step" && i.at > loopFrom;
  const items = recording.items.filter(
    (i) => matters(i, recording, about) || (loops(i) && finding?.kind === "livelock" && saysSomething(i)),
  );
  const lines = linesOf(items, shows, about, recording, loops);

  const used = prepared.threads.map((_, t) => lines.some((l) => l.thread === t));
  const actors = prepared.threads.flatMap((t, i) => (used[i] ? [{ index: i, title: t.title }] : []));
  const columns = columnStarts(actors.length);
  const columnOf = new Map(actors.map((a, i) => [a.index, columns[i] ?? 4]));

  const out: string[] = [];
  const count = switches === 1 ? "1 context switch" : `${switches} context switches`;
  const what = finding === null ? "One execution" : "Possible unsafe page lifetime";
  out.push(...wrap(` ${what}, ${subject}, ${count}:`, WIDTH, "   "), "");
  const heading = (text: (a: (typeof actors)[number]) => string): string =>
    actors.reduce((line, a) => {
      const start = (columnOf.get(a.index) ?? 4) + 2;
      return `${line.slice(0, start - 1).padEnd(start)}${text(a)}`;
    }, "");
  // Columns for more actors would be too narrow: then each line names its actor.
  const narrow = actors.length > MOST_COLUMNS;
  if (narrow) out.push(...actors.map((a) => `      ${a.title}`), "      ----");
  else {
    out.push(
      heading((a) => a.title).trimEnd(),
      heading(() => "----"),
    );
  }
  lines.forEach(({ thread, text, margin }, i) => {
    const number = `${i + 1}`.padStart(3);
    const name = (prepared.threads[thread]?.title ?? "").split(" ")[0];
    if (lines[i]?.loops && !lines[i - 1]?.loops) out.push("    -- from here on again and again:");
    if (narrow) out.push(layOut(number, 4, `${name}: ${text}`, margin));
    else out.push(layOut(number, columnOf.get(thread) ?? 4, text, margin));
  });
  if (finding !== null) {
    out.push("", ...wrap(` *** ${verdictName(finding)} ***  ${finding.detail}`, WIDTH, "     "));
  }
  return out.join("\n");
}

/** `MISSED WAKEUP`, `RULE BROKEN: no-pin-on-free-block`. */
export const verdictName = ({ kind, property }: Pick<Finding, "kind" | "property">): string =>
  kind === "invariant" || kind === "assertion"
    ? `RULE BROKEN: ${property}`
    : kind.replaceAll("-", " ").toUpperCase();

function columnStarts(actors: number): number[] {
  const step = actors <= 1 ? 0 : actors === 2 ? 28 : Math.floor((MARGIN - 26) / (actors - 1));
  return Array.from({ length: actors }, (_, i) => 4 + i * step);
}

/** Puts a line together; a text too long for its column loses its beginning, never its end. */
function layOut(number: string, column: number, text: string, margin: string): string {
  const room = WIDTH - column - (margin === "" ? 0 : margin.length + 1);
  const left = number.padEnd(column) + (text.length <= room ? text : shorten(text, room));
  if (margin === "") return left.trimEnd();
  return left.padEnd(Math.max(left.length + 1, Math.min(MARGIN, WIDTH - margin.length))) + margin;
}

function shorten(text: string, room: number): string {
  const indent = /^ */.exec(text)?.[0] ?? "";
  const body = text.slice(indent.length);
  if (body.length <= room) return body;
  return body.startsWith("<") ? `${body.slice(0, room - 3)}..>` : `..${body.slice(body.length - room + 2)}`;
}

/** Breaks a sentence into lines. The first keeps the spaces that it begins with. */
export function wrap(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let line = /^ */.exec(text)?.[0] ?? "";
  let empty = true;
  for (const word of text.trimStart().split(" ")) {
    if (!empty && line.length + 1 + word.length > width) {
      lines.push(line.trimEnd());
      line = indent;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return [...lines, line.trimEnd()];
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
): Line[] {
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
  const lines: Line[] = [];
  for (const { thread, leaf, items: own } of groups) {
    const again = loops(own[0] as Item);
    const root = roots[thread] ?? null;
    if (root !== null && !begun.has(thread)) {
      begun.add(thread);
      lines.push({ thread, text: callText(root), margin: "", loops: again });
    }
    const texts = own.map((i) => itemText(i, about)).filter((t) => t !== "");
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

/** A step whose effect stands in the margin says nothing else. */
function itemText(item: Item, about: ReadonlySet<number>): string {
  if (item.kind === "blocks") return `<${item.what}>`;
  const op = askedOf(item.step);
  if (item.step.op.op === "acquire" && op === item.step.op) return reachesMemory(item.step);
  const { writes } = item.step;
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
