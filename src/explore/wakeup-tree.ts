// Wakeup trees (Abdulla et al., JACM 64(4), 2017, section 6): the orders of steps that must still be tried from
// one place in an execution, with what they begin with in common kept once.
import { conflict, type Step } from "./conflict.ts";

/** A step to make, and what must be tried after it: nothing in particular if there are no children. */
export interface Wakeup {
  readonly step: Step;
  readonly children: Wakeup[];
}

const NEVER = -2;
const ABSENT = -1;

/** True if an order could as well begin with `step`: it is one of its weak initials, in the paper's words. */
export const mayBegin = (step: Step, order: readonly Step[]): boolean => placeIn(order, step) !== NEVER;

/**
 * @returns the place of a step in an order that can begin with it, {@link ABSENT} if it is not there but could as
 *   well come first, or {@link NEVER}.
 */
function placeIn(order: readonly Step[], step: Step): number {
  for (let i = 0; i < order.length; i++) {
    const s = order[i] as Step;
    if (s.thread === step.thread) return i;
    if (conflict(s, step)) return NEVER;
  }
  return ABSENT;
}

/** Adds an order to a tree, unless what is there already covers it. */
export function insert(tree: Wakeup[], order: readonly Step[]): void {
  let level = tree;
  let rest = order;
  for (;;) {
    let found: Wakeup | null = null;
    for (const child of level) {
      const at = placeIn(rest, child.step);
      if (at === NEVER) continue;
      if (at >= 0) rest = rest.filter((_, i) => i !== at);
      found = child;
      break;
    }
    if (found === null) break;
    if (found.children.length === 0 || rest.length === 0) return;
    level = found.children;
  }
  for (const step of rest) {
    const node: Wakeup = { step, children: [] };
    level.push(node);
    level = node.children;
  }
}
