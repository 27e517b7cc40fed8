// Optimal dynamic partial-order reduction: source sets with wakeup trees (Abdulla, Aronis, Jonsson,
// Sagonas, "Source sets", JACM 64(4), 2017), without a set of states. One execution is run of each
// Mazurkiewicz trace, no more: two executions that differ in the order of independent steps alone are
// one trace. A clean and complete result proves what the plain search proves; the number of executions
// is the number of traces, which other tools can be held against. It suits programs with few conflicts,
// and ends only on programs whose executions end: a loop that waits runs into a bound.
//
// Executions are not replayed: threads are automata (`automaton.ts`), so going back is to restore a row
// of integers.
//
// Three things go beyond the paper's setting.
// - A step that may have to wait (a lock) races with every conflicting step after which it could not be
//   made and before which it could, not only with the last one; and a thread that waits at the end of
//   an execution races like one that goes on.
// - A step that ends the execution (a failed assertion) conflicts with every other step.
// - Two changes of cells that one invariant looks at conflict. Which cells these are is learned; the
//   search begins anew when more were found.

import type { Edge } from "./automaton.ts";
import type { Prepared } from "./program.ts";
import { Space } from "./space.ts";
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
import { encode } from "./value.ts";

export const dpor: Strategy = {
  name: "dpor",
  search: (prepared, bounds) => runToEnd(new DporSearch(new Space(prepared), bounds)),
  start: (prepared, bounds) => new DporSearch(new Space(prepared), bounds),
};

/** A step as far as conflicts go. */
interface Step {
  readonly thread: number;
  readonly edge: Edge | null;
  /** Cells that it looks at or stores to, and those that it stores to. */
  readonly touches: Int32Array;
  readonly stores: Int32Array;
  /** A bit for each of them, modulo 32: most pairs are seen to be independent by these alone. */
  readonly touchBits: number;
  readonly storeBits: number;
  /** Bits of the invariants that it may break. */
  readonly rules: number;
  /** True if it ends the execution. */
  readonly stops: boolean;
}

/** A step that was made, and all that came before it because it had to. */
interface Event extends Step {
  /** For each thread how many of its steps happened before this one; itself included. */
  readonly clock: Int32Array;
  /** How many steps its thread had made, this one included. */
  readonly count: number;
}

/** An order of steps to try: the paper's wakeup tree. */
interface Wakeup {
  readonly step: Step;
  readonly children: Wakeup[];
}

/** Parts that can be left out to show that a test catches it. */
export type DporRule = "sleep-sets" | "waiting" | "invariants";

const EVENTS_IN_PIECE = 1 << 14;

export class DporSearch implements SearchRun {
  readonly space: Space;
  readonly #limits: Limits;
  readonly #maxSteps: number;
  readonly #without: ReadonlySet<DporRule>;
  readonly #findings = new Findings();
  readonly #threads: number;
  readonly #onEnd: (row: Int32Array) => void;
  /** Steps by thread and edge. */
  #known: Step[][];
  /** The execution that is being run, and what was before each of its events. */
  readonly #events: Event[] = [];
  readonly #rows: Int32Array[] = [];
  #row: Int32Array;
  /** At each depth: steps that need not be tried first any more, and orders that must be tried. */
  readonly #sleep: Step[][] = [];
  readonly #wakeup: Wakeup[][] = [];
  /** Events from here on are new in this execution. */
  #newFrom = 0;
  #steps = 0;
  #watched = 0;
  #done = false;
  /** Executions run to their end. */
  executions = 0;
  /** Executions given up because all that could go on was asleep: never, if this is optimal. */
  blocked = 0;

  /** @param onEnd Is told the final state of each execution that did not fail. */
  constructor(
    space: Space,
    bounds: Bounds,
    without: readonly DporRule[] = [],
    onEnd: (row: Int32Array) => void = () => {},
  ) {
    this.space = space;
    this.#limits = new Limits(bounds);
    this.#maxSteps = bounds.maxSteps ?? Number.POSITIVE_INFINITY;
    this.#without = new Set(without);
    this.#threads = space.threads.length;
    this.#onEnd = onEnd;
    this.#known = space.threads.map(() => []);
    this.#row = space.start().row;
    this.#begin();
  }

