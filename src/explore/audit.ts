// Proves on a small program that local states say all there is to know of a thread: wherever two
// histories came to one node, the thread is run again by both and must go on alike. A thread that keeps
// state elsewhere (a module's variable, a clock) is found out here;
// a search notices it only where another run asks for another operation.
import { PagelifeError } from "../base/errors.ts";
import type { Prepared } from "./program.ts";
import { Space } from "./space.ts";
import { searchStates } from "./stateful.ts";
import type { Bounds } from "./strategy.ts";
import { ThreadRun } from "./thread.ts";
import type { Value } from "./value.ts";

/**
 * Visits every state and compares.
 *
 * @returns how many pairs of histories were compared.
 * @throws {@link PagelifeError} PL206 where two that share a node behave differently.
 */
export function audit(prepared: Prepared, bounds: Bounds = {}): number {
  const merges: {
    readonly thread: number;
    readonly node: number;
    readonly from: number;
    readonly result: number;
  }[] = [];
  const space = new Space(prepared, (thread) => (node, from) => {
    merges.push({ thread, node, from: from.node, result: from.result });
  });
  searchStates(space, bounds);
  for (const { thread, node, from, result } of merges) {
    const automaton = space.threads[thread] as Space["threads"][number];
    const one = automaton.path(node);
    const other = [...automaton.path(from), space.interner.value(result)];
    const next = automaton.edges.filter((e) => e.from === node).map((e) => [space.interner.value(e.result)]);
    for (const more of [[], ...next]) compare(prepared, thread, [...one, ...more], [...other, ...more]);
  }
  return merges.length;
}

function compare(prepared: Prepared, thread: number, one: readonly Value[], other: readonly Value[]): void {
  const at = (results: readonly Value[]): string => {
    const run = new ThreadRun(prepared.threads[thread] as Prepared["threads"][number]);
    for (const r of results) if (run.turn.kind === "wants") run.resume(r);
    return run.localState();
  };
  const [a, b] = [at(one), at(other)];
  if (a === b) return;
  throw new PagelifeError(
    "PL206",
    `thread ${prepared.threads[thread]?.name}: after ${one.length} and after ${other.length} steps it seemed to stand in one state, but goes on to ${a} and to ${b}`,
  );
}
