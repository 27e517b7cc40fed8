import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bounded } from "../../src/explore/bounded.ts";
import { dpor } from "../../src/explore/dpor.ts";
import { runSchedule } from "../../src/explore/execution.ts";
import { findingKey } from "../../src/explore/outcome.ts";
import { pct } from "../../src/explore/pct.ts";
import { plain, searchExecutions } from "../../src/explore/plain.ts";
import { prepare } from "../../src/explore/program.ts";
import { randomWalk } from "../../src/explore/random.ts";
import { reduced, reducedFinalStates } from "../../src/explore/reduced.ts";
import { finalStates, stateful } from "../../src/explore/stateful.ts";
import type { SearchResult } from "../../src/explore/strategy.ts";
import { program, sketch, written } from "./random-program.ts";

const seed = Number(process.env.SEED ?? 20261121);
const many = Number(process.env.RUNS ?? 1);

/** What a result says, without how it was found. */
const said = (r: SearchResult): string[] => r.findings.map((f) => findingKey(f.finding)).sort();

describe(`random programs (SEED=${seed})`, () => {
  it("come to the same findings and final states in the plain, the stateful and the reduced search", () => {
    let compared = 0;
    fc.assert(
      fc.property(sketch(3, 4), (s) => {
        const prepared = prepare(program(s));
        const { result, finals } = searchExecutions(prepared, { maxExecutions: 1000 });
        if (!result.complete) return;
        compared++;
        const full = stateful.search(prepared, {});
        expect(said(full), written(s)).toEqual(said(result));
        expect(finalStates(prepared), written(s)).toEqual(finals);
        const less = reduced.search(prepared, {});
        expect(said(less), written(s)).toEqual(said(result));
        expect(less.complete).toBe(true);
        expect(reducedFinalStates(prepared), written(s)).toEqual(finals);
      }),
      { seed, numRuns: 250 * many },
    );
    expect(compared).toBeGreaterThan(80);
  });

  it("come with a way to each finding, whatever the strategy", () => {
    const strategies = [plain, stateful, reduced, dpor, bounded(9), randomWalk(seed), pct(seed)];
    let shown = 0;
    fc.assert(
      fc.property(sketch(3, 4), (s) => {
        const prepared = prepare(program(s));
        for (const strategy of strategies) {
          const { findings } = strategy.search(prepared, { maxExecutions: 100 });
          for (const { finding, schedule } of findings) {
            shown++;
            const again = runSchedule(prepared, schedule ?? []).findings();
            expect(again.map(findingKey), `${strategy.name} on ${written(s)}`).toContain(findingKey(finding));
          }
        }
      }),
      { seed, numRuns: 60 * many },
    );
    expect(shown).toBeGreaterThan(100);
  });

  it("come to the same findings and final states with and without reduction, where the plain search would take too long", () => {
    let states = 0;
    let fewer = 0;
    fc.assert(
      fc.property(sketch(4, 6, true), (s) => {
        const prepared = prepare(program(s));
        const full = stateful.search(prepared, { maxStates: 50_000 });
        if (!full.complete) return;
        const less = reduced.search(prepared, {});
        states += full.states;
        fewer += less.states;
        expect(said(less), written(s)).toEqual(said(full));
        expect(less.states).toBeLessThanOrEqual(full.states);
        expect(reducedFinalStates(prepared), written(s)).toEqual(finalStates(prepared));
      }),
      { seed, numRuns: 200 * many },
    );
    // Not a promise, but a reduction that reduces nothing would be noticed here.
    expect(fewer).toBeLessThan(states / 2);
  });
});
