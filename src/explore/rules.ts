// Invariants over integer states. An invariant is pure and sees cells one after another, so what it
// says is a decision tree over the values it looked at; the tree is remembered, and the check itself
// runs once for each distinct sight.
import type { See } from "./access.ts";
import type { Prepared, PreparedInvariant } from "./program.ts";
import type { Interner, Value } from "./value.ts";

interface Look {
  readonly cell: number;
  /** By value id. */
  readonly branches: (Decision | undefined)[];
}

/** What to look at next, or the verdict: null where the rule holds. */
type Decision = Look | { readonly verdict: string | null };

class Rule {
  readonly name: string;
  readonly #check: (see: See) => string | null;
  readonly #interner: Interner;
  #root: Decision | null = null;
  /** The cells that the rule has looked at in any state so far. */
  readonly cells = new Set<number>();

  constructor(name: string, check: (see: See) => string | null, interner: Interner) {
    this.name = name;
    this.#check = check;
    this.#interner = interner;
  }

  /** One sentence if the rule is broken in the state, else null. */
  verdict(row: Int32Array): string | null {
    let at = this.#root;
    while (at !== null && "branches" in at) at = at.branches[row[at.cell] as number] ?? null;
    return at === null ? this.#learn(row) : at.verdict;
  }

  #learn(row: Int32Array): string | null {
    const seen: number[] = [];
    const see: See = (cell) => {
      if (!seen.includes(cell.id)) seen.push(cell.id);
      this.cells.add(cell.id);
      return this.#interner.value(row[cell.id] ?? 0) as never;
    };
    const verdict = this.#check(see);
    let node: Decision = { verdict };
    if (seen.length === 0) {
      this.#root = node;
      return verdict;
    }
    // Follow what is known of the tree as far as it goes; the rest of the looks are new.
    let known = this.#root;
    let depth = 0;
    let last: Look | null = null;
    while (known !== null && "branches" in known && depth < seen.length) {
      last = known;
      known = known.branches[row[known.cell] ?? 0] ?? null;
      depth++;
    }
    for (let i = seen.length - 1; i >= depth; i--) {
      const cell = seen[i] ?? 0;
      const branches: (Decision | undefined)[] = [];
      branches[row[cell] ?? 0] = node;
      node = { cell, branches };
    }
    if (last === null) this.#root = node;
    else last.branches[row[last.cell] ?? 0] = node;
    return verdict;
  }
}

/** A rule that is broken in a state. */
export interface Broken {
  readonly rule: string;
  readonly detail: string;
}

/** Rules are marked by a bit in 31; where there are more, some share one. */
const BITS = 31;

/** The invariants of a program that are looked at in every state, or at the end. */
export class Rules {
  readonly #rules: readonly Rule[];
  /** For each cell the bits of the rules that have looked at it. */
  readonly #watchers: Int32Array;
  /** How many pairs of rule and cell are known. */
  watched = 0;

  constructor(prepared: Prepared, at: PreparedInvariant["at"], interner: Interner) {
    this.#rules = prepared.invariants
      .filter((i) => i.at === at)
      .map((i) => new Rule(i.name, i.check, interner));
    this.#watchers = new Int32Array(prepared.cells.length);
  }

  get size(): number {
    return this.#rules.length;
  }

  /** The cells that a rule has looked at. */
  cells(rule: number): ReadonlySet<number> {
    return (this.#rules[rule] as Rule).cells;
  }

  /** The cells that each rule has looked at. */
  watching(): number[][] {
    return this.#rules.map((r) => [...r.cells].sort((a, b) => a - b));
  }

  /** Takes over which cells each rule has looked at elsewhere. */
  watch(cells: readonly (readonly number[])[]): void {
    this.#rules.forEach((rule, i) => {
      for (const cell of cells[i] ?? []) rule.cells.add(cell);
      this.#watch(i, rule);
    });
  }

  /** The bits of the rules that a change of these cells (with values, in turn) may break. */
  touchedBy(writes: Int32Array): number {
    let bits = 0;
    for (let i = 0; i < writes.length; i += 2) bits |= this.#watchers[writes[i] as number] as number;
    return bits;
  }

  /** Tells `found` each rule that is broken in a state, of those in `bits`. */
  check(row: Int32Array, found: (broken: Broken) => void, bits = -1): void {
    for (let i = 0; i < this.#rules.length; i++) {
      if ((bits & (1 << (i % BITS))) === 0) continue;
      const rule = this.#rules[i] as Rule;
      const before = rule.cells.size;
      const detail = rule.verdict(row);
      if (rule.cells.size !== before) this.#watch(i, rule);
      if (detail !== null) found({ rule: rule.name, detail });
    }
  }

  #watch(index: number, rule: Rule): void {
    for (const cell of rule.cells) {
      this.#watchers[cell] = (this.#watchers[cell] as number) | (1 << (index % BITS));
    }
    this.watched = this.#rules.reduce((sum, r) => sum + r.cells.size, 0);
  }
}

/** Checks the invariants of a program on plain memory, without remembering anything. */
export function brokenRules(
  prepared: Prepared,
  at: PreparedInvariant["at"],
  memory: readonly Value[],
): Broken[] {
  const see: See = (cell) => memory[cell.id] as never;
  return prepared.invariants.flatMap((i) => {
    const detail = i.at === at ? i.check(see) : null;
    const { name } = i;
    return detail === null ? [] : [{ rule: name, detail }];
  });
}
