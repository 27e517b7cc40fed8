// A thread as a lazily built automaton: a node is a local state with its pending operation, an edge
// what the operation saw and did. The generator runs again, with recorded results, only when an edge
// is first seen; from then on the search moves integers. This is what makes a generator, which can
// neither be cloned nor compared, cheap to explore.
import type { Operation } from "./access.ts";
import { footprint, perform } from "./operation.ts";
import type { PreparedThread } from "./program.ts";
import { ThreadRun, type Turn } from "./thread.ts";
import type { Interner, Value } from "./value.ts";

/** One move of a thread: what it writes, as cell and value ids in turn, and where it then stands. */
export interface Edge {
  readonly writes: Int32Array;
  readonly next: number;
  readonly result: number;
}

/** `null`: the operation cannot be made on these values. */
type Outcome = Edge | null;

/** Outcomes by the values of the footprint, one level of table a cell. */
type Table = Map<number, Table | Outcome>;

interface Node {
  readonly turn: Turn;
  /** Ids of the cells that the operation touches. */
  readonly cells: Int32Array;
  readonly table: Table;
  /** How it was first reached: from which node, with which result. Null at the start. */
  readonly from: { readonly node: number; readonly result: number } | null;
}

/** Told when two histories meet in one node: the audit checks that they behave alike. */
export type OnMerge = (node: number, from: { readonly node: number; readonly result: number }) => void;

export class Automaton {
  readonly #thread: PreparedThread;
  readonly #interner: Interner;
  readonly #memory: Value[];
  readonly #nodes: Node[] = [];
  readonly #byState = new Map<string, number>();
  readonly #onMerge: OnMerge | null;
  /** The generator that was run last, which stands at `liveAt`: a straight line costs one run. */
  #live: ThreadRun;
  #liveAt: number;
  /** How often the thread was run from its start. */
  runs = 1;

  constructor(thread: PreparedThread, cells: number, interner: Interner, onMerge: OnMerge | null = null) {
    this.#thread = thread;
    this.#interner = interner;
    this.#memory = new Array<Value>(cells);
    this.#onMerge = onMerge;
    this.#live = new ThreadRun(thread);
    this.#liveAt = this.#intern(null);
  }

  get size(): number {
    return this.#nodes.length;
  }

  /** Where the thread stands in a node. */
  turn(node: number): Turn {
    return this.#node(node).turn;
  }

  /** The operation that is pending in a node, or null if the thread has ended there. */
  operation(node: number): Operation | null {
    const { turn } = this.#node(node);
    return turn.kind === "wants" ? turn.op : null;
  }

  /**
   * The move of the thread in a state.
   *
   * @param row The state: value ids of all cells from `offset` on.
   * @returns null if the thread has ended or must wait.
   */
  edge(node: number, row: Int32Array, offset: number): Edge | null {
    const { turn, cells, table } = this.#node(node);
    if (turn.kind !== "wants") return null;
    let level = table;
    const last = cells.length - 1;
    for (let i = 0; i < last; i++) {
      const value = row[offset + (cells[i] ?? 0)] ?? 0;
      let next = level.get(value) as Table | undefined;
      if (next === undefined) {
        next = new Map();
        level.set(value, next);
      }
      level = next;
    }
    const key = last < 0 ? 0 : (row[offset + (cells[last] ?? 0)] ?? 0);
    let outcome = level.get(key) as Outcome | undefined;
    if (outcome === undefined) {
      outcome = this.#explore(node, turn.op, cells, row, offset);
      level.set(key, outcome);
    }
    return outcome;
  }

  /** The results that were handed to the thread on the first way to a node. */
  path(node: number): Value[] {
    const results: Value[] = [];
    for (let { from } = this.#node(node); from !== null; { from } = this.#node(from.node)) {
      results.push(this.#interner.value(from.result));
    }
    return results.reverse();
  }

  /** Runs the thread anew to a node, and one result further. */
  rerun(node: number, result: number): ThreadRun {
    this.runs++;
    const run = new ThreadRun(this.#thread);
    for (const value of this.path(node)) run.resume(value);
    run.resume(this.#interner.value(result));
    return run;
  }

  #node(node: number): Node {
    return this.#nodes[node] as Node;
  }

  #explore(node: number, op: Operation, cells: Int32Array, row: Int32Array, offset: number): Outcome {
    for (const cell of cells) this.#memory[cell] = this.#interner.value(row[offset + cell] ?? 0);
    const done = perform(op, this.#memory);
    if (done === null) return null;
    const result = this.#interner.id(done.result);
    if (this.#liveAt === node) this.#live.resume(this.#interner.value(result));
    else this.#live = this.rerun(node, result);
    this.#liveAt = this.#intern({ node, result });
    const writes = new Int32Array(done.writes.length * 2);
    done.writes.forEach(({ cell, value }, i) => {
      writes[2 * i] = cell;
      writes[2 * i + 1] = this.#interner.id(value);
    });
    return { writes, next: this.#liveAt, result };
  }

  #intern(from: Node["from"]): number {
    const key = this.#live.localState();
    const known = this.#byState.get(key);
    if (known !== undefined) {
      if (from !== null) this.#onMerge?.(known, from);
      return known;
    }
    const { turn } = this.#live;
    const cells = turn.kind === "wants" ? Int32Array.from(footprint(turn.op), (c) => c.id) : new Int32Array();
    const node = this.#nodes.push({ turn, cells, table: new Map(), from }) - 1;
    this.#byState.set(key, node);
    return node;
  }
}
