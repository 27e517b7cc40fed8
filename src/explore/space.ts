// The state space of a program over integers. A state is a row: the value id of each cell, then the
// node of each thread. Strategies move rows and never see a value.
import { PagelifeError } from "../base/errors.ts";
import type { See } from "./access.ts";
import { Automaton, type Edge, type OnMerge } from "./automaton.ts";
import { mainCells } from "./operation.ts";
import { type Blocked, explainDeadState, type Finding, waitsForEver } from "./outcome.ts";
import type { Prepared } from "./program.ts";
import { Rules } from "./rules.ts";
import type { Table } from "./shared-table.ts";
import { Cursor, Packing } from "./state-set.ts";
import { Interner } from "./value.ts";

/** Sets of threads are bits of one integer. */
const MAX_THREADS = 31;

/** Finds out what a thread does in a state that was never seen; the one place where a space grows. */
export type Learn = (thread: number, node: number, row: Int32Array) => Edge | null;

export class Space {
  readonly prepared: Prepared;
  readonly interner = new Interner();
  readonly rules: Rules;
  readonly endRules: Rules;
  readonly threads: readonly Automaton[];
  /** Number of cells. */
  readonly cells: number;
  readonly packing: Packing;
  /** Position of the first thread in a row. */
  readonly threadsAt: number;
  /** Value ids of the cells when the threads start. Every thread starts in node 0 of its automaton. */
  readonly initial: readonly number[];
  /** What was learned, in order: thread, node, the values that it saw. Learned anew in the same order,
   * it gives the same numbers to everything. */
  readonly journal: number[] = [];
  /** How a strategy that shares its journal replaces {@link learnHere}. */
  learn: Learn = (thread, node, row) => this.learnHere(thread, node, row);

  /**
   * @param onMerge See {@link OnMerge}, by thread.
   * @param shared  Gives the table of each chunk of cells, where others share them.
   */
  constructor(
    prepared: Prepared,
    onMerge: ((thread: number) => OnMerge) | null = null,
    shared: ((chunk: number) => Table) | null = null,
  ) {
    const { length } = prepared.threads;
    if (length > MAX_THREADS) {
      throw new PagelifeError(
        "PL208",
        `${prepared.name} has ${length} threads, those of a memory model included; at most ${MAX_THREADS} can be explored`,
      );
    }
    this.prepared = prepared;
    this.cells = prepared.cells.length;
    this.initial = prepared.memory.map((value) => this.interner.id(value));
    this.rules = new Rules(prepared, "every-state", this.interner);
    this.endRules = new Rules(prepared, "end", this.interner);
    this.threads = prepared.threads.map(
      (t, i) => new Automaton(t, this.cells, this.interner, onMerge?.(i) ?? null),
    );
    this.packing = new Packing(this.cells, this.threads.length, shared);
    this.threadsAt = this.packing.chunks * this.packing.chunk;
  }

  /** A cursor in the state in which the threads start. */
  start(): Cursor {
    const cursor = new Cursor(this.packing);
    cursor.start(this.initial);
    return cursor;
  }

  /** Grows with every edge that is learned and every look of a rule at another cell. */
  get knowledge(): number {
    return this.threads.reduce((sum, t) => sum + t.edges.length, this.rules.watched);
  }

  /** The move of a thread in a state; null if it has ended or must wait. */
  edge(row: Int32Array, thread: number): Edge | null {
    const node = row[this.threadsAt + thread] as number;
    const known = (this.threads[thread] as Automaton).known(node, row);
    return known === undefined ? this.learn(thread, node, row) : known;
  }

  /** Learns an edge and notes it in the journal. */
  learnHere(thread: number, node: number, row: Int32Array): Edge | null {
    const automaton = this.threads[thread] as Automaton;
    this.journal.push(thread, node);
    for (const cell of automaton.cellsIn(node, row)) this.journal.push(row[cell] ?? 0);
    return automaton.learn(node, row);
  }

