// The search over states that several strategies share: take a state, make every step that the
// strategy wants, keep what is new. Last in, first out, so that the states in hand stay few.

import type { Edge } from "./automaton.ts";
import { ByteList, IntList } from "./int-list.ts";
import type { Schedule } from "./schedule.ts";
import type { Space } from "./space.ts";
import { type Cursor, StateSet } from "./state-set.ts";
import {
  type Bounds,
  Findings,
  type FoundAt,
  Limits,
  type Progress,
  type SearchResult,
  type SearchRun,
} from "./strategy.ts";
import { Successors } from "./successors.ts";
import { encode } from "./value.ts";

/** Says which threads must be tried in a state for the search to miss nothing. */
export interface Reduction {
  /**
   * @param row     The state.
   * @param edges   The move of each thread, null where it has none.
   * @param enabled Bits of the threads that have a move; at least two of them.
   * @returns Bits of the threads to try.
   */
  choose(row: Int32Array, edges: readonly (Edge | null)[], enabled: number): number;
  /** True for an edge that closes a loop of its thread: a chain of steps may not go on through it. */
  closes(thread: number, edge: Edge): boolean;
}

/** What a search may share with others. */
export interface SearchParts {
  readonly reduction?: Reduction | null;
  readonly findings?: Findings;
  readonly limits?: Limits;
  /** A set of states that others add to as well. */
  readonly seen?: StateSet;
}

/** A search that was put aside. */
export interface SavedSearch {
  readonly states: Int32Array;
  readonly waiting: Int32Array;
  readonly parents: Int32Array;
  readonly wayEnds: Int32Array;
  readonly ways: Uint8Array;
  readonly steps: number;
  readonly ends: number;
  readonly findings: readonly FoundAt[];
}

/** States expanded between two looks at the bounds. */
const PIECE = 1 << 12;
/** States whose successors are looked up together. */
const TOGETHER = 32;

export class StateSearch implements SearchRun {
  readonly space: Space;
  readonly #name: string;
  readonly #reduction: Reduction | null;
  readonly #seen: StateSet;
  readonly #cursor: Cursor;
  /** The moves in the state that is expanded, and in the one that was reached from it. */
  readonly #edges: (Edge | null)[];
  readonly #ahead: (Edge | null)[];
  readonly #successors: Successors;
  readonly #findings: Findings;
  readonly #limits: Limits;
  /** States that wait to be expanded. */
  readonly waiting = new IntList();
  /** True if the way to each state is kept; not where others share the states. */
  #trail: boolean;
  /** For each state the one before it that was kept, and where in `ways` the steps to it end. */
  readonly #parents = new IntList();
  readonly #wayEnds = new IntList();
  /** Who made each step on the way from a state to the next that was kept. */
  readonly #ways = new ByteList();
  /** With a reduction: threads to try in a state that waits, as they were chosen when it was found. */
  readonly #choices: number[] = [];
  readonly #maxStates: number;
  #steps = 0;
  #ends = 0;

  constructor(name: string, space: Space, bounds: Bounds, parts: SearchParts = {}) {
    this.#name = name;
    this.space = space;
    this.#reduction = parts.reduction ?? null;
    this.#findings = parts.findings ?? new Findings();
    this.#limits = parts.limits ?? new Limits(bounds);
    this.#maxStates = bounds.maxStates ?? Number.POSITIVE_INFINITY;
    this.#seen = parts.seen ?? new StateSet(space.packing);
    this.#trail = parts.seen === undefined;
    this.#cursor = space.start();
    this.#edges = space.threads.map(() => null);
    this.#ahead = space.threads.map(() => null);
    this.#successors = new Successors(space.packing.width, TOGETHER * space.threads.length);
  }

  /** Begins where the threads start. */
  begin(): this {
    const { space } = this;
    const { row } = this.#cursor;
    space.findings(row, (f) => this.#findings.add(f, () => []));
    const first = this.#keep(-1, []);
    if (space.stops(row)) this.#ends++;
    else this.waiting.push(first);
    return this;
  }

  /** Notes the moves of all threads where the cursor stands. @returns bits of those that have one. */
  #look(edges: (Edge | null)[]): number {
    const { row } = this.#cursor;
    let enabled = 0;
    for (let t = 0; t < edges.length; t++) {
      const edge = this.space.edge(row, t);
      edges[t] = edge;
      if (edge !== null) enabled |= 1 << t;
    }
    return enabled;
  }

