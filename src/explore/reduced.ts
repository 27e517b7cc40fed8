// Search over states that leaves out what must lead to the same verdict; the default. A clean and
// complete result proves what the stateful search proves: no rule is broken in any reachable state, no
// thread fails, nobody waits for ever. Every state in which nobody can run is visited; states on the
// way are not, so their number says less than that of the stateful search (see `persistent.ts`).
import { PersistentSets, type Rule } from "./persistent.ts";
import type { Prepared } from "./program.ts";
import { Space } from "./space.ts";
import { finalStatesOf, type SavedSearch, StateSearch } from "./state-search.ts";
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

/** A reduced search that was put aside. */
export interface SavedReduced {
  readonly journal: Int32Array;
  readonly watching: readonly (readonly number[])[];
  readonly chunks: readonly Int32Array[];
  readonly known: number;
  readonly full: boolean;
  readonly rounds: number;
  readonly round: SavedSearch;
}

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
    return this.#search().begin();
  }

  #search(): StateSearch {
    const parts = {
      reduction: this.full ? null : this.#sets,
      findings: this.#findings,
      limits: this.#limits,
    };
    return new StateSearch(reduced.name, this.#space, this.#bounds, parts);
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

  save(): SavedReduced {
    return {
      journal: Int32Array.from(this.#space.journal),
      watching: this.#space.rules.watching(),
      chunks: this.#space.packing.save(),
      known: this.#known,
      full: this.full,
      rounds: this.rounds,
      round: this.#round.save(),
    };
  }

  /** Goes on where a search of the same program was saved. */
  restore(saved: SavedReduced): void {
    this.#space.catchUp(saved.journal, 0, saved.journal.length);
    this.#space.rules.watch(saved.watching);
    this.#space.packing.restore(saved.chunks);
    this.#sets.refresh();
    this.#known = saved.known;
    this.full = saved.full;
    this.rounds = saved.rounds;
    this.#round = this.#search().restore(saved.round);
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
