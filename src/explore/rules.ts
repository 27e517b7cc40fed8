// Invariants over integer states. An invariant is pure and sees cells one after another, so what it
// says is a decision tree over the values it looked at; the tree is remembered, and the check itself
// runs once for each distinct sight.
import type { See } from "./access.ts";
import type { Prepared, PreparedInvariant } from "./program.ts";
import type { Interner, Value } from "./value.ts";

interface Look {
  readonly cell: number;
  readonly branches: Map<number, Decision>;
}

/** What to look at next, or the verdict: null where the rule holds. */
type Decision = Look | { readonly verdict: string | null };

class Rule {
  readonly name: string;
  readonly #check: (see: See) => string | null;
  readonly #interner: Interner;
  #root: Decision | null = null;

  constructor(name: string, check: (see: See) => string | null, interner: Interner) {
    this.name = name;
    this.#check = check;
    this.#interner = interner;
  }

  /** One sentence if the rule is broken in the state, else null. */
  verdict(row: Int32Array, offset: number): string | null {
    let at = this.#root;
    while (at !== null && "branches" in at) at = at.branches.get(row[offset + at.cell] ?? 0) ?? null;
    return at === null ? this.#learn(row, offset) : at.verdict;
  }

  /** The cells that the rule has looked at in any state so far. */
  cells(): Set<number> {
    const found = new Set<number>();
    const visit = (d: Decision | null): void => {
      if (d === null || !("branches" in d)) return;
      found.add(d.cell);
      for (const next of d.branches.values()) visit(next);
    };
    visit(this.#root);
    return found;
  }

  #learn(row: Int32Array, offset: number): string | null {
    const seen: number[] = [];
    const see: See = (cell) => {
      if (!seen.includes(cell.id)) seen.push(cell.id);
      return this.#interner.value(row[offset + cell.id] ?? 0) as never;
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
      known = known.branches.get(row[offset + known.cell] ?? 0) ?? null;
      depth++;
    }
    for (let i = seen.length - 1; i >= depth; i--) {
      const cell = seen[i] ?? 0;
      node = { cell, branches: new Map([[row[offset + cell] ?? 0, node]]) };
    }
    if (last === null) this.#root = node;
    else last.branches.set(row[offset + last.cell] ?? 0, node);
    return verdict;
  }
}

/** A rule that is broken in a state. */
export interface Broken {
  readonly rule: string;
  readonly detail: string;
}

/** The invariants of a program that are looked at in every state, or at the end. */
export class Rules {
  readonly #rules: readonly Rule[];

  constructor(prepared: Prepared, at: PreparedInvariant["at"], interner: Interner) {
    this.#rules = prepared.invariants
      .filter((i) => i.at === at)
      .map((i) => new Rule(i.name, i.check, interner));
  }

  /** Tells `found` each rule that is broken in a state. */
  check(row: Int32Array, offset: number, found: (broken: Broken) => void): void {
    for (const rule of this.#rules) {
      const detail = rule.verdict(row, offset);
      if (detail !== null) found({ rule: rule.name, detail });
    }
  }

  /** The cells that invariants have looked at. */
  cells(): Set<number> {
    return new Set(this.#rules.flatMap((r) => [...r.cells()]));
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
