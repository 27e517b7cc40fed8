// Optimal dynamic partial-order reduction: source sets with wakeup trees (Abdulla, Aronis, Jonsson,
// Sagonas, "Source sets", JACM 64(4), 2017), without a set of states. One execution is run of each
// Mazurkiewicz trace, no more: two executions that differ in the order of independent steps alone are
// one trace. A clean and complete result proves what the plain search proves; the number of executions
// is the number of traces, which other tools can be held against. It suits programs with few conflicts,
// and needs executions that end: one that comes to a state a second time stops the search, which then is not
// complete and says which threads go round.
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
import { conflict, makeStep, type Step } from "./conflict.ts";
import { HappensBefore, join } from "./happens-before.ts";
import type { Finding } from "./outcome.ts";
import type { Prepared } from "./program.ts";
import { Space } from "./space.ts";
import {
  asStrategy,
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
import { insert, mayBegin, type Wakeup } from "./wakeup-tree.ts";

export const dpor: Strategy = asStrategy(
  "dpor",
  (prepared, bounds) => new DporSearch(new Space(prepared), bounds),
);

/** Parts that can be left out, only to show that a test catches it. */
export type DporRule =
  /** What was tried at a place is not tried first again after a step that does not conflict with it. */
  | "sleep-sets"
  /** After a step that conflicts with it, it is. */
  | "wake-sleepers"
  /** The whole order to try is prescribed, and not its first step alone. */
  | "wakeup-trees"
  /** Steps that may have to wait race as the head of this file says. */
  | "waiting"
  /** Changes of what one invariant looks at conflict. */
  | "invariants";

/** Steps of an execution after which it is looked at for a loop; again at twice as many, and so on. */
const LOOK_FOR_LOOP = 1 << 10;

/** Steps made between two looks at the clock. */
const STEPS_IN_PIECE = 1 << 14;

export class DporSearch implements SearchRun {
  readonly space: Space;
  readonly #limits: Limits;
  readonly #maxSteps: number;
  readonly #without: ReadonlySet<DporRule>;
  readonly #findings = new Findings();
  readonly #threads: number;
  readonly #onEnd: (row: Int32Array) => void;
  /** Steps by thread and edge. */
  #made: Step[][];
  /** The execution that is being run, and the state before each of its steps. */
  readonly #run: HappensBefore;
  readonly #rows: Int32Array[] = [];
  #row: Int32Array;
  /** At each depth: steps that need not be tried first any more, and orders that must be tried. */
  readonly #sleep: Step[][] = [];
  readonly #wakeup: Wakeup[][] = [];
  /** Steps from here on are new in this execution. */
  #newFrom = 0;
  /** True if the last step ended the execution. */
  #stopped = false;
  /** Scratch of {@link #racesOf}. */
  readonly #known: Int32Array;
  /** Scratch of {@link #reverse}. */
  readonly #replayed: Int32Array;
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
    this.#made = space.threads.map(() => []);
    this.#run = new HappensBefore(this.#threads);
    this.#known = new Int32Array(this.#threads);
    this.#row = space.start().row;
    this.#replayed = this.#row.slice();
    this.#begin();
  }

  #begin(): void {
    this.#watched = this.space.rules.watched;
    this.#made = this.space.threads.map(() => []);
    this.#row = this.space.start().row;
    this.#stopped = this.space.stops(this.#row);
    this.#run.clear();
    this.#sleep[0] = [];
    this.#wakeup[0] = [];
    this.#newFrom = 0;
    this.executions = 0;
    this.#steps = 0;
    this.space.findings(this.#row, (f) => this.#findings.add(f, () => []));
  }

  advance(): boolean {
    const until = this.#steps + STEPS_IN_PIECE;
    while (!this.#done && this.#steps < until) {
      if (this.#forward()) continue;
      if (!this.#limits.allow({ executions: this.executions })) return false;
      if (this.#back()) continue;
      if (this.space.rules.watched !== this.#watched) this.#begin();
      else this.#done = true;
    }
    return this.#limits.allowNow({ executions: this.executions }) && !this.#done;
  }

  progress(): Progress {
    return {
      states: 0,
      executions: this.executions,
      steps: this.#steps,
      queue: this.#run.length,
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
    const depth = this.#run.length;
    const sleep = this.#sleep[depth] as Step[];
    const wakeup = this.#wakeup[depth] as Wakeup[];
    if (wakeup.length === 0) {
      const next = this.#choose(sleep);
      if (next === null) return false;
      wakeup.push({ step: next, children: [] });
    }
    if (depth >= this.#maxSteps) this.#limits.reached ??= `steps: ${this.#maxSteps}`;
    if (depth >= LOOK_FOR_LOOP && (depth & (depth - 1)) === 0) this.#lookForLoop(depth);
    if (this.#limits.reached !== null) return false;
    const { step, children } = wakeup[0] as Wakeup;
    const made = this.#next(this.#row, step.thread) as Step;
    this.#sleep[depth + 1] ??= [];
    const sleepAfter = this.#sleep[depth + 1] as Step[];
    sleepAfter.length = 0;
    if (!this.#without.has("sleep-sets")) {
      const wakes = !this.#without.has("wake-sleepers");
      for (const s of sleep) {
        if (s.thread !== made.thread && !(wakes && conflict(s, made))) sleepAfter.push(s);
      }
    }
    this.#wakeup[depth + 1] = children;
    this.#make(made);
    return true;
  }

  /** Stops the search where the execution stands in a state that it was in before. */
  #lookForLoop(depth: number): void {
    for (let i = depth - 1; i >= 0; i--) {
      const row = this.#rows[i] as Int32Array;
      if (!row.every((v, p) => v === this.#row[p])) continue;
      const threads = new Set(this.#run.steps.slice(i).map((s) => s.thread));
      const names = [...threads].map((t) => this.space.prepared.threads[t]?.name).join(" and ");
      this.#limits.reached ??= `an execution without end: ${names} can go round for ever`;
      return;
    }
  }

  /** A step to go on with where nothing is prescribed; null at the end. */
  #choose(sleep: readonly Step[]): Step | null {
    let asleep = false;
    for (let t = 0; t < this.#threads && !this.#stopped; t++) {
      const step = this.#next(this.#row, t);
      if (step === null) continue;
      if (!sleep.some((s) => s.thread === t)) return step;
      asleep = true;
    }
    if (asleep) this.blocked++;
    else this.#end();
    return null;
  }

  #end(): void {
    this.executions++;
    if (!this.#stopped) {
      for (const f of this.space.endFindings(this.#row)) this.#findings.add(f, this.#schedule);
      this.#onEnd(this.#row);
    }
    this.#detectRaces();
  }

  readonly #add = (finding: Finding): void => this.#findings.add(finding, this.#schedule);

  readonly #schedule = (): number[] => this.#run.steps.map((s) => s.thread);

  #make(step: Step): void {
    const depth = this.#run.length;
    const row = this.#row;
    let before = this.#rows[depth];
    if (before === undefined) {
      before = new Int32Array(row.length);
      this.#rows[depth] = before;
    }
    before.set(row);
    const edge = step.edge as Edge;
    this.#apply(row, step);
    this.#run.push(step);
    this.#steps++;
    this.#stopped = step.stops;
    this.space.findingsAfter(row, step.thread, edge, this.#add);
  }

  #apply(row: Int32Array, step: Step): void {
    const { writes, next } = step.edge as Edge;
    for (let i = 0; i < writes.length; i += 2) row[writes[i] as number] = writes[i + 1] as number;
    row[this.space.threadsAt + step.thread] = next;
  }

  /** Goes back to the last place with another order to try; false if there is none. */
  #back(): boolean {
    for (;;) {
      const step = this.#run.pop();
      if (step === null) return false;
      this.#stopped = false;
      const depth = this.#run.length;
      this.#row.set(this.#rows[depth] as Int32Array);
      this.#newFrom = Math.min(this.#newFrom, depth);
      const wakeup = this.#wakeup[depth] as Wakeup[];
      wakeup.shift();
      (this.#sleep[depth] as Step[]).push(step);
      if (wakeup.length > 0) return true;
    }
  }

  /** The next step of a thread in a state, or null. */
  #next(row: Int32Array, thread: number): Step | null {
    const edge = this.space.edge(row, thread);
    if (edge === null) return null;
    const made = this.#made[thread] as Step[];
    let step = made[edge.index];
    if (step === undefined) {
      const { cells: touches, stores } = edge;
      const rules = this.#without.has("invariants") ? 0 : this.space.rules.touchedBy(edge.writes);
      step = makeStep({ thread, edge, touches, stores, rules, stops: this.space.failed(thread, edge.next) });
      made[edge.index] = step;
    }
    return step;
  }

  /** Finds the pairs of steps that could have come in another order, and notes the orders to try. */
  #detectRaces(): void {
    for (let later = this.#newFrom; later < this.#run.length; later++) this.#racesOf(later);
    if (!this.#without.has("waiting")) {
      for (let t = 0; t < this.#threads; t++) this.#racesOfPending(t);
    }
    this.#newFrom = this.#run.length;
  }

  #racesOf(at: number): void {
    const run = this.#run;
    const step = run.steps[at] as Step;
    const { thread } = step;
    const op = this.space.threads[thread]?.operation((step.edge as Edge).from);
    const waits = op?.op === "acquire" && !this.#without.has("waiting");
    const ownPast = run.pastOfThread(at);
    // What happened before the step for another reason than a conflict of this very pair.
    const known = this.#known;
    known.fill(0);
    let has = join(known, ownPast);
    for (let i = at - 1; i >= 0 && (has < at || waits); i--) {
      const direct = !run.isBefore(i, known);
      if (!direct && (!waits || run.isBefore(i, ownPast))) continue;
      if (!conflict(run.steps[i] as Step, step)) continue;
      this.#reverse(i, thread, at);
      has = join(known, run.clock(i));
    }
  }

  /** Races of a thread that waits at the end, or that was stopped by another's failure. */
  #racesOfPending(thread: number): void {
    const node = this.#row[this.space.threadsAt + thread] as number;
    const automaton = this.space.threads[thread] as Space["threads"][number];
    if (automaton.operation(node) === null) return;
    const run = this.#run;
    const cells = automaton.cellsIn(node, this.#row);
    const pending = makeStep({ thread, edge: null, touches: cells, stores: cells, rules: 0, stops: false });
    const ownPast = run.lastClock(thread);
    for (let i = run.length - 1; i >= 0; i--) {
      // A step that ended the execution conflicts with whatever it kept from being made.
      if (run.isBefore(i, ownPast) || !conflict(run.steps[i] as Step, pending)) continue;
      this.#reverse(i, thread, run.length);
    }
  }

  /** Notes that `thread` must be tried before the step at `earlier`, with all that need not wait for that. */
  #reverse(earlier: number, thread: number, later: number): void {
    const run = this.#run;
    const first = run.steps[earlier] as Step;
    const { thread: firstThread } = first;
    const count = run.clock(earlier)[firstThread] as number;
    const order: Step[] = [];
    const row = this.#replayed;
    row.set(this.#rows[earlier] as Int32Array);
    for (let i = earlier + 1; i < run.length; i++) {
      if (i === later || (run.clock(i)[firstThread] as number) >= count) continue;
      const step = run.steps[i] as Step;
      order.push(step);
      this.#apply(row, step);
    }
    const next = this.#next(row, thread);
    // It could not have gone before: it waits for the earlier step, or for something after it.
    if (next === null || !conflict(next, first)) return;
    order.push(next);
    const sleep = this.#sleep[earlier] as Step[];
    if (!this.#without.has("sleep-sets") && sleep.some((s) => mayBegin(s, order))) return;
    const whole = !this.#without.has("wakeup-trees");
    insert(this.#wakeup[earlier] as Wakeup[], whole ? order : order.slice(0, 1));
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