  #begin(): void {
    this.#watched = this.space.rules.watched;
    this.#known = this.space.threads.map(() => []);
    this.#row = this.space.start().row;
    this.#events.length = 0;
    this.#sleep[0] = [];
    this.#wakeup[0] = [];
    this.#newFrom = 0;
    this.executions = 0;
    this.#steps = 0;
    this.space.findings(this.#row, (f) => this.#findings.add(f, () => []));
  }

  advance(): boolean {
    const until = this.#steps + EVENTS_IN_PIECE;
    while (!this.#done && this.#steps < until) {
      if (!this.#forward() && !this.#back()) {
        if (this.space.rules.watched !== this.#watched) this.#begin();
        else this.#done = true;
      }
      if (!this.#limits.allow({ executions: this.executions, steps: 0 })) return false;
    }
    return this.#limits.allowNow({ executions: this.executions, steps: 0 }) && !this.#done;
  }

  progress(): Progress {
    return {
      states: 0,
      executions: this.executions,
      steps: this.#steps,
      queue: this.#events.length,
      bytes: 0,
    };
  }

  result(): SearchResult {
    return {
      strategy: dpor.name,
      complete: this.#done,
      bound: this.#limits.reached,
      states: 0,
      executions: this.executions,
      steps: this.#steps,
      findings: this.#findings.list(),
      notes: this.space.notes(),
    };
  }

  /** Makes one step; false at the end of an execution. */
  #forward(): boolean {
    const depth = this.#events.length;
    const wakeup = this.#wakeup[depth] as Wakeup[];
    if (wakeup.length === 0) {
      const next = this.#choose(this.#sleep[depth] as Step[]);
      if (next === null) return false;
      wakeup.push({ step: next, children: [] });
    }
    const { step, children } = wakeup[0] as Wakeup;
    const made = this.#next(this.#row, step.thread) as Step;
    if (depth >= this.#maxSteps) {
      this.#limits.reached ??= `steps: ${this.#maxSteps}`;
      return false;
    }
    this.#sleep[depth + 1] = this.#without.has("sleep-sets")
      ? []
      : (this.#sleep[depth] as Step[]).filter((s) => s.thread !== made.thread && !conflict(s, made));
    this.#wakeup[depth + 1] = children;
    this.#make(made);
    return true;
  }

  /** A step to go on with where nothing is prescribed; null at the end. */
  #choose(sleep: readonly Step[]): Step | null {
    let asleep = false;
    if (!this.space.stops(this.#row)) {
      for (let t = 0; t < this.#threads; t++) {
        const step = this.#next(this.#row, t);
        if (step === null) continue;
        if (!sleep.some((s) => s.thread === t)) return step;
        asleep = true;
      }
    }
    if (asleep) this.blocked++;
    else this.#end();
    return null;
  }

  #end(): void {
    this.executions++;
    const schedule = (): number[] => this.#events.map((e) => e.thread);
    if (!this.space.stops(this.#row)) {
      for (const f of this.space.endFindings(this.#row)) this.#findings.add(f, schedule);
      this.#onEnd(this.#row);
    }
    this.#detectRaces();
  }

  #make(step: Step): void {
    const depth = this.#events.length;
    const row = this.#row;
    let before = this.#rows[depth];
    if (before === undefined) {
      before = new Int32Array(row.length);
      this.#rows[depth] = before;
    }
    before.set(row);
    const edge = step.edge as Edge;
    this.#apply(row, step.thread, edge);
    this.#events.push(this.#order(step));
    this.#steps++;
    this.space.findingsAfter(row, step.thread, edge, (f) =>
      this.#findings.add(f, () => this.#events.map((e) => e.thread)),
    );
  }

  #apply(row: Int32Array, thread: number, edge: Edge): void {
    const { writes } = edge;
    for (let i = 0; i < writes.length; i += 2) row[writes[i] as number] = writes[i + 1] as number;
    row[this.space.threadsAt + thread] = edge.next;
  }

  /** Goes back to the last place with another order to try; false if there is none. */
  #back(): boolean {
    for (;;) {
      const event = this.#events.pop();
      if (event === undefined) return false;
      const depth = this.#events.length;
      this.#row.set(this.#rows[depth] as Int32Array);
      this.#newFrom = Math.min(this.#newFrom, depth);
      const wakeup = this.#wakeup[depth] as Wakeup[];
      wakeup.shift();
      (this.#sleep[depth] as Step[]).push(event);
      if (wakeup.length > 0) return true;
    }
  }

  /** The next step of a thread in a state, or null. */
  #next(row: Int32Array, thread: number): Step | null {
    const edge = this.space.edge(row, thread);
    if (edge === null) return null;
    const known = this.#known[thread] as Step[];
    let step = known[edge.index];
    if (step === undefined) {
      step = this.#stepOf(thread, edge, edge.cells, edge.stores);
      known[edge.index] = step;
    }
    return step;
  }

  #stepOf(thread: number, edge: Edge | null, touches: Int32Array, stores: Int32Array): Step {
    return {
      thread,
      edge,
      touches,
      stores,
      touchBits: bitsOf(touches),
      storeBits: bitsOf(stores),
      rules: edge === null || this.#without.has("invariants") ? 0 : this.space.rules.touchedBy(edge.writes),
      stops: edge !== null && this.space.failed(thread, edge.next),
    };
  }

