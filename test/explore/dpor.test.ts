import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Cell, cell, read, write } from "../../src/explore/access.ts";
import { dpor, searchTraces } from "../../src/explore/dpor.ts";
import { Execution } from "../../src/explore/execution.ts";
import { footprint } from "../../src/explore/operation.ts";
import { findingKey } from "../../src/explore/outcome.ts";
import { searchExecutions } from "../../src/explore/plain.ts";
import { type Prepared, type Program, prepare } from "../../src/explore/program.ts";
import type { SearchResult } from "../../src/explore/strategy.ts";
import { program, type Sketch, sketch, written } from "./random-program.ts";

const seed = Number(process.env.SEED ?? 20261121);
const many = Number(process.env.RUNS ?? 1);

const said = (r: SearchResult): string[] => r.findings.map((f) => findingKey(f.finding)).sort();

/** Counts the traces of a program by running every execution; null if there are too many. */
function countTraces(prepared: Prepared, limit: number): number | null {
  const traces = new Set<string>();
  let executions = 0;
  const visit = (schedule: readonly number[]): boolean => {
    const execution = new Execution(prepared);
    const made: { thread: number; touches: number[]; stores: number[] }[] = [];
    for (const t of schedule) {
      const before = [...execution.memory];
      const { thread, op, writes } = execution.step(t);
      const stores = writes.filter((w) => op.op === "write" || before[w.cell] !== w.value).map((w) => w.cell);
      made.push({ thread, touches: footprint(op).map((c) => c.id), stores });
    }
    const enabled = execution.enabled();
    if (enabled.length > 0) return enabled.every((t) => visit([...schedule, t]));
    if (++executions > limit) return false;
    // A trace is known by the order of its conflicting pairs.
    const counts: number[] = [];
    const names = made.map(({ thread }) => {
      counts[thread] = (counts[thread] ?? 0) + 1;
      return `${thread}.${counts[thread]}`;
    });
    const pairs = made.flatMap((b, j) =>
      made.slice(0, j).flatMap((a, i) => {
        const overlap =
          a.stores.some((c) => b.touches.includes(c)) || b.stores.some((c) => a.touches.includes(c));
        return overlap ? [`${names[i]}<${names[j]}`] : [];
      }),
    );
    traces.add([...pairs, ...names].sort().join(" "));
    return true;
  };
  return visit([]) ? traces.size : null;
}

/** Without steps that end an execution: these make traces of a kind of their own. */
const calm = (s: Sketch): Sketch => ({
  ...s,
  rules: [],
  threads: s.threads.map((of, t) => of.filter((i) => i.do !== "fail-if" && (i.do !== "spawn" || t === 0))),
});

it("stops at an execution without end, and names who goes round", () => {
  const spinner: Program<Cell<number>> = {
    name: "spinner",
    setup: () => cell("flag", 0),
    threads: {
      *spins(flag) {
        while ((yield* read(flag)) === 0);
      },
      *other(flag) {
        yield* write(flag, 1);
      },
    },
  };
  expect(dpor.search(prepare(spinner), {})).toMatchObject({
    complete: false,
    bound: "an execution without end: spins can go round for ever",
  });
});

describe(`optimal DPOR on random programs (SEED=${seed})`, () => {
  it("runs each trace once, counted by hand over all executions", () => {
    let counted = 0;
    fc.assert(
      fc.property(sketch(3, 4), (s) => {
        const prepared = prepare(program(calm(s)));
        const traces = countTraces(prepared, 400);
        if (traces === null) return;
        counted++;
        const { result, blocked } = searchTraces(prepared, {});
        expect({ executions: result.executions, blocked }, written(calm(s))).toEqual({
          executions: traces,
          blocked: 0,
        });
      }),
      { seed, numRuns: 200 * many },
    );
    expect(counted).toBeGreaterThan(60);
  });

  it("comes to the findings and final states of the plain search", () => {
    fc.assert(
      fc.property(sketch(3, 4), (s) => {
        const prepared = prepare(program(s));
        const { result, finals } = searchExecutions(prepared, { maxExecutions: 1000 });
        if (!result.complete) return;
        const traces = searchTraces(prepared, {});
        expect(said(traces.result), written(s)).toEqual(said(result));
        expect(traces.finals, written(s)).toEqual(finals);
        expect(traces.blocked).toBe(0);
      }),
      { seed, numRuns: 200 * many },
    );
  });
});
