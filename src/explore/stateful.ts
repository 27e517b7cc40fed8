// Search over states, without any reduction. A clean and complete result proves that no interleaving
// of the program breaks a rule or ends in a state in which somebody waits for ever, under sequential
// consistency. Each state is visited once, however many ways lead to it; that is what makes conflict-
// heavy code affordable. It says nothing of programs whose states are without number.
import type { Prepared } from "./program.ts";
import { Space } from "./space.ts";
import { finalStatesOf, StateSearch } from "./state-search.ts";
import { asStrategy, type Bounds, runToEnd, type SearchResult, type Strategy } from "./strategy.ts";

export const stateful: Strategy = asStrategy("stateful", (prepared, bounds) =>
  new StateSearch("stateful", new Space(prepared), bounds).begin(),
);

/** Visits every state of a space once, depth first. */
export const searchStates = (space: Space, bounds: Bounds): SearchResult =>
  runToEnd(new StateSearch("stateful", space, bounds).begin());

/** The values of all cells in every state in which nobody can run, written out and sorted. */
export const finalStates = (prepared: Prepared): string[] => finalStatesOf(new Space(prepared), null);
