import fc from "fast-check";
import { expect, it } from "vitest";
import { type Cell, type Code, cell, write } from "../../src/explore/access.ts";
import { bounded } from "../../src/explore/bounded.ts";
import { Execution } from "../../src/explore/execution.ts";
import { explore } from "../../src/explore/explore.ts";
import { type Counterexample, findingKey } from "../../src/explore/outcome.ts";
import { searchExecutions } from "../../src/explore/plain.ts";
import { type Prepared, prepare } from "../../src/explore/program.ts";
import { findShortest } from "../../src/explore/shortest.ts";
import { Space } from "../../src/explore/space.ts";
import { program, sketch, written } from "./random-program.ts";

const seed = Number(process.env.SEED ?? 20261121);

/** The least preemptions, then switches, then steps of any way to a finding, over all executions. */
function least(prepared: Prepared, key: string): number[] | null {
  let best: number[] | null = null;
  const visit = (schedule: readonly number[], preemptions: number, switches: number): void => {
    const execution = new Execution(prepared);
    for (const t of schedule) execution.step(t);
    const cost = [preemptions, switches, schedule.length];
    const better = best === null || cost.join() !== best.join();
    if (execution.findings().some((f) => findingKey(f) === key)) {
      const i = cost.findIndex((c, k) => c !== best?.[k]);
      if (best === null || (better && (cost[i] as number) < (best[i] as number))) best = cost;
    }
    const enabled = execution.enabled();
    const last = schedule.at(-1);
    for (const t of enabled) {
      const switched = last !== undefined && last !== t;
      visit(
        [...schedule, t],
        preemptions + (switched && enabled.includes(last) ? 1 : 0),
        switches + (switched ? 1 : 0),
      );
    }
  };
  visit([], 0, 0);
  return best;
}

it(`finds what no execution beats, on random programs (SEED=${seed})`, () => {
  let compared = 0;
  fc.assert(
    fc.property(sketch(3, 3), (s) => {
      const prepared = prepare(program(s));
      const { result } = searchExecutions(prepared, { maxExecutions: 150 });
      if (!result.complete) return;
      for (const { finding } of result.findings) {
        compared++;
        const found = findShortest(new Space(prepared), [finding], {});
        const cost = found === null ? null : [found.preemptions, found.switches, found.steps];
        const key = findingKey(finding);
        expect(cost, written(s)).toEqual(least(prepared, key));
        // And with so many preemptions it is found, with fewer it is not.
        const within = (preemptions: number): string[] =>
          bounded(preemptions)
            .search(prepared, {})
            .findings.map((f) => findingKey(f.finding));
        const { preemptions } = found as Counterexample;
        expect(within(preemptions), written(s)).toContain(key);
        if (preemptions > 0) expect(within(preemptions - 1), written(s)).not.toContain(key);
      }
    }),
    { seed, numRuns: 80 },
  );
  expect(compared).toBeGreaterThan(20);
});

it("names the rule of the shortest counterexample where several are broken", () => {
  function* store({ near, far }: { near: Cell<number>; far: Cell<number> }): Code {
    yield* write(near, 1);
    yield* write(far, 1);
  }
  const { property, search, counterexample } = explore({
    name: "two rules",
    setup: () => ({ near: cell<number>("near", 0), far: cell<number>("far", 0) }),
    threads: { store },
    invariants: [
      { name: "a-far", check: ({ far }, see) => (see(far) === 1 ? "far is 1" : null) },
      { name: "b-near", check: ({ near }, see) => (see(near) === 1 ? "near is 1" : null) },
    ],
  });
  expect(search.findings.map((f) => f.finding.property)).toEqual(["a-far", "b-near"]);
  expect([property, counterexample?.finding.property, counterexample?.steps]).toEqual([
    "b-near",
    "b-near",
    1,
  ]);
});