  /** Learns what another space of the same program has learned, from position `from` of its journal on. */
  catchUp(journal: ArrayLike<number>, from: number, to: number): void {
    const row = new Int32Array(this.cells);
    for (let i = from; i < to; ) {
      const thread = journal[i++] as number;
      const node = journal[i++] as number;
      const automaton = this.threads[thread] as Automaton;
      // The cells of the operation come first; the values of the first may name further ones.
      const cells = automaton.cells(node);
      for (let c = 0; c < cells.length; c++) row[cells[c] as number] = journal[i + c] as number;
      for (const cell of automaton.cellsIn(node, row)) row[cell] = journal[i++] as number;
      if (automaton.known(node, row) === undefined) this.learnHere(thread, node, row);
    }
  }

  /** True if a thread stands in a node in which it has failed, as after a BUG(): then nobody goes on. */
  failed(thread: number, node: number): boolean {
    return (this.threads[thread] as Automaton).turn(node).kind === "failed";
  }

  /** True if the execution stops here. */
  stops(row: Int32Array): boolean {
    for (let t = 0; t < this.threads.length; t++) {
      if (this.failed(t, row[this.threadsAt + t] as number)) return true;
    }
    return false;
  }

  /** What is wrong in a state itself: broken invariants, and threads that ended with a failure. */
  findings(row: Int32Array, found: (finding: Finding) => void): void {
    this.#checkRules(row, -1, found);
    for (let t = 0; t < this.threads.length; t++) this.#checkThread(row, t, found);
  }

  /** As {@link findings}, for a state that differs by one step from one that was looked at before. */
  findingsAfter(row: Int32Array, thread: number, edge: Edge, found: (finding: Finding) => void): void {
    const touched = this.rules.touchedBy(edge.writes);
    if (touched !== 0) this.#checkRules(row, touched, found);
    if (this.failed(thread, edge.next)) this.#checkThread(row, thread, found);
  }

  /** True if {@link findingsAfter} a step has something to look at. */
  touches(thread: number, edge: Edge): boolean {
    return this.rules.touchedBy(edge.writes) !== 0 || this.failed(thread, edge.next);
  }

  #checkRules(row: Int32Array, bits: number, found: (finding: Finding) => void): void {
    this.rules.check(
      row,
      ({ rule, detail }) => found({ kind: "invariant", property: rule, detail, threads: [] }),
      bits,
    );
  }

  #checkThread(row: Int32Array, t: number, found: (finding: Finding) => void): void {
    const turn = (this.threads[t] as Automaton).turn(row[this.threadsAt + t] as number);
    if (turn.kind === "failed") {
      found({ kind: "assertion", property: turn.property, detail: turn.detail, threads: [t] });
    }
  }

  /** What is wrong in a state in which no thread can run: rules of the end, and who waits for ever. */
  endFindings(row: Int32Array): Finding[] {
    const found: Finding[] = [];
    this.endRules.check(row, ({ rule, detail }) => {
      found.push({ kind: "invariant", property: rule, detail, threads: [] });
    });
    const dead = this.#deadFinding(row);
    return dead === null ? found : [...found, dead];
  }

  #deadFinding(row: Int32Array): Finding | null {
    const blocked: Blocked[] = [];
    this.threads.forEach((automaton, t) => {
      const op = automaton.operation(row[this.threadsAt + t] as number);
      if (op?.op !== "acquire" || !waitsForEver(op, this.prepared.threads[t]?.hidden)) return;
      blocked.push({
        thread: t,
        name: this.prepared.threads[t]?.title ?? "",
        blocks: op.blocks,
        wait: op.wait,
        on: mainCells(op.asked ?? op)
          .map((c) => c.name)
          .join(", "),
        within: automaton.within(row[this.threadsAt + t] as number),
      });
    });
    return blocked.length === 0 ? null : explainDeadState(blocked, this.see(row), this.prepared.liveness);
  }

  /** Looks at a state as invariants and conditions do. */
  see(row: Int32Array): See {
    return (cell) => this.interner.value(row[cell.id] ?? 0) as never;
  }

  /** What is to be said with a result: threads whose local state cannot be written down. */
  notes(): string[] {
    return this.threads.flatMap(({ opaque }, t) =>
      opaque === null
        ? []
        : [
            `thread ${this.prepared.threads[t]?.name}: states are told apart by history, for ${opaque.replace(/^PL\d+: /, "")}`,
          ],
    );
  }
}
