// Bounded preemptions (Musuvathi, Qadeer, PLDI 2007): every execution with at most so many switches away
// from a thread that could have gone on; others are not looked at. A clean result proves that no execution
// with that many preemptions or fewer breaks a rule, and nothing of the rest: most bugs need one or two.
// States are kept with who ran last and with how few preemptions they were reached, so the search ends on
// loops, too.
import { IntList } from "./int-list.ts";
import { Space } from "./space.ts";
import { StateSet } from "./state-set.ts";
import { Findings, Limits, type Strategy } from "./strategy.ts";

/** @param preemptions At most so many. */
export const bounded = (preemptions: number): Strategy => ({
  name: "bounded",
  search(prepared, bounds) {
    const space = new Space(prepared);
    const threads = space.threads.length;
    const seen = new StateSet(space.packing);
    const findings = new Findings();
    const limits = new Limits(bounds);
    const cursor = space.start();
    // For each state and last thread the fewest preemptions plus one; 0 where it was not reached.
    const fewest: Uint8Array[] = [];
    const waiting = Array.from({ length: preemptions + 1 }, () => new IntList());
    let cut = false;
    let steps = 0;
    let ends = 0;
    const reach = (state: number, last: number, used: number): void => {
      fewest[state] ??= new Uint8Array(threads + 1);
      const of = fewest[state] as Uint8Array;
      if ((of[last] as number) !== 0 && (of[last] as number) <= used + 1) return;
      of[last] = used + 1;
      (waiting[used] as IntList).push(state * (threads + 1) + last);
    };
    space.findings(cursor.row, (f) => findings.add(f, () => null));
    reach(seen.add(cursor), threads, 0);
    for (let used = 0; used <= preemptions; used++) {
      const todo = waiting[used] as IntList;
      while (todo.length > 0 && limits.allow({ states: seen.size, steps })) {
        const item = todo.pop();
        const state = Math.floor(item / (threads + 1));
        const last = item % (threads + 1);
        if (((fewest[state] as Uint8Array)[last] as number) < used + 1) continue;
        seen.load(state, cursor);
        if (space.stops(cursor.row)) {
          ends++;
          continue;
        }
        const edges = space.threads.map((_, t) => space.edge(cursor.row, t));
        if (edges.every((e) => e === null)) {
          ends++;
          for (const f of space.endFindings(cursor.row)) findings.add(f, () => null);
          continue;
        }
        const couldGoOn = last < threads && edges[last] !== null;
        edges.forEach((edge, t) => {
          if (edge === null) return;
          const next = used + (couldGoOn && t !== last ? 1 : 0);
          if (next > preemptions) {
            cut = true;
            return;
          }
          steps++;
          cursor.step(edge, t);
          space.findingsAfter(cursor.row, t, edge, (f) => findings.add(f, () => null));
          reach(seen.add(cursor), t, next);
          cursor.back();
        });
      }
    }
    return {
      strategy: "bounded",
      complete: limits.reached === null && !cut,
      bound: limits.reached ?? (cut ? `preemptions: ${preemptions}` : null),
      states: seen.size,
      executions: ends,
      steps,
      findings: findings.list(),
      notes: space.notes(),
      bytes: seen.bytes,
    };
  },
});
