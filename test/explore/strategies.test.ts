import { describe, expect, it } from "vitest";
import { type Cell, type Code, cell, read, rmw, write } from "../../src/explore/access.ts";
import { bounded } from "../../src/explore/bounded.ts";
import { explore } from "../../src/explore/explore.ts";
import { pct } from "../../src/explore/pct.ts";
import { type Program, prepare } from "../../src/explore/program.ts";
import { randomWalk } from "../../src/explore/random.ts";

interface World {
  readonly count: Cell<number>;
  readonly done: Cell<number>;
}

/** Two threads make `n` increments; fewer than `least` may not be left. */
const lost = (n: number, least: number): Program<World> => {
  function* body({ count, done }: World): Code {
    for (let i = 0; i < n; i++) {
      const seen = yield* read(count);
      yield* write(count, seen + 1);
    }
    yield* rmw([done], (d: number) => ({ next: [d + 1], result: null }));
  }
  return {
    name: "lost",
    setup: () => ({ count: cell("count", 0), done: cell("done", 0) }),
    threads: { a: body, b: body },
    invariants: [
      {
        name: "count",
        check: ({ count, done }, see) =>
          see(done) === 2 && see(count) < least ? `count is ${see(count)}` : null,
      },
    ],
  };
};

describe("bounded preemptions", () => {
  it("finds what so many preemptions show, and says when it left something out", () => {
    const prepared = prepare(lost(3, 3));
    const shortest = explore(lost(3, 3)).counterexample;
    expect(shortest?.preemptions).toBe(4);
    const found = [0, 1, 2, 3, 4].map((n) => bounded(n).search(prepared, {}).findings.length);
    expect(found).toEqual([0, 0, 0, 0, 1]);
    expect(bounded(2).search(prepared, {})).toMatchObject({ complete: false, bound: "preemptions: 2" });
    expect(bounded(30).search(prepared, {})).toMatchObject({ complete: true, bound: null });
  });
});

describe.each([
  { name: "random", strategy: randomWalk(7) },
  { name: "pct", strategy: pct(7) },
])("$name", ({ name, strategy }) => {
  it("finds a lost update, the same one every time, and never calls itself complete", () => {
    const prepared = prepare(lost(2, 4));
    const first = strategy.search(prepared, { maxExecutions: 200 });
    expect(first).toMatchObject({ strategy: name, complete: false, executions: 200 });
    expect(first.findings.map((f) => f.finding.property)).toEqual(["count"]);
    expect(first.notes).toEqual(["seed 7"]);
    expect(strategy.search(prepared, { maxExecutions: 200 })).toEqual(first);
  });

  it("says how many executions it did not run to their end", () => {
    const { notes } = strategy.search(prepare(lost(2, 4)), { maxExecutions: 9, maxSteps: 5 });
    expect(notes).toEqual(["seed 7", "executions cut after 5 steps: 9"]);
  });
});