  /** Says what happened before a step. */
  #order(step: Step): Event {
    const events = this.#events;
    const clock = new Int32Array(this.#threads);
    let count = 1;
    for (let i = events.length - 1; i >= 0; i--) {
      const e = events[i] as Event;
      if (e.thread === step.thread) {
        if (count === 1) count = e.count + 1;
      } else if (!conflict(e, step)) continue;
      if ((clock[e.thread] as number) < e.count) join(clock, e.clock);
    }
    clock[step.thread] = count;
    return { ...step, clock, count };
  }

  /** Finds the pairs of events that could have come in another order, and notes the orders to try. */
  #detectRaces(): void {
    const events = this.#events;
    for (let later = this.#newFrom; later < events.length; later++) {
      this.#racesOf(events[later] as Event, later);
    }
    const failed = this.space.stops(this.#row);
    if (!this.#without.has("waiting")) {
      for (let t = 0; t < this.#threads; t++) this.#racesOfPending(t, failed);
    }
    this.#newFrom = events.length;
  }

  #racesOf(event: Event, at: number): void {
    const events = this.#events;
    const { thread } = event;
    const op = this.space.threads[thread]?.operation((event.edge as Edge).from);
    const waits = op?.op === "acquire" && !this.#without.has("waiting");
    // What happened before the event for another reason than a conflict of this very pair.
    const known = new Int32Array(this.#threads);
    const before = lastOf(events, thread, at);
    if (before !== null) join(known, before.clock);
    const ownPast = known.slice();
    for (let i = at - 1; i >= 0; i--) {
      const e = events[i] as Event;
      if (e.thread === thread || !conflict(e, event)) continue;
      const direct = (known[e.thread] as number) < e.count;
      if (direct || (waits && (ownPast[e.thread] as number) < e.count)) this.#reverse(i, thread, at);
      join(known, e.clock);
    }
  }

  /** Races of a thread that waits at the end, or that was stopped by another's failure. */
  #racesOfPending(thread: number, failed: boolean): void {
    const node = this.#row[this.space.threadsAt + thread] as number;
    const automaton = this.space.threads[thread] as Space["threads"][number];
    if (automaton.operation(node) === null) return;
    const cells = automaton.cellsIn(node, this.#row);
    const pending = this.#stepOf(thread, null, cells, cells);
    const ownPast = lastOf(this.#events, thread, this.#events.length)?.clock ?? new Int32Array(this.#threads);
    for (let i = this.#events.length - 1; i >= 0; i--) {
      const e = this.#events[i] as Event;
      if (e.thread === thread || (ownPast[e.thread] as number) >= e.count) continue;
      if (conflict(e, pending) || (failed && e.stops)) this.#reverse(i, thread, this.#events.length);
    }
  }

  /** Notes that `thread` must be tried before the event at `earlier`, with all that need not wait for that. */
  #reverse(earlier: number, thread: number, later: number): void {
    const events = this.#events;
    const e = events[earlier] as Event;
    const order: Step[] = [];
    const row = (this.#rows[earlier] as Int32Array).slice();
    for (let i = earlier + 1; i < events.length; i++) {
      const f = events[i] as Event;
      if (i === later || (f.clock[e.thread] as number) >= e.count) continue;
      order.push(f);
      this.#apply(row, f.thread, f.edge as Edge);
    }
    const next = this.#next(row, thread);
    // It could not have gone before: it waits for the earlier event, or for something after it.
    if (next === null || !conflict(next, e)) return;
    order.push(next);
    const sleep = this.#sleep[earlier] as Step[];
    if (!this.#without.has("sleep-sets") && sleep.some((s) => mayBegin(s, order) !== NEVER)) return;
    insert(this.#wakeup[earlier] as Wakeup[], order);
  }
}

function lastOf(events: readonly Event[], thread: number, before: number): Event | null {
  for (let i = before - 1; i >= 0; i--) if (events[i]?.thread === thread) return events[i] as Event;
  return null;
}

function join(into: Int32Array, other: Int32Array): void {
  for (let i = 0; i < into.length; i++) {
    if ((other[i] as number) > (into[i] as number)) into[i] = other[i] as number;
  }
}

function bitsOf(cells: Int32Array): number {
  let bits = 0;
  for (let i = 0; i < cells.length; i++) bits |= 1 << ((cells[i] as number) & 31);
  return bits;
}

/** True if the order of two steps of different threads matters. */
function conflict(a: Step, b: Step): boolean {
  if (a.stops || b.stops || (a.rules & b.rules) !== 0) return true;
  if ((a.storeBits & b.touchBits) === 0 && (b.storeBits & a.touchBits) === 0) return false;
  return overlap(a.stores, b.touches) || overlap(b.stores, a.touches);
}

function overlap(a: Int32Array, b: Int32Array): boolean {
  for (let i = 0; i < a.length; i++) for (let j = 0; j < b.length; j++) if (a[i] === b[j]) return true;
  return false;
}

const NEVER = -2;
const ABSENT = -1;

/**
 * Can an order of steps begin with `step`, its weak initials in the paper's words?
 *
 * @returns the place of the step in the order, {@link ABSENT} if it is not there but could as well come
 *   first, or {@link NEVER}.
 */
function mayBegin(step: Step, order: readonly Step[]): number {
  for (let i = 0; i < order.length; i++) {
    const s = order[i] as Step;
    if (s.thread === step.thread) return i;
    if (conflict(s, step)) return NEVER;
  }
  return ABSENT;
}

/** Adds an order to a wakeup tree, unless what is there already covers it. */
function insert(tree: Wakeup[], order: Step[]): void {
  let level = tree;
  let rest = order;
  for (;;) {
    let found: Wakeup | null = null;
    for (const child of level) {
      const at = mayBegin(child.step, rest);
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

/** As the strategy, and the values of all cells at the end of each execution that did not fail. */
export function searchTraces(
  prepared: Prepared,
  bounds: Bounds,
  without: readonly DporRule[] = [],
): { readonly result: SearchResult; readonly finals: readonly string[]; readonly blocked: number } {
  const space = new Space(prepared);
  const finals = new Set<string>();
  const search = new DporSearch(space, bounds, without, (row) => {
    const see = space.see(row);
    finals.add(
      encode(
        prepared.cells.map((c) => see(c)),
        "a final state",
      ),
    );
  });
  const result = runToEnd(search);
  return { result, finals: [...finals].sort(), blocked: search.blocked };
}
