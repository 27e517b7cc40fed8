// Search over states, without any reduction. A clean and complete result proves that no interleaving
// of the program breaks a rule or ends in a state in which somebody waits for ever, under sequential
// consistency. Each state is visited once, however many ways lead to it; that is what makes conflict-
// heavy code affordable. It says nothing of programs whose states are without number.
import type { Prepared } from "./program.ts";
import { Space } from "./space.ts";
import { StateSet } from "./state-set.ts";
import { type Bounds, Findings, Limits, type SearchResult, type Strategy } from "./strategy.ts";

export const stateful: Strategy = {
  name: "stateful",
  search: (prepared, bounds) => searchStates(new Space(prepared), bounds),
};

/** Visits every state of a space once, depth first. */
export function searchStates(space: Space, bounds: Bounds): SearchResult {
  const seen = new StateSet(space.width);
  const findings = new Findings();
  const limits = new Limits(bounds);
  const noSchedule = (): null => null;
  const next = space.initial();
  const threads = space.threads.length;
  let steps = 0;
  let ends = 0;

  const stack = [seen.add(next)];
  space.findings(next, 0, (f) => findings.add(f, noSchedule));
  while (stack.length > 0 && limits.allow({ states: seen.size, steps })) {
    const state = stack.pop() as number;
    const row = seen.block(state);
    const offset = seen.offset(state);
    if (space.stops(row, offset)) {
      ends++;
      continue;
    }
    let moved = false;
    for (let t = 0; t < threads; t++) {
      if (!space.step(row, offset, t, next)) continue;
      moved = true;
      steps++;
      const before = seen.size;
      const reached = seen.add(next);
      if (reached !== before) continue;
      space.findings(next, 0, (f) => findings.add(f, noSchedule));
      stack.push(reached);
    }
    if (!moved) {
      ends++;
      for (const f of space.endFindings(row, offset)) findings.add(f, noSchedule);
    }
  }
  return {
    strategy: stateful.name,
    complete: limits.reached === null,
    bound: limits.reached,
    states: seen.size,
    executions: ends,
    steps,
    findings: findings.list(),
  };
}

/** The values of all cells in every state in which nobody can run, written out and sorted. */
export function finalStates(prepared: Prepared): string[] {
  const space = new Space(prepared);
  const seen = new StateSet(space.width);
  const next = space.initial();
  const stack = [seen.add(next)];
  const finals = new Set<string>();
  while (stack.length > 0) {
    const state = stack.pop() as number;
    const row = seen.block(state);
    const offset = seen.offset(state);
    let moved = false;
    for (let t = 0; t < space.threads.length && !space.stops(row, offset); t++) {
      if (!space.step(row, offset, t, next)) continue;
      moved = true;
      const before = seen.size;
      const reached = seen.add(next);
      if (reached === before) stack.push(reached);
    }
    if (!moved) {
      const see = space.see(row, offset);
      finals.add(JSON.stringify(prepared.cells.map((c) => see(c))));
    }
  }
  return [...finals].sort();
}
