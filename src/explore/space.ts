// The state space of a program over integers. A state is a row: the value id of each cell, then the
// node of each thread. Strategies move rows and never see a value.
import type { See } from "./access.ts";
import { Automaton, type OnMerge } from "./automaton.ts";
import { mainCells } from "./operation.ts";
import { type Blocked, explainDeadState, type Finding } from "./outcome.ts";
import type { Prepared } from "./program.ts";
import { Rules } from "./rules.ts";
import { Interner } from "./value.ts";

export class Space {
  readonly prepared: Prepared;
  readonly interner = new Interner();
  /** Invariants of every state. */
  readonly rules: Rules;
  /** Invariants of the states in which nobody can run. */
  readonly endRules: Rules;
  readonly threads: readonly Automaton[];
  /** Number of cells: the position of the first thread in a row. */
  readonly cells: number;
  /** Integers in a row. */
  readonly width: number;

  constructor(prepared: Prepared, onMerge: ((thread: number) => OnMerge) | null = null) {
    this.prepared = prepared;
    this.cells = prepared.cells.length;
    this.rules = new Rules(prepared, "every-state", this.interner);
    this.endRules = new Rules(prepared, "end", this.interner);
    this.threads = prepared.threads.map(
      (t, i) => new Automaton(t, this.cells, this.interner, onMerge?.(i) ?? null),
    );
    this.width = this.cells + this.threads.length;
  }

  /** The state in which the threads start. */
  initial(): Int32Array {
    const row = new Int32Array(this.width);
    this.prepared.memory.forEach((value, i) => {
      row[i] = this.interner.id(value);
    });
    // Every thread starts in node 0 of its automaton.
    return row;
  }

  /**
   * Makes one step of a thread.
   *
   * @param row    States, of which the one at `offset` is meant.
   * @param out    Receives the next state at its start.
   * @returns false if the thread has ended or must wait; `out` is then not changed.
   */
  step(row: Int32Array, offset: number, thread: number, out: Int32Array): boolean {
    const at = this.cells + thread;
    const edge = (this.threads[thread] as Automaton).edge(row[offset + at] ?? 0, row, offset);
    if (edge === null) return false;
    const { width } = this;
    for (let i = 0; i < width; i++) out[i] = row[offset + i] as number;
    const { writes } = edge;
    for (let i = 0; i < writes.length; i += 2) out[writes[i] as number] = writes[i + 1] as number;
    out[at] = edge.next;
    return true;
  }

  /** True if a thread can make a step. */
  enabled(row: Int32Array, offset: number, thread: number): boolean {
    const node = row[offset + this.cells + thread] ?? 0;
    return (this.threads[thread] as Automaton).edge(node, row, offset) !== null;
  }

  /** What is wrong in a state itself: broken invariants, and threads that ended with a failure. */
  findings(row: Int32Array, offset: number, found: (finding: Finding) => void): void {
    this.rules.check(row, offset, ({ rule, detail }) => {
      found({ kind: "invariant", property: rule, detail, threads: [] });
    });
    for (let t = 0; t < this.threads.length; t++) {
      const turn = (this.threads[t] as Automaton).turn(row[offset + this.cells + t] ?? 0);
      if (turn.kind === "failed") {
        found({ kind: "assertion", property: turn.property, detail: turn.detail, threads: [t] });
      }
    }
  }

  /** True if the execution stops here: a thread has failed, as after a BUG(). */
  stops(row: Int32Array, offset: number): boolean {
    for (let t = 0; t < this.threads.length; t++) {
      const node = row[offset + this.cells + t] ?? 0;
      if ((this.threads[t] as Automaton).turn(node).kind === "failed") return true;
    }
    return false;
  }

  /** What is wrong in a state in which no thread can run: rules of the end, and who waits for ever. */
  endFindings(row: Int32Array, offset: number): Finding[] {
    const found: Finding[] = [];
    this.endRules.check(row, offset, ({ rule, detail }) => {
      found.push({ kind: "invariant", property: rule, detail, threads: [] });
    });
    const dead = this.#deadFinding(row, offset);
    return dead === null ? found : [...found, dead];
  }

  #deadFinding(row: Int32Array, offset: number): Finding | null {
    const blocked: Blocked[] = [];
    this.threads.forEach((automaton, t) => {
      const op = automaton.operation(row[offset + this.cells + t] ?? 0);
      if (op?.op !== "acquire") return;
      blocked.push({
        thread: t,
        name: this.prepared.threads[t]?.title ?? "",
        blocks: op.blocks,
        wait: op.wait,
        on: mainCells(op)
          .map((c) => c.name)
          .join(", "),
      });
    });
    return blocked.length === 0 ? null : explainDeadState(blocked, this.see(row, offset));
  }

  /** Looks at a state as invariants and conditions do. */
  see(row: Int32Array, offset: number): See {
    return (cell) => this.interner.value(row[offset + cell.id] ?? 0) as never;
  }
}
