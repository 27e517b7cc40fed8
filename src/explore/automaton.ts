// A thread as a lazily built automaton: a node is a local state with its pending operation, an edge
// what the operation saw and did. The generator runs again, with recorded results, only when an edge
// is first seen; from then on the search moves integers. This is what makes a generator, which can
// neither be cloned nor compared, cheap to explore.
import { PagelifeError } from "../base/errors.ts";
import type { Operation } from "./access.ts";
import { functionNames } from "./liveness.ts";
import { footprint, moreCells, perform } from "./operation.ts";
import type { PreparedThread } from "./program.ts";
import { ThreadRun, type Turn } from "./thread.ts";
import type { Interner, Value } from "./value.ts";
import { ValueTable } from "./value-table.ts";

/** One move of a thread: what it changes, as cell and value ids in turn, and where it then stands. */
export interface Edge {
  /** Position among the edges of the automaton, in the order in which they were first seen. */
  readonly index: number;
  readonly from: number;
  readonly next: number;
  readonly result: number;
  /** Cells that change, each once, with their next values. */
  readonly writes: Int32Array;
  /** Cells that are stored to, those that keep their value by a plain store among them. */
  readonly stores: Int32Array;
  /** Ids of the cells that it looks at, and the value ids that it saw there. */
  readonly cells: Int32Array;
  readonly saw: Int32Array;
}

/** Told when two histories meet in one node: the audit checks that they behave alike. */
export type OnMerge = (node: number, from: { readonly node: number; readonly result: number }) => void;

/** In a table of edges: the operation cannot be made on these values. */
const BLOCKED = -1;

/** The edges of a node that look at the same cells. */
interface Sight {
  /** Ids of the cells that the operation touches. */
  readonly cells: Int32Array;
  /** Edges by what they see: index plus one, or {@link BLOCKED}. */
  readonly table: ValueTable;
}

interface Node extends Sight {
  readonly turn: Turn;
  /** Where the value of the first cell names further ones: what is seen, by that value's id. */
  readonly byFirst: (Sight | undefined)[] | null;
  /** How it was first reached: from which node, with which result. Null at the start. */
  readonly from: { readonly node: number; readonly result: number } | null;
  /** Its local state, written out; with its history, where that cannot be written. */
  readonly key: string;
  /** The functions that the thread is in, outermost first. */
  readonly within: readonly string[];
}

export class Automaton {
  readonly #thread: PreparedThread;
  readonly #interner: Interner;
  readonly #memory: Value[];
  readonly #nodes: Node[] = [];
  readonly #edges: Edge[] = [];
  readonly #byState = new Map<string, number>();
  readonly #onMerge: OnMerge | null;
  /** The generator that was run last, which stands at `liveAt`: a straight line costs one run. */
  #live: ThreadRun;
  #liveAt: number;
  /** How often the thread was run from its start. */
  runs = 1;
  /** Why states are told apart by their history, if a local could not be written down: the error's text. */
  opaque: string | null = null;

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

