// What is known of one thread's automaton, in the form that the choice of persistent sets asks for (`persistent.ts`):
// sets of cells as bits, guards, and the edges that close loops. Made anew when more is known.
import type { Automaton, Edge } from "./automaton.ts";
import type { Space } from "./space.ts";
import type { ValueTable } from "./value-table.ts";

/** Futures of a node by which guards stand still, and at which values. */
export interface FuturesOfNode {
  /** Cells of the guards that the future depends on. */
  readonly cells: Int32Array;
  readonly byValue: ValueTable;
}

export interface View {
  readonly nodes: number;
  /** Edges by node. */
  readonly edges: readonly (readonly Edge[])[];
  /** Bits of the cells that the operation of each node touches. */
  readonly touches: readonly Int32Array[];
  /** Bits of what each edge changes. */
  readonly changes: readonly Int32Array[];
  /** 1 for an edge that closes a loop. */
  readonly closes: Uint8Array;
  /** Guards that a node or one after it looks at. */
  readonly guards: Int32Array;
  readonly futures: Map<number, FuturesOfNode>[];
}

/** Guards are bits of one integer; further ones are cells like any other. */
const MAX_GUARDS = 30;

/** The cells that steps may wait for: locks, what sleepers are woken by. */
export interface Guards {
  /** Cell of each guard. */
  readonly cells: readonly number[];
  /** The guard of each cell, or -1. */
  readonly of: Int32Array;
}

/** The guards of all threads, as far as they are known. */
export function findGuards({ threads, cells }: Space): Guards {
  const found = new Set<number>();
  for (const automaton of threads) {
    for (let n = 0; n < automaton.size; n++) {
      const op = automaton.operation(n);
      if (op?.op === "acquire") for (const c of op.cells) found.add(c.id);
    }
  }
  const guards = [...found].sort((a, b) => a - b).slice(0, MAX_GUARDS);
  const of = new Int32Array(cells).fill(-1);
  guards.forEach((cell, g) => {
    of[cell] = g;
  });
  return { cells: guards, of };
}

/** A set of cells, as bits. */
export function bitsOf(cells: Iterable<number>, words: number): Int32Array {
  const set = new Int32Array(words);
  for (const c of cells) set[c >> 5] = (set[c >> 5] as number) | (1 << (c & 31));
  return set;
}

/**
 * Looks at an automaton.
 *
 * @param words     Integers in a set of bits.
 * @param changesOf The bits of what an edge changes.
 */
export function viewOf(
  automaton: Automaton,
  guards: Guards,
  words: number,
  changesOf: (edge: Edge) => Int32Array,
): View {
  const nodes = automaton.size;
  const edges: Edge[][] = Array.from({ length: nodes }, () => []);
  for (const edge of automaton.edges) (edges[edge.from] as Edge[]).push(edge);
  const cells = edges.map((of, n) => [...automaton.cells(n), ...of.flatMap((e) => [...e.cells])]);
  return {
    nodes,
    edges,
    touches: cells.map((c) => bitsOf(c, words)),
    changes: automaton.edges.map(changesOf),
    closes: closingEdges(automaton, edges),
    guards: guardsFrom(cells, edges, guards),
    futures: edges.map(() => new Map()),
  };
}

/** For each node the guards that it or a later one looks at. */
function guardsFrom(
  cells: readonly (readonly number[])[],
  edges: readonly (readonly Edge[])[],
  { of }: Guards,
): Int32Array {
  const guards = Int32Array.from(cells, (looked) => {
    let set = 0;
    for (const cell of looked) if ((of[cell] as number) >= 0) set |= 1 << (of[cell] as number);
    return set;
  });
  for (let changed = true; changed; ) {
    changed = false;
    for (let n = guards.length - 1; n >= 0; n--) {
      let set = guards[n] as number;
      for (const e of edges[n] as readonly Edge[]) set |= guards[e.next] as number;
      if (set !== guards[n]) {
        guards[n] = set;
        changed = true;
      }
    }
  }
  return guards;
}

/** Marks edges so that every loop has one: those that lead back to where a walk in depth came from. */
function closingEdges(automaton: Automaton, edges: readonly (readonly Edge[])[]): Uint8Array {
  const closes = new Uint8Array(automaton.edges.length);
  // 0: not seen; 1: on the way from the start; 2: left.
  const mark = new Uint8Array(edges.length);
  // The order of the walk must not depend on when an edge was first seen.
  const inOrder = (node: number): Edge[] =>
    [...(edges[node] ?? [])].sort((a, b) => (automaton.key(a.next) < automaton.key(b.next) ? -1 : 1));
  const way = [{ node: 0, rest: inOrder(0) }];
  mark[0] = 1;
  for (let top = way.at(-1); top !== undefined; top = way.at(-1)) {
    const edge = top.rest.shift();
    if (edge === undefined) {
      mark[top.node] = 2;
      way.pop();
    } else if (mark[edge.next] === 1) closes[edge.index] = 1;
    else if (mark[edge.next] === 0) {
      mark[edge.next] = 1;
      way.push({ node: edge.next, rest: inOrder(edge.next) });
    }
  }
  return closes;
}
