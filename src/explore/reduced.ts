// Search over states that leaves out what must lead to the same verdict; the default. A clean and
// complete result proves what the stateful search proves: no rule is broken in any reachable state, no
// thread fails, nobody waits for ever. Every state in which nobody can run is visited; states on the
// way are not, so their number says less than that of the stateful search (see `persistent.ts`).
import { PersistentSets, type Rule } from "./persistent.ts";
import type { Prepared } from "./program.ts";
import { Space } from "./space.ts";
import { finalStatesOf, StateSearch } from "./state-search.ts";
import {
  type Bounds,
  Findings,
  Limits,
  type Progress,
  runToEnd,
  type SearchResult,
  type SearchRun,
  type Strategy,
} from "./strategy.ts";

export const reduced: Strategy = {
  name: "reduced",
  search: (prepared, bounds) => runToEnd(new ReducedSearch(new Space(prepared), bounds)),
  start: (prepared, bounds) => new ReducedSearch(new Space(prepared), bounds),
};

/** Searches again until nothing was learned on the way: then every choice was made on full knowledge. */
export class ReducedSearch implements SearchRun {
  readonly #space: Space;
  readonly #bounds: Bounds;
  readonly #sets: PersistentSets;
  readonly #findings = new Findings();
  readonly #limits: Limits;
  #round: StateSearch;
  #known = 0;
  /** Searches made, the last one included. */
  rounds = 0;
  /** True if every state is visited after all: there was next to nothing to leave out. */
  full = false;

  /** @param without Rules to leave out; only to show that this is caught. */
  constructor(space: Space, bounds: Bounds, without: readonly Rule[] = []) {
    this.#space = space;
    this.#bounds = bounds;
    this.#limits = new Limits(bounds);
    this.#sets = new PersistentSets(space, without);
    this.#round = this.#begin();
  }

  #begin(): StateSearch {
    this.rounds++;
    this.#sets.refresh();
    this.#known = this.#space.knowledge;
    const parts = {
      reduction: this.full ? null : this.#sets,
      findings: this.#findings,
      limits: this.#limits,
    };
    return new StateSearch(reduced.name, this.#space, this.#bounds, parts).begin();
  }

  advance(): boolean {
    const more = this.#round.advance();
    if (!this.full && more && this.#sets.useless) {
      this.full = true;
      this.#round = this.#begin();
      return true;
    }
    if (more || this.#limits.reached !== null || this.#understood) return more;
    this.#round = this.#begin();
    return true;
  }

  /** True if nothing was chosen for want of knowledge. */
  get #understood(): boolean {
    return this.full || this.#space.knowledge === this.#known;
  }

  progress(): Progress {
    return this.#round.progress();
  }

  result(): SearchResult {
    const result = this.#round.result();
    return { ...result, complete: result.complete && this.#understood };
  }
}

/** The values of all cells in every state in which nobody can run, as this search finds them. */
export function reducedFinalStates(prepared: Prepared, without: readonly Rule[] = []): string[] {
  const space = new Space(prepared);
  runToEnd(new ReducedSearch(space, {}, without));
  const sets = new PersistentSets(space, without);
  sets.refresh();
  return finalStatesOf(space, sets);
}