  get edges(): readonly Edge[] {
    return this.#edges;
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

  /** Ids of the cells that the pending operation of a node touches, in whatever state. */
  cells(node: number): Int32Array {
    return this.#node(node).cells;
  }

  /** As {@link cells}, with those that are named by what the first one holds in a state. */
  cellsIn(node: number, row: Int32Array): Int32Array {
    const { turn } = this.#node(node);
    return turn.kind === "wants" ? this.#sight(node, turn.op, row).cells : this.cells(node);
  }

  /** Text that is the same for a node in every search of the program. */
  key(node: number): string {
    return this.#node(node).key;
  }

  /** The functions that the thread is in, outermost first. */
  within(node: number): readonly string[] {
    return this.#node(node).within;
  }

  /**
   * The move of the thread in a state, as far as it is known.
   *
   * @param row The state: value ids of all cells.
   * @returns null if the thread has ended or must wait; undefined if this was never seen: then
   *   {@link learn} it.
   */
  known(node: number, row: Int32Array): Edge | null | undefined {
    const at = this.#nodes[node] as Node;
    const sight = at.byFirst === null ? at : at.byFirst[row[at.cells[0] as number] as number];
    if (sight === undefined) return undefined;
    const found = sight.table.get(sight.cells, row);
    if (found > 0) return this.#edges[found - 1];
    if (found === BLOCKED || at.turn.kind !== "wants") return null;
    return undefined;
  }

  /** Finds out what the thread does in a state. */
  learn(node: number, row: Int32Array): Edge | null {
    const { turn } = this.#node(node);
    if (turn.kind !== "wants") return null;
    const { cells, table } = this.#sight(node, turn.op, row);
    const memory = this.#memory;
    for (const cell of cells) memory[cell] = this.#interner.value(row[cell] ?? 0);
    const done = perform(turn.op, memory);
    if (done === null) {
      table.set(cells, row, BLOCKED);
      return null;
    }
    const result = this.#interner.id(done.result);
    if (this.#liveAt === node) this.#live.resume(this.#interner.value(result));
    else this.#live = this.rerun(node, result);
    this.#liveAt = this.#intern({ node, result });
    const last = new Map(done.writes.map(({ cell, value }) => [cell, this.#interner.id(value)]));
    const writes = [...last].filter(([cell, value]) => value !== row[cell]).flat();
    const stores = [...last].filter(([cell, v]) => v !== row[cell] || turn.op.op === "write").map(([c]) => c);
    const edge: Edge = {
      index: this.#edges.length,
      from: node,
      next: this.#liveAt,
      result,
      writes: Int32Array.from(writes),
      stores: Int32Array.from(stores),
      cells,
      saw: Int32Array.from(cells, (c) => row[c] ?? 0),
    };
    this.#edges.push(edge);
    table.set(cells, row, edge.index + 1);
    return edge;
  }

  /** What the operation of a node looks at in a state. */
  #sight(node: number, op: Operation, row: Int32Array): Sight {
    const at = this.#node(node);
    if (at.byFirst === null) return at;
    const first = at.cells[0] as number;
    const value = row[first] ?? 0;
    let sight = at.byFirst[value];
    if (sight === undefined) {
      this.#memory[first] = this.#interner.value(value);
      const more = moreCells(op, this.#memory).map((c) => c.id);
      sight = { cells: Int32Array.from(new Set([...at.cells, ...more])), table: new ValueTable() };
      at.byFirst[value] = sight;
    }
    return sight;
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
    this.#assertSame(run.turn, node);
    run.resume(this.#interner.value(result));
    return run;
  }

  /** Another run of the same results must come to the same operation. */
  #assertSame(turn: Turn, node: number): void {
    const known = this.#node(node);
    const op = turn.kind === "wants" ? turn.op : null;
    const before = known.turn.kind === "wants" ? known.turn.op : null;
    if (op?.op === before?.op && (op === null || footprint(op)[0]?.id === known.cells[0])) return;
    throw new PagelifeError(
      "PL206",
      `thread ${this.#thread.name} does something else when it is run again: it keeps state in a variable outside of it, ` +
        "or asks a clock or for a random number",
    );
  }

  #node(node: number): Node {
    return this.#nodes[node] as Node;
  }

  #localState(from: Node["from"]): string {
    try {
      return this.#live.localState();
    } catch (error) {
      if (!(error instanceof PagelifeError) || error.code !== "PL204") throw error;
      this.opaque ??= error.message;
      return from === null ? "history" : `history ${from.node} ${from.result}`;
    }
  }

  #intern(from: Node["from"]): number {
    const key = this.#localState(from);
    const known = this.#byState.get(key);
    if (known !== undefined) {
      if (from !== null) this.#onMerge?.(known, from);
      return known;
    }
    const { turn } = this.#live;
    const cells = turn.kind === "wants" ? Int32Array.from(footprint(turn.op), (c) => c.id) : new Int32Array();
    const byFirst =
      turn.kind === "wants" && turn.op.op === "acquire" && turn.op.more !== undefined ? [] : null;
    const within = functionNames(this.#live.stack);
    const node = this.#nodes.push({ turn, cells, table: new ValueTable(), byFirst, from, key, within }) - 1;
    this.#byState.set(key, node);
    return node;
  }
}
