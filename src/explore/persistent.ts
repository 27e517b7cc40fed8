// Which threads must be tried in a state, so that no verdict is missed: persistent sets (Godefroid, "Partial-Order
// Methods for the Verification of Concurrent Systems", LNCS 1032, 1996), found as Valmari's stubborn sets are, by
// closing a set under what conflicts, from what each thread can still do. A set of threads is enough if nothing that the others do
// while these stand still conflicts with their next steps; whatever the others do first can then as
// well come later.
//
// What a thread can still do is read off its automaton: every node that it can reach, without the
// edges that need a guard (the cell of a lock, of a sleeper) to hold another value than it holds now,
// as long as nobody who moves can change that guard. So code under a lock that is held conflicts with
// nobody who takes the same lock, and a sleeper with nobody until it is woken.
//
// Three rules make this sound for verdicts, and a test catches each when it is left out:
// - conflicts: two accesses of a cell, one of which changes it;
// - invariants: two changes of cells that one invariant looks at conflict (the order that breaks it
//   must not be dropped): in every trace these changes then come in one order, so that some execution of it goes
//   through the very values that broke the invariant. Conditions of waits need no rule: they are looked at in states in which
//   nobody can run, and every such state is reached;
// - cycles: an edge that closes a loop of its automaton is never a reason to try fewer threads, so
//   that no thread is put off for ever: every loop of states goes round a loop of some thread (Kurshan, Levin,
//   Minea, Peled, Yenigün, "Static partial order reduction", TACAS 1998). This depends on the automata alone and
//   not on the order of the search, as provisos over its stack or queue do, so the states visited are the same for
//   every order and every number of cores.
//
// The automata are known only as far as the search has seen them. A set chosen on incomplete knowledge
// may be too small; so the search begins anew when anything was learned in it (`reduced.ts`). What is
// known then is what the unreduced search would know: if a step that conflicts were missing, the search
// from the state after the reduced choice would have come to it, since all before it commute.
import type { Edge } from "./automaton.ts";
import { bitsOf, type FuturesOfNode, findGuards, type Guards, type View, viewOf } from "./automaton-view.ts";
import type { Space } from "./space.ts";
import type { Reduction } from "./state-search.ts";
import { ValueTable } from "./value-table.ts";

/** The parts that can be left out to show that a test catches it. */
export type Rule = "invariants" | "cycles" | "guards";

/** Choices on one state of knowledge after which it is clear whether there is something to leave out. */
const ENOUGH = 1 << 12;

/** What a thread can still do while some guards keep their values. */
interface Future {
  /** Bits of cells that it may look at or change, and of invariants that it may break. */
  readonly touches: Int32Array;
  /** Those of them that it may change. */
  readonly changes: Int32Array;
  /** Guards that it may change. */
  readonly guards: number;
}

export class PersistentSets implements Reduction {
  readonly #space: Space;
  readonly #without: ReadonlySet<Rule>;
  readonly #words: number;
  readonly #cells: number;
  #views: readonly View[] = [];
  #futures: Future[] = [];
  #guards: Guards = { cells: [], of: new Int32Array(0) };
  /** What was known when the views were made. */
  #known = -1;
  #asked = 0;
  /** Choices since the last refresh, and those that left something out. */
  #thought = 0;
  #useful = 0;
  #nextLook = 32;
  readonly #others: (Future | null)[];

  constructor(space: Space, without: readonly Rule[] = []) {
    this.#space = space;
    this.#without = new Set(without);
    this.#cells = space.cells;
    this.#words = (space.cells + space.rules.size + 31) >> 5;
    this.#others = space.threads.map(() => null);
  }

  /** True once enough was chosen on one state of knowledge to tell whether it is of use. */
  get tried(): boolean {
    return this.#thought > ENOUGH;
  }

  /** True if there is next to nothing to leave out: thinking about it costs more than it saves. */
  get useless(): boolean {
    return this.#useful * 16 < this.#thought;
  }

