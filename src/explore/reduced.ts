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
  type FoundAt,
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

/** A search over states that was put aside, by whatever number of workers. */
export interface SavedStates {
  readonly strategy: StatesStrategy;
  readonly journal: Int32Array;
  readonly watching: readonly (readonly number[])[];
  readonly chunks: readonly Int32Array[];
  readonly known: number;
  readonly full: boolean;
  readonly rounds: number;
  /** Findings of the rounds before. */
  readonly earlier: readonly FoundAt[];
  readonly round: SavedSearch;
}

export type StatesStrategy = "reduced" | "stateful";

/** Searches again until nothing was learned on the way: then every choice was made on full knowledge. */
export class ReducedSearch implements SearchRun {
  readonly #space: Space;
  readonly #strategy: StatesStrategy;
  readonly #bounds: Bounds;
  readonly #sets: PersistentSets;
  #findings = new Findings();
  /** Of the rounds before; they count if the last one is cut short. */
  readonly #earlier = new Findings();
  readonly #limits: Limits;
  #round: StateSearch;
  #known = 0;
  /** Searches made, the last one included. */
  rounds = 0;
  /** True if every state is visited after all: there was next to nothing to leave out. */
  full: boolean;
  /** True once that is settled, early in the search: by then it has not been put aside or shared. */
  settled: boolean;

  /**
   * @param strategy `stateful`: visits every state from the start.
   * @param without  Rules to leave out; only to show that this is caught.
   */
  constructor(
    space: Space,
    bounds: Bounds,
    strategy: StatesStrategy = "reduced",
    without: readonly Rule[] = [],
  ) {
    this.#space = space;
    this.#strategy = strategy;
    this.full = strategy === "stateful";
    this.settled = this.full;
    this.#bounds = bounds;
    this.#limits = new Limits(bounds);
    this.#sets = new PersistentSets(space, without);
    this.#round = this.#begin();
  }

  #begin(): StateSearch {
    this.rounds++;
    this.#findings = new Findings();
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
    return new StateSearch(this.#strategy, this.#space, this.#bounds, parts);
  }

  advance(): boolean {
    const more = this.#round.advance();
    if (!this.settled && this.#sets.tried) {
      this.settled = true;
      this.full = this.#sets.useless;
      if (this.full) return this.#again();
    }
    if (more || this.#limits.reached !== null || this.#understood) return more;
    return this.#again();
  }

  #again(): true {
    for (const { finding, schedule } of this.#findings.list()) this.#earlier.add(finding, () => schedule);
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

  save(): SavedStates {
    return {
      strategy: this.#strategy,
      journal: Int32Array.from(this.#space.journal),
      watching: this.#space.rules.watching(),
      chunks: this.#space.packing.save(),
      known: this.#known,
      full: this.full,
      rounds: this.rounds,
      earlier: this.#earlier.list(),
      round: this.#round.save(),
    };
  }

  /** Goes on where a search of the same program was saved. */
  restore(saved: SavedStates): void {
    this.#space.catchUp(saved.journal, 0, saved.journal.length);
    this.#space.rules.watch(saved.watching);
    this.#space.packing.restore(saved.chunks);
    this.#sets.refresh();
    this.#known = saved.known;
    this.full = saved.full;
    this.settled = true;
    this.rounds = saved.rounds;
    for (const { finding, schedule } of saved.earlier) this.#earlier.add(finding, () => schedule);
    this.#round = this.#search().restore(saved.round);
  }

  result(): SearchResult {
    const result = this.#round.result();
    const complete = result.complete && this.#understood;
    return { ...result, complete, findings: complete ? result.findings : this.#allFindings() };
  }

  /** All that was found so far. */
  #allFindings(): FoundAt[] {
    const all = new Findings();
    for (const f of [...this.#findings.list(), ...this.#earlier.list()]) all.add(f.finding, () => f.schedule);
    return all.list();
  }
}

/** The values of all cells in every state in which nobody can run, as this search finds them. */
export function reducedFinalStates(prepared: Prepared, without: readonly Rule[] = []): string[] {
  const space = new Space(prepared);
  runToEnd(new ReducedSearch(space, {}, "reduced", without));
  const sets = new PersistentSets(space, without);
  sets.refresh();
  return finalStatesOf(space, sets);
}
