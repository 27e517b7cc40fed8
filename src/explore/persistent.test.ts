import { describe, expect, it } from "vitest";
import { acquire, type Cell, type Code, cell, read, write } from "./access.ts";
import type { Rule } from "./persistent.ts";
import { type Program, prepare } from "./program.ts";
import { ReducedSearch, reduced } from "./reduced.ts";
import { Space } from "./space.ts";
import { stateful } from "./stateful.ts";
import { runToEnd, type SearchResult } from "./strategy.ts";

/** Searches with full knowledge of the automata: the first search sees more than it must. */
function searchWithout<W>(program: Program<W>, ...rules: Rule[]): SearchResult {
  const space = new Space(prepare(program));
  runToEnd(new ReducedSearch(space, {}, "reduced", rules));
  return runToEnd(new ReducedSearch(space, {}, "reduced", rules));
}

const kinds = (r: SearchResult): string[] => r.findings.map((f) => `${f.finding.kind} ${f.finding.property}`);

describe("the reduction", () => {
  it("needs the rule that changes of what one invariant looks at conflict", () => {
    const program: Program<{ x: Cell<number>; y: Cell<number> }> = {
      name: "two-writers",
      setup: () => ({ x: cell("x", 0), y: cell("y", 0) }),
      threads: {
        *a({ x }) {
          yield* write(x, 1);
        },
        *b({ y }) {
          yield* write(y, 1);
        },
      },
      invariants: [
        {
          name: "x-before-y",
          check: ({ x, y }, see) => (see(y) === 1 && see(x) === 0 ? "y came first" : null),
        },
      ],
    };
    expect(kinds(reduced.search(prepare(program), {}))).toEqual(["invariant x-before-y"]);
    expect(kinds(searchWithout(program))).toEqual(["invariant x-before-y"]);
    expect(kinds(searchWithout(program, "invariants"))).toEqual([]);
  });

  it("needs the rule that a loop puts nobody off for ever", () => {
    const program: Program<{ never: Cell<boolean>; x: Cell<number> }> = {
      name: "spinner",
      setup: () => ({ never: cell("never", false), x: cell("x", 0) }),
      threads: {
        *spins({ never }) {
          while (!(yield* read(never)));
        },
        *writes({ x }) {
          yield* write(x, 1);
        },
      },
      invariants: [{ name: "x-stays-0", check: ({ x }, see) => (see(x) === 1 ? "x is 1" : null) }],
    };
    expect(kinds(reduced.search(prepare(program), {}))).toEqual(["invariant x-stays-0"]);
    expect(kinds(searchWithout(program, "cycles"))).toEqual([]);
  });

  it("takes code under one lock for one step, and knows guards for it", () => {
    interface World {
      readonly tally: Cell<number>;
      readonly lock: Cell<number>;
      readonly cells: readonly Cell<number>[];
    }
    function* critical({ tally, lock, cells }: World): Code {
      yield* write(tally, (yield* read(tally)) + 1);
      yield* acquire([lock], (held: number) => (held === 0 ? { next: [1], result: null } : null));
      for (const c of cells) yield* write(c, (yield* read(c)) + 1);
      yield* write(lock, 0);
      yield* write(tally, (yield* read(tally)) + 1);
    }
    const program: Program<World> = {
      name: "one-lock",
      setup: () => ({
        tally: cell("tally", 0),
        lock: cell("lock", 0),
        cells: [0, 1, 2].map((i) => cell(`c${i}`, 0)),
      }),
      threads: { a: critical, b: critical, c: critical },
    };
    const full = stateful.search(prepare(program), {});
    const less = reduced.search(prepare(program), {});
    const withoutGuards = searchWithout(program, "guards");
    expect(less.executions).toBe(full.executions);
    expect([full.states, withoutGuards.states, less.states]).toMatchInlineSnapshot(`
      [
        5347,
        2848,
        1318,
      ]
    `);
  });
});