  /** Makes what is known by now the basis of all further choices. */
  refresh(): void {
    const { threads, knowledge } = this.#space;
    if (knowledge === this.#known) return;
    this.#known = knowledge;
    this.#thought = 0;
    this.#useful = 0;
    this.#futures = [];
    this.#guards = findGuards(this.#space);
    this.#views = threads.map((a) => viewOf(a, this.#guards, this.#words, (e) => this.#changesOf(e)));
  }

  choose(row: Int32Array, edges: readonly (Edge | null)[], enabled: number): number {
    if (++this.#asked === this.#nextLook) {
      this.#nextLook *= 2;
      this.refresh();
    }
    let best = enabled;
    let bestCount = bits(enabled);
    for (let t = 0; t < edges.length && bestCount > 1; t++) {
      if ((enabled & (1 << t)) === 0) continue;
      const set = this.#close(row, edges, t, enabled) & enabled;
      const count = bits(set);
      if (count < bestCount && this.#allowed(edges, set)) {
        best = set;
        bestCount = count;
      }
    }
    this.#thought++;
    if (best !== enabled) this.#useful++;
    return best;
  }

  closes(thread: number, edge: Edge): boolean {
    return (this.#views[thread] as View).closes[edge.index] !== 0;
  }

  /** The smallest set of threads with `thread` in it that nobody outside conflicts with. */
  #close(row: Int32Array, edges: readonly (Edge | null)[], thread: number, enabled: number): number {
    const threads = edges.length;
    const others = this.#others;
    let set = 1 << thread;
    for (;;) {
      this.#futuresOutside(row, set);
      let grown = false;
      for (let u = 0; u < threads; u++) {
        const future = others[u];
        if ((set & (1 << u)) !== 0 || future === null || future === undefined) continue;
        for (let b = 0; b < threads; b++) {
          if ((set & (1 << b)) === 0 || !this.#conflicts(row, future, edges[b] ?? null, b)) continue;
          set |= 1 << u;
          grown = true;
          break;
        }
      }
      // All that can go on: no need to know more.
      if (!grown || (set & enabled) === enabled) return set;
    }
  }

  /** What the threads outside of a set can do while the set stands still. */
  #futuresOutside(row: Int32Array, set: number): void {
    const others = this.#others;
    let still = this.#without.has("guards") ? 0 : (1 << this.#guards.cells.length) - 1;
    for (;;) {
      let changed = 0;
      for (let u = 0; u < others.length; u++) {
        if ((set & (1 << u)) !== 0) continue;
        const future = this.#future(u, row, still);
        others[u] = future;
        changed |= future.guards & still;
      }
      if (changed === 0) return;
      still &= ~changed;
    }
  }

  #conflicts(row: Int32Array, future: Future, edge: Edge | null, thread: number): boolean {
    const view = this.#views[thread] as View;
    const node = row[this.#space.threadsAt + thread] as number;
    const touches = view.touches[node];
    if (touches === undefined) return true;
    const changes = edge === null ? null : (view.changes[edge.index] ?? null);
    if (edge !== null && changes === null) return true;
    for (let i = 0; i < this.#words; i++) {
      if (((future.changes[i] as number) & (touches[i] as number)) !== 0) return true;
      if (changes !== null && ((future.touches[i] as number) & (changes[i] as number)) !== 0) return true;
    }
    return false;
  }

  /** The cycle rule; and a step that ends the execution is no reason to put others off. */
  #allowed(edges: readonly (Edge | null)[], set: number): boolean {
    for (let t = 0; t < edges.length; t++) {
      const edge = edges[t];
      if ((set & (1 << t)) === 0 || edge === null || edge === undefined) continue;
      if (this.#space.failed(t, edge.next)) return false;
      if (!this.#without.has("cycles") && this.closes(t, edge)) return false;
    }
    return true;
  }

  #future(thread: number, row: Int32Array, still: number): Future {
    const view = this.#views[thread] as View;
    const node = row[this.#space.threadsAt + thread] as number;
    if (node >= view.nodes) return NOTHING(this.#words);
    const relevant = still & (view.guards[node] as number);
    const ofNode = view.futures[node] as Map<number, FuturesOfNode>;
    let byGuards = ofNode.get(relevant);
    if (byGuards === undefined) {
      const cells = this.#guards.cells.filter((_, g) => (relevant & (1 << g)) !== 0);
      byGuards = { cells: Int32Array.from(cells), byValue: new ValueTable() };
      ofNode.set(relevant, byGuards);
    }
    const known = byGuards.byValue.get(byGuards.cells, row);
    if (known > 0) return this.#futures[known - 1] as Future;
    const future = this.#walk(view, node, row, relevant);
    byGuards.byValue.set(byGuards.cells, row, this.#futures.push(future));
    return future;
  }

  /** Follows the edges that fit the guards that stand still. */
  #walk(view: View, from: number, row: Int32Array, still: number): Future {
    const touches = new Int32Array(this.#words);
    const changes = new Int32Array(this.#words);
    const reached = new Uint8Array(view.nodes);
    const todo = [from];
    reached[from] = 1;
    for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
      unite(touches, view.touches[node] as Int32Array);
      for (const edge of view.edges[node] ?? []) {
        if (!this.#fits(edge, row, still)) continue;
        unite(changes, view.changes[edge.index] as Int32Array);
        if (reached[edge.next] === 0) {
          reached[edge.next] = 1;
          todo.push(edge.next);
        }
      }
    }
    unite(touches, changes);
    let guards = 0;
    this.#guards.cells.forEach((cell, g) => {
      if (((changes[cell >> 5] as number) & (1 << (cell & 31))) !== 0) guards |= 1 << g;
    });
    return { touches, changes, guards };
  }

  #fits(edge: Edge, row: Int32Array, still: number): boolean {
    const { cells } = edge;
    for (let i = 0; i < cells.length; i++) {
      const cell = cells[i] as number;
      const guard = this.#guards.of[cell] as number;
      if (guard >= 0 && (still & (1 << guard)) !== 0 && edge.saw[i] !== row[cell]) return false;
    }
    return true;
  }

  /** Cells that an edge changes, and the invariants that look at one of them. */
  #changesOf(edge: Edge): Int32Array {
    const changed: number[] = [];
    for (let i = 0; i < edge.writes.length; i += 2) changed.push(edge.writes[i] as number);
    if (!this.#without.has("invariants")) {
      const { rules } = this.#space;
      for (let r = 0; r < rules.size; r++) {
        const watched = rules.cells(r);
        if (changed.some((c) => c < this.#cells && watched.has(c))) changed.push(this.#cells + r);
      }
    }
    return bitsOf(changed, this.#words);
  }
}

const NOTHING = (words: number): Future => ({
  touches: new Int32Array(words),
  changes: new Int32Array(words),
  guards: 0,
});

function unite(into: Int32Array, other: Int32Array): void {
  for (let i = 0; i < into.length; i++) into[i] = (into[i] as number) | (other[i] as number);
}

function bits(set: number): number {
  let count = 0;
  for (let rest = set; rest !== 0; rest &= rest - 1) count++;
  return count;
}
