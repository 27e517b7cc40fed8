import { describe, expect, it } from "vitest";
import { type Cell, type Code, cell, read, rmw, write } from "../../src/explore/access.ts";
import { explore } from "../../src/explore/explore.ts";
import { searchExecutions } from "../../src/explore/plain.ts";
import { type Program, prepare } from "../../src/explore/program.ts";
import { formatSchedule } from "../../src/explore/schedule.ts";
import { finalStates, stateful } from "../../src/explore/stateful.ts";

function* increment(count: Cell<number>): Code {
  const seen = yield* read(count);
  yield* write(count, seen + 1);
}

function* times(count: Cell<number>, n: number): Code {
  for (let i = 0; i < n; i++) yield* increment(count);
}

const increments = (threads: number, n: number): Program<Cell<number>> => ({
  name: `increments-${threads}-${n}`,
  setup: () => cell("count", 0),
  threads: Object.fromEntries(
    Array.from({ length: threads }, (_, i) => [`t${i}`, (count: Cell<number>) => times(count, n)]),
  ),
});

describe("increments of one counter that are not atomic", () => {
  // Counts of the published comparison, confirmed by hand-written keys.
  it.each([
    { threads: 2, n: 6, states: 2_663 },
    { threads: 3, n: 4, states: 42_237 },
  ])("has $states states with $threads threads of $n", ({ threads, n, states }) => {
    const { search, verdict } = explore(increments(threads, n), { strategy: stateful });
    expect(search.states).toBe(states);
    expect(verdict).toBe("holds");
  });

  it("loses updates, down to 2 of 6: the plain search and the search over states agree", () => {
    const prepared = prepare(increments(2, 3));
    // (12 over 6) orders of twelve steps of which six are the first thread's.
    const { result, finals } = searchExecutions(prepared, {});
    expect(result.executions).toBe(924);
    expect(finals).toEqual(["[2]", "[3]", "[4]", "[5]", "[6]"]);
    expect(finalStates(prepared)).toEqual(finals);
  });

  it("shows the lost update with the fewest preemptions, switches and steps", () => {
    const program: Program<{ count: Cell<number>; done: Cell<number> }> = {
      name: "lost-update",
      setup: () => ({ count: cell("count", 0), done: cell("done", 0) }),
      threads: {
        *a({ count, done }) {
          yield* increment(count);
          yield* rmw([done], (n: number) => ({ next: [n + 1], result: null }));
        },
        *b({ count, done }) {
          yield* increment(count);
          yield* rmw([done], (n: number) => ({ next: [n + 1], result: null }));
        },
      },
      invariants: [
        {
          name: "no-lost-update",
          check: ({ count, done }, see) =>
            see(done) === 2 && see(count) < 2 ? `two increments made ${see(count)}` : null,
        },
      ],
    };
    const { verdict, counterexample } = explore(program);
    expect(verdict).toBe("violation");
    // a reads; b reads, writes and is done; a writes over it and is done: one preemption, two switches.
    expect(counterexample).toMatchObject({ preemptions: 1, switches: 2, steps: 6, shortest: true });
    expect(formatSchedule(counterexample?.schedule ?? [])).toBe("ab3a2");
  });
});
