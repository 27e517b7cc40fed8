import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bounded } from "../../src/explore/bounded.ts";
import { searchTraces } from "../../src/explore/dpor.ts";
import { findingKey } from "../../src/explore/outcome.ts";
import { searchExecutions } from "../../src/explore/plain.ts";
import { prepare } from "../../src/explore/program.ts";
import { reduced, reducedFinalStates } from "../../src/explore/reduced.ts";
import { finalStates, stateful } from "../../src/explore/stateful.ts";
import type { SearchResult } from "../../src/explore/strategy.ts";
import { bruteForce } from "./brute-force.ts";
import { program, sketch, written } from "./random-program.ts";

const seed = Number(process.env.SEED ?? 20261121);
const many = Number(process.env.RUNS ?? 1);

const said = (r: SearchResult): string[] => r.findings.map((f) => findingKey(f.finding)).sort();

/** The engine writes T and F for true and false, and else as JSON does. */
const asJson = (finals: readonly string[]): string[] =>
  finals.map((f) => f.replaceAll("T", "true").replaceAll("F", "false")).sort();

describe(`a checker that shares nothing with the engine, on random programs (SEED=${seed})`, () => {
  it("says what the searches over states say, loops without end included", () => {
    let compared = 0;
    fc.assert(
      fc.property(sketch(4, 5, true), (s) => {
        const expected = bruteForce(s, 4000);
        if (expected === null) return;
        compared++;
        const prepared = prepare(program(s));
        for (const strategy of [stateful, reduced, bounded(200)]) {
          const found = strategy.search(prepared, {});
          expect(said(found), `${strategy.name} on ${written(s)}`).toEqual(expected.findings);
          expect(found.complete).toBe(true);
        }
        expect(asJson(finalStates(prepared)), written(s)).toEqual(expected.finals);
        expect(asJson(reducedFinalStates(prepared)), written(s)).toEqual(expected.finals);
      }),
      { seed, numRuns: 150 * many },
    );
    expect(compared).toBeGreaterThan(60);
  });

  it("says what the searches over executions say", () => {
    let compared = 0;
    fc.assert(
      fc.property(sketch(3, 4), (s) => {
        const expected = bruteForce(s, 4000);
        const prepared = prepare(program(s));
        const traces = searchTraces(prepared, { maxExecutions: 3000 });
        if (expected === null || !traces.result.complete) return;
        compared++;
        expect(said(traces.result), written(s)).toEqual(expected.findings);
        expect(asJson(traces.finals), written(s)).toEqual(expected.finals);
        const plain = searchExecutions(prepared, { maxExecutions: 500 });
        if (!plain.result.complete) return;
        expect(said(plain.result), written(s)).toEqual(expected.findings);
        expect(asJson(plain.finals), written(s)).toEqual(expected.finals);
      }),
      { seed, numRuns: 150 * many },
    );
    expect(compared).toBeGreaterThan(60);
  });
});
