import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Cell, cell, read, type See } from "./access.ts";
import { type Invariant, type Prepared, prepare } from "./program.ts";
import { type Broken, brokenRules, Rules } from "./rules.ts";
import { Interner } from "./value.ts";

type World = readonly Cell<number>[];

const CELLS = 5;

function prepared(invariants: readonly Invariant<World>[]): Prepared {
  return prepare<World>({
    name: "rules",
    setup: () => Array.from({ length: CELLS }, (_, i) => cell(`c${i}`, 0)),
    threads: {
      *idle([first]) {
        yield* read(first as Cell<number>);
      },
    },
    invariants,
  });
}

const at = (world: World, see: See, i: number): number => see(world[i] as Cell<number>);

/** Looks at one cell after another, and at which depends on what it saw. */
const wanders: Invariant<World> = {
  name: "wanders",
  check(world, see) {
    let i = 0;
    for (let looks = 0; looks < 3; looks++) {
      const value = at(world, see, i);
      if (value === 3) return `cell ${i} is 3`;
      i = (i + value + 1) % CELLS;
    }
    return null;
  },
};

const sum: Invariant<World> = {
  name: "sum",
  check: (world, see) => {
    const total = world.reduce((n, c) => n + see(c), 0);
    return total > 9 ? `sum is ${total}` : null;
  },
};

describe("Rules", () => {
  it("say of every state what the checks say, though each runs once for a sight", () => {
    let runs = 0;
    const counted: Invariant<World> = {
      ...wanders,
      check(world, see) {
        runs++;
        return wanders.check(world, see);
      },
    };
    const program = prepared([wanders, sum]);
    const interner = new Interner();
    const rules = new Rules(prepared([counted, sum]), "every-state", interner);
    let states = 0;
    fc.assert(
      fc.property(fc.array(fc.nat(3), { minLength: CELLS, maxLength: CELLS }), (values) => {
        states++;
        const found: Broken[] = [];
        rules.check(
          Int32Array.from(values, (v) => interner.id(v)),
          (b) => found.push(b),
        );
        expect(found).toEqual(brokenRules(program, "every-state", values));
      }),
      { seed: 20261121, numRuns: 1500 },
    );
    // Of three looks at four values each there are at most 4 + 16 + 64 sights.
    expect(runs).toBeLessThanOrEqual(84);
    expect(states).toBe(1500);
  });

  it("learn which cells they look at, and so which changes may break them", () => {
    const program = prepared([wanders, sum]);
    const interner = new Interner();
    const rules = new Rules(program, "every-state", interner);
    const look = (...values: number[]): void =>
      rules.check(
        Int32Array.from(values, (v) => interner.id(v)),
        () => {},
      );
    const touched = (c: number): number => rules.touchedBy(Int32Array.of(c, 1));
    expect([0, 1, 2, 3, 4].map(touched)).toEqual([0, 0, 0, 0, 0]);
    look(0, 0, 0, 0, 0);
    // The first rule looks at cells 0, 1 and 2, the second at all.
    expect([0, 1, 2, 3, 4].map(touched)).toEqual([3, 3, 3, 2, 2]);
    expect(rules.watched).toBe(8);
    look(2, 0, 0, 0, 0);
    expect([0, 1, 2, 3, 4].map(touched)).toEqual([3, 3, 3, 3, 3]);
    const others = new Rules(program, "every-state", interner);
    others.watch(rules.watching());
    expect(others.watched).toBe(rules.watched);
  });

  it("share a bit where there are more than 31, and miss nothing", () => {
    const many = Array.from(
      { length: 40 },
      (_, i): Invariant<World> => ({
        name: `r${i}`,
        check: (world, see) => (at(world, see, i % CELLS) === 1 ? `rule ${i}` : null),
      }),
    );
    const interner = new Interner();
    const rules = new Rules(prepared(many), "every-state", interner);
    const row = Int32Array.from([0, 0, 0, 0, 0], (v) => interner.id(v));
    rules.check(row, () => {});
    row[1] = interner.id(1);
    const names: string[] = [];
    rules.check(row, ({ rule }) => names.push(rule), rules.touchedBy(Int32Array.of(1, row[1])));
    expect(names).toEqual(many.map((m) => m.name).filter((_, i) => i % CELLS === 1));
  });

  it("that are for the end are not looked at before", () => {
    const program = prepared([{ ...sum, at: "end" }]);
    expect(new Rules(program, "every-state", new Interner()).size).toBe(0);
    expect(new Rules(program, "end", new Interner()).size).toBe(1);
    expect(brokenRules(program, "every-state", [3, 3, 3, 3, 3])).toEqual([]);
    expect(brokenRules(program, "end", [3, 3, 3, 3, 3])).toEqual([{ rule: "sum", detail: "sum is 15" }]);
  });
});
