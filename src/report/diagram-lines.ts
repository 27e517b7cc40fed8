// The lines of a diagram: the steps that matter, and of the calls around them the innermost, its caller,
// and wherever several meet.
import type { Finding } from "../explore/outcome.ts";
import { cellsOfFinding, essentialItems } from "./essential.ts";
import { type Call, type Item, known, type Recording } from "./recording.ts";
import { callText, StepTexts } from "./step-text.ts";

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
  const items = essentialItems(recording, finding, about, loops);
  const texts = new StepTexts(recording.execution, about, items);
  return linesOf(items, shows, texts, recording, loops);
}

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
  texts: StepTexts,
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
    const call = leaf === null || leaf === root || own[0]?.kind === "blocks" ? "" : callText(leaf);
    const text = [call, texts.textOf(own)].filter((t) => t !== "").join(": ");
    const margin = texts.marginOf(own);
    if (text === "" && margin === "") continue;
    lines.push({
      thread,
      text: `${root === null ? "" : "  "}${text || `changes ${margin.split("=")[0]}`}`,
      margin,
      loops: again,
    });
  }
  return lines;
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