  #choose(edges: readonly (Edge | null)[], enabled: number): number {
    const several = (enabled & (enabled - 1)) !== 0;
    return several && this.#reduction !== null
      ? this.#reduction.choose(this.#cursor.row, edges, enabled)
      : enabled;
  }

  /** Adds the state where the cursor stands. @returns its number, or -1 if it was seen before. */
  #keep(parent: number, way: readonly number[]): number {
    const state = this.#seen.add(this.#cursor);
    if (!this.#seen.added) return -1;
    if (this.#trail) {
      for (const thread of way) this.#ways.push(thread);
      this.#note(parent);
    }
    return state;
  }

  /** Notes the way on which a new state was found. */
  #note(parent: number): void {
    this.#parents.push(parent);
    this.#wayEnds.push(this.#ways.length);
  }

  /** Expands some of the states that wait. */
  expandSome(count: number): void {
    const { waiting } = this;
    for (let left = count; left > 0 && waiting.length > 0; ) {
      const together = this.#reduction === null ? Math.min(left, waiting.length, TOGETHER) : 1;
      if (this.#reduction === null) this.#expandTogether(together);
      else this.#expandFar(waiting.pop(), this.#reduction);
      left -= together;
    }
  }

  advance(): boolean {
    const { waiting } = this;
    // A bound on states is kept exactly; other bounds are looked at once in a piece.
    const piece = this.#seen.size + PIECE * this.#edges.length > this.#maxStates ? 1 : PIECE;
    for (
      let done = 0;
      done < PIECE && waiting.length > 0 && this.#seen.size <= this.#maxStates;
      done += piece
    ) {
      this.expandSome(piece);
    }
    return this.#limits.allowNow({ ...this.progress() }) && waiting.length > 0;
  }

  /** Makes every step from some of the states that wait. */
  #expandTogether(count: number): void {
    const edges = this.#edges;
    const cursor = this.#cursor;
    const successors = this.#successors;
    for (let i = 0; i < count; i++) {
      const state = this.waiting.pop();
      this.#seen.load(state, cursor);
      if (this.#look(edges) === 0) this.#end(() => this.scheduleTo(state));
      for (let t = 0; t < edges.length; t++) {
        const edge = edges[t] as Edge | null;
        if (edge === null) continue;
        this.#steps++;
        cursor.step(edge, t);
        successors.push(cursor, state, t, edge);
        cursor.back();
      }
    }
    successors.addTo(this.#seen, this.#added);
  }

  /** Takes a new state, one step from another. */
  readonly #added = (state: number, from: number, thread: number, edge: Edge): void => {
    const { space } = this;
    if (this.#trail) {
      this.#ways.push(thread);
      this.#note(from);
    }
    if (space.touches(thread, edge)) {
      this.#seen.load(state, this.#cursor);
      this.#report(thread, edge, () => this.scheduleTo(state));
    }
    if (space.failed(thread, edge.next)) this.#ends++;
    else this.waiting.push(state);
  };

  /** Makes the steps that must be tried from a state. */
  #expandFar(state: number, reduction: Reduction): void {
    const edges = this.#edges;
    this.#seen.load(state, this.#cursor);
    const enabled = this.#look(edges);
    if (enabled === 0) {
      this.#end(() => this.scheduleTo(state));
      return;
    }
    const chosen = this.#choices[state] ?? this.#choose(edges, enabled);
    for (let t = 0; t < edges.length; t++) {
      if ((chosen & (1 << t)) !== 0) this.#stepFar(state, t, edges[t] as Edge, reduction);
    }
  }

  /**
   * Makes one step, and further ones as long as one thread is all that must be tried: the states in
   * between are looked at but not kept. A loop is never closed on the way, so this ends.
   */
  #stepFar(from: number, thread: number, edge: Edge, reduction: Reduction): void {
    const cursor = this.#cursor;
    const ahead = this.#ahead;
    const way: number[] = [];
    const schedule = (): Schedule | null => {
      const before = this.scheduleTo(from);
      return before === null ? null : [...before, ...way];
    };
    let [t, step] = [thread, edge];
    for (;;) {
      this.#steps++;
      cursor.step(step, t);
      way.push(t);
      this.#report(t, step, schedule);
      // A state that was kept before was looked at then: no need to think about it again.
      if (this.#seen.has(cursor)) break;
      const failed = this.space.failed(t, step.next);
      const enabled = failed ? 0 : this.#look(ahead);
      if (enabled === 0) {
        if (this.#keep(from, way) < 0) break;
        if (failed) this.#ends++;
        else this.#end(schedule);
        break;
      }
      const chosen = this.#choose(ahead, enabled);
      t = 31 - Math.clz32(chosen);
      step = ahead[t] as Edge;
      if (chosen === 1 << t && !reduction.closes(t, step)) continue;
      const state = this.#keep(from, way);
      if (state >= 0) {
        if (this.#trail) this.#choices[state] = chosen;
        this.waiting.push(state);
      }
      break;
    }
    if (way.length === 1) cursor.back();
    else this.#seen.load(from, cursor);
  }

  #report(thread: number, edge: Edge, schedule: () => Schedule | null): void {
    this.space.findingsAfter(this.#cursor.row, thread, edge, (f) => this.#findings.add(f, schedule));
  }

  #end(schedule: () => Schedule | null): void {
    this.#ends++;
    for (const f of this.space.endFindings(this.#cursor.row)) this.#findings.add(f, schedule);
  }

  /** A way to a state: the one on which it was first found. */
  scheduleTo(state: number): Schedule | null {
    if (!this.#trail) return null;
    const parts: number[][] = [];
    for (let at = state; at > 0; at = this.#parents.at(at)) {
      parts.push(this.#ways.slice(this.#wayEnds.at(at - 1), this.#wayEnds.at(at)));
    }
    return parts.reverse().flat();
  }

  progress(): Progress {
    return {
      states: this.#seen.size,
      executions: this.#ends,
      steps: this.#steps,
      queue: this.waiting.length,
      bytes: this.#seen.bytes + this.#parents.bytes * 2 + this.#ways.bytes + this.waiting.bytes,
    };
  }

  save(): SavedSearch {
    return {
      states: this.#seen.save(),
      waiting: this.waiting.save(),
      parents: this.#parents.save(),
      wayEnds: this.#wayEnds.save(),
      ways: this.#ways.save(),
      steps: this.#steps,
      ends: this.#ends,
      findings: this.#findings.list(),
    };
  }

  /** Goes on where a search of the same program was saved; the space must have learned the same already. */
  restore(saved: SavedSearch): this {
    // A search that several workers made has none.
    this.#trail = saved.parents.length > 0;
    this.#seen.restore(saved.states);
    this.waiting.restore(saved.waiting);
    this.#parents.restore(saved.parents);
    this.#wayEnds.restore(saved.wayEnds);
    this.#ways.restore(saved.ways);
    this.#steps = saved.steps;
    this.#ends = saved.ends;
    for (const { finding, schedule } of saved.findings) this.#findings.add(finding, () => schedule);
    return this;
  }

  result(): SearchResult {
    const { states, executions, steps, bytes } = this.progress();
    const bound = this.#limits.reached;
    const complete = bound === null && this.waiting.length === 0;
    const findings = this.#findings.list();
    return {
      strategy: this.#name,
      complete,
      bound,
      states,
      executions,
      steps,
      findings,
      notes: this.space.notes(),
      bytes,
    };
  }
}

/** The values of all cells in every state in which nobody can run, written out and sorted. */
export function finalStatesOf(space: Space, reduction: Reduction | null): string[] {
  const finals = new Set<string>();
  const { cells } = space.prepared;
  const endFindings = space.endFindings.bind(space);
  space.endFindings = (row) => {
    const see = space.see(row);
    finals.add(
      encode(
        cells.map((c) => see(c)),
        "a final state",
      ),
    );
    return endFindings(row);
  };
  const search = new StateSearch("finals", space, {}, { reduction }).begin();
  while (search.advance());
  return [...finals].sort();
}
