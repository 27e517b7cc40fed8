// Bounded preemptions (Musuvathi, Qadeer, PLDI 2007): every execution with at most so many switches away
// from a thread that could have gone on; others are not looked at. A clean result proves that no execution
// with that many preemptions or fewer breaks a rule, and nothing of the rest: most bugs need one or two.
// States are kept with who ran last and with how few preemptions they were reached, so the search ends on
// loops, too; if nothing was left out, the result is complete and proves what the stateful search proves.
import type { Edge } from "./automaton.ts";
import { IntList } from "./int-list.ts";
import type { Prepared } from "./program.ts";
import type { Schedule } from "./schedule.ts";
import { Space } from "./space.ts";
import { type Cursor, StateSet } from "./state-set.ts";
import {
  asStrategy,
  type Bounds,
  Findings,
  Limits,
  type Progress,
  type SearchResult,
  type SearchRun,
  type Strategy,
} from "./strategy.ts";

/** @param preemptions At most so many; 254 are as good as no bound. */
export const bounded = (preemptions: number): Strategy =>
  asStrategy("bounded", (prepared, bounds) => new BoundedSearch(prepared, bounds, preemptions));

/** Fewest preemptions are kept in a byte, plus one. */
const MOST = 254;

/** Places expanded between two looks at the bounds. */
const PIECE = 1 << 12;

class BoundedSearch implements SearchRun {
  readonly #space: Space;
  readonly #preemptions: number;
  readonly #limits: Limits;
  readonly #findings = new Findings();
  readonly #seen: StateSet;
  readonly #cursor: Cursor;
  /** For each state and last thread the fewest preemptions plus one; 0 where it was not reached. */
  readonly #fewest: Uint8Array[] = [];
  /** Places in the search: state, last thread, who made the step to it, and the place before; four integers each. */
  readonly #places = new IntList();
  /** Places to go on from, by the preemptions on the way there. */
  readonly #waiting: readonly IntList[];
  #used = 0;
  /** True if an execution was left out. */
  #cut = false;
  #steps = 0;
  #ends = 0;

  constructor(prepared: Prepared, bounds: Bounds, preemptions: number) {
    this.#space = new Space(prepared);
    this.#preemptions = Math.min(preemptions, MOST);
    this.#limits = new Limits(bounds);
    this.#seen = new StateSet(this.#space.packing);
    this.#cursor = this.#space.start();
    this.#waiting = Array.from({ length: this.#preemptions + 1 }, () => new IntList());
    this.#space.findings(this.#cursor.row, (f) => this.#findings.add(f, () => []));
    this.#reach(this.#nobody, 0, -1, -1);
  }

  /** Stands for the last thread, where nobody has run yet. */
  get #nobody(): number {
    return this.#space.threads.length;
  }

  advance(): boolean {
    for (let i = 0; i < PIECE && this.#used <= this.#preemptions; i++) {
      const todo = this.#waiting[this.#used] as IntList;
      if (todo.length === 0) this.#used++;
      else if (this.#limits.allow({ states: this.#seen.size })) this.#expand(todo.pop());
      else return false;
    }
    return this.#limits.allowNow(this.progress()) && this.#used <= this.#preemptions;
  }

  /** Notes the state that the cursor stands in, unless it was reached with as few preemptions before. */
  #reach(last: number, used: number, by: number, before: number): void {
    const state = this.#seen.add(this.#cursor);
    this.#fewest[state] ??= new Uint8Array(this.#nobody + 1);
    const fewest = this.#fewest[state] as Uint8Array;
    const known = fewest[last] as number;
    if (known !== 0 && known <= used + 1) return;
    fewest[last] = used + 1;
    (this.#waiting[used] as IntList).push(this.#places.length);
    for (const item of [state, last, by, before]) this.#places.push(item);
  }

  #expand(place: number): void {
    const space = this.#space;
    const cursor = this.#cursor;
    const { row } = cursor;
    const state = this.#places.at(place);
    const last = this.#places.at(place + 1);
    if (((this.#fewest[state] as Uint8Array)[last] as number) < this.#used + 1) return;
    this.#seen.load(state, cursor);
    if (space.stops(row)) {
      this.#ends++;
      return;
    }
    const edges = space.threads.map((_, t) => space.edge(row, t));
    if (edges.every((e) => e === null)) {
      this.#ends++;
      for (const f of space.endFindings(row)) this.#findings.add(f, () => this.#scheduleTo(place));
      return;
    }
    const couldGoOn = last !== this.#nobody && edges[last] !== null;
    edges.forEach((edge, t) => {
      if (edge !== null) this.#step(place, edge, t, last, couldGoOn);
    });
  }

  #step(place: number, edge: Edge, t: number, last: number, couldGoOn: boolean): void {
    // What the machine does of itself is no switch.
    const next = this.#space.prepared.threads[t]?.hidden === true ? last : t;
    const used = this.#used + (couldGoOn && next !== last ? 1 : 0);
    if (used > this.#preemptions) {
      this.#cut = true;
      return;
    }
    this.#steps++;
    this.#cursor.step(edge, t);
    this.#space.findingsAfter(this.#cursor.row, t, edge, (f) =>
      this.#findings.add(f, () => [...this.#scheduleTo(place), t]),
    );
    this.#reach(next, used, t, place);
    this.#cursor.back();
  }

  #scheduleTo(place: number): Schedule {
    const schedule: number[] = [];
    for (let at = place; this.#places.at(at + 3) >= 0; at = this.#places.at(at + 3)) {
      schedule.push(this.#places.at(at + 2));
    }
    return schedule.reverse();
  }

  progress(): Progress {
    return {
      states: this.#seen.size,
      executions: this.#ends,
      steps: this.#steps,
      queue: this.#waiting.reduce((sum, w) => sum + w.length, 0),
      bytes: this.#seen.bytes + this.#places.bytes + this.#fewest.length * (this.#nobody + 1),
    };
  }

  result(): SearchResult {
    const { states, executions, steps, bytes } = this.progress();
    const bound = this.#limits.reached ?? (this.#cut ? `preemptions: ${this.#preemptions}` : null);
    const complete = bound === null && this.#used > this.#preemptions;
    const findings = this.#findings.list();
    const notes = this.#space.notes();
    return { strategy: "bounded", complete, bound, states, executions, steps, findings, notes, bytes };
  }
}
