// A rule that nothing catches when it is left out is not tested, or not needed. Each rule of the reductions is left
// out in turn: on a program made for it, and on the random programs that the strategies are compared on.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { acquire, type Cell, cell, read, write } from "../../src/explore/access.ts";
import { type DporRule, searchTraces } from "../../src/explore/dpor.ts";
import { findingKey } from "../../src/explore/outcome.ts";
import type { Rule } from "../../src/explore/persistent.ts";
import { type Prepared, type Program, prepare } from "../../src/explore/program.ts";
import { ReducedSearch, reducedFinalStates } from "../../src/explore/reduced.ts";
import { Space } from "../../src/explore/space.ts";
import { finalStates, stateful } from "../../src/explore/stateful.ts";
import { runToEnd, type SearchResult } from "../../src/explore/strategy.ts";
import { program, type Sketch, sketch } from "./random-program.ts";

const said = (r: SearchResult): string => r.findings.map((f) => findingKey(f.finding)).join();

/** What optimal DPOR says of a program: all that a test of it compares. */
function traces(prepared: Prepared, ...without: DporRule[]): Record<string, unknown> {
  const { result, finals, blocked } = searchTraces(prepared, { maxExecutions: 500 }, without);
  return { findings: said(result), finals: finals.join(), executions: result.executions, blocked };
}

/** The reduced search, on full knowledge of the automata: the first search sees more than it must. */
function reducedWithout(prepared: Prepared, ...without: Rule[]): Record<string, unknown> {
  const space = new Space(prepared);
  runToEnd(new ReducedSearch(space, {}));
  const result = runToEnd(new ReducedSearch(space, {}, "reduced", without));
  return { findings: said(result), finals: reducedFinalStates(prepared, without).join() };
}

interface Cells {
  readonly x: Cell<number>;
  readonly y: Cell<number>;
}

const setup = (): Cells => ({ x: cell("x", 0), y: cell("y", 0) });

/** One thread stores to each cell; the order breaks a rule over both. */
const twoWriters: Program<Cells> = {
  name: "two-writers",
  setup,
  threads: {
    *a({ x }) {
      yield* write(x, 1);
    },
    *b({ y }) {
      yield* write(y, 1);
    },
  },
  invariants: [
    { name: "x-first", check: ({ x, y }, see) => (see(y) === 1 && see(x) === 0 ? "y came first" : null) },
  ],
};

/** Two locks, taken in the one order and in the other. */
const inverted: Program<Cells> = {
  name: "inverted",
  setup,
  threads: {
    *a({ x, y }) {
      yield* acquire([x], (held: number) => (held === 0 ? { next: [1], result: null } : null));
      yield* acquire([y], (held: number) => (held === 0 ? { next: [1], result: null } : null));
      yield* write(y, 0);
      yield* write(x, 0);
    },
    *b({ x, y }) {
      yield* acquire([y], (held: number) => (held === 0 ? { next: [1], result: null } : null));
      yield* acquire([x], (held: number) => (held === 0 ? { next: [1], result: null } : null));
      yield* write(x, 0);
      yield* write(y, 0);
    },
  },
};

/** Two readers of what is stored: 4 traces, whichever of the readers come before the store. */
const twoReaders: Program<Cells> = {
  name: "two-readers",
  setup,
  threads: {
    *writes({ x }) {
      yield* write(x, 1);
    },
    *one({ x }) {
      yield* read(x);
    },
    *two({ x }) {
      yield* read(x);
    },
  },
};

describe("optimal DPOR on a program made for the rule", () => {
  it("misses an order that breaks an invariant over two cells", () => {
    expect(traces(prepare(twoWriters))).toMatchObject({ findings: "invariant:x-first", executions: 2 });
    expect(traces(prepare(twoWriters), "invariants")).toMatchObject({ findings: "", executions: 1 });
  });

  it("misses a deadlock, if only steps that were made race", () => {
    expect(traces(prepare(inverted))).toMatchObject({ findings: "deadlock:y and x", executions: 3 });
    expect(traces(prepare(inverted), "waiting")).toMatchObject({ findings: "" });
  });

  it("runs a trace more than once without sleep sets", () => {
    expect(traces(prepare(twoReaders))).toMatchObject({ executions: 4 });
    expect(traces(prepare(twoReaders), "sleep-sets").executions).toBeGreaterThan(4);
  });

  it("misses traces if nothing wakes what sleeps, or if only the first step of an order is prescribed", () => {
    expect(traces(prepare(twoReaders), "wake-sleepers").executions).toBeLessThan(4);
    expect(traces(prepare(twoReaders), "wakeup-trees").executions).toBeLessThan(4);
  });
});

describe("random programs, as those that the strategies are compared on", () => {
  // Always the same ones: that a rule shows in some of them is no law.
  const seed = 20261121;

  /** How many of them come to another result. */
  function caught(
    programs: fc.Arbitrary<Sketch>,
    results: (p: Prepared) => readonly [object, object],
  ): number {
    let count = 0;
    fc.assert(
      fc.property(programs, (s) => {
        const [as, other] = results(prepare(program(s)));
        if (JSON.stringify(as) !== JSON.stringify(other)) count++;
      }),
      { seed, numRuns: 300 },
    );
    return count;
  }

  it.each<DporRule>([
    "sleep-sets",
    "wake-sleepers",
    "wakeup-trees",
    "waiting",
    "invariants",
  ])("notice that optimal DPOR leaves out: %s", (rule) => {
    expect(caught(sketch(3, 4), (p) => [traces(p), traces(p, rule)])).toBeGreaterThan(0);
  });

  it.each<Rule>(["invariants", "cycles"])("notice that the reduced search leaves out: %s", (rule) => {
    const states = (p: Prepared): object => ({
      findings: said(stateful.search(p, {})),
      finals: finalStates(p).join(),
    });
    expect(caught(sketch(3, 5, true), (p) => [states(p), reducedWithout(p, rule)])).toBeGreaterThan(0);
  });
});
