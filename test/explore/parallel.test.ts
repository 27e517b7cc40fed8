import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

// Workers load JavaScript, so these tests run what `npm run build` made, in a process of its own.
const built = new URL("../../dist/explore/index.js", import.meta.url);
const programs = new URL("../../bench/explore/increments.mjs", import.meta.url).href;

function run(body: string): unknown {
  const script = `
    import { searchParallel, exploreParallel } from ${JSON.stringify(built.href)};
    const source = (name, ...args) => ({ module: ${JSON.stringify(programs)}, export: name, args });
    ${body}`;
  const done = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  expect(done.stderr).toBe("");
  return JSON.parse(done.stdout);
}

describe.runIf(existsSync(fileURLToPath(built)))("a search on several cores", () => {
  it.each(["stateful", "reduced"])("%s: has the same result for every number of workers", (strategy) => {
    const results = run(`
      const results = [];
      for (const jobs of [1, 2, 3]) {
        const options = { jobs, strategy: "${strategy}", aloneSteps: 200 };
        const { bytes, ...result } = await searchParallel(source("lockedIncrements", 3, 3), options);
        results.push(result);
      }
      console.log(JSON.stringify(results));`) as { complete: boolean }[];
    expect(results[0]).toMatchObject({ complete: true, strategy, findings: [] });
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it("has the same counterexample for every number of workers", () => {
    const results = run(`
      const results = [];
      for (const jobs of [1, 2]) {
        const r = await exploreParallel(source("lostUpdate", 3, 3), { jobs, aloneSteps: 200 });
        results.push({ verdict: r.verdict, property: r.property, counterexample: r.counterexample });
      }
      console.log(JSON.stringify(results));`) as unknown[];
    expect(results[0]).toMatchObject({ verdict: "violation", property: "no-lost-update" });
    expect(results[1]).toEqual(results[0]);
  });

  it("stops at a bound on states, on time, on memory, and when it is told to", () => {
    const bounds = run(`
      const bounds = [];
      for (const b of [{ maxStates: 20000 }, { maxMillis: 300 }, { maxBytes: 1048576 }, { signal: AbortSignal.timeout(300) }]) {
        const options = { jobs: 2, strategy: "stateful", aloneSteps: 1000, ...b };
        const { complete, bound } = await searchParallel(source("increments", 3, 9), options);
        bounds.push({ complete, bound });
      }
      console.log(JSON.stringify(bounds));`);
    expect(bounds).toEqual(
      ["states: 20000", "time: 300 ms", "memory: 1048576 bytes", "interrupted"].map((bound) => ({
        complete: false,
        bound,
      })),
    );
  });
});
