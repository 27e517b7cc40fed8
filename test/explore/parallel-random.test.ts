import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { prepare } from "../../src/explore/program.ts";
import { stateful } from "../../src/explore/stateful.ts";
import { program, sketch, written } from "./random-program.ts";

const built = new URL("../../dist/explore/index.js", import.meta.url);
const programs = new URL("random-source.mjs", import.meta.url);
const seed = Number(process.env.SEED ?? 20261121);
const many = Number(process.env.RUNS ?? 1);

/** Searches each program alone, and with two or three workers from the first step on. */
const script = `
  import { prepare, reduced, searchParallel, stateful } from ${JSON.stringify(built.href)};
  import { program } from ${JSON.stringify(programs.href)};
  const said = ({ complete, states, steps, executions, findings }) =>
    JSON.stringify({ complete, states, steps, executions, findings: findings.map((f) => f.finding) });
  const results = [];
  for (const sketch of JSON.parse(process.argv[1])) {
    const source = { module: ${JSON.stringify(programs.href)}, export: "program", args: [sketch] };
    for (const [strategy, jobs] of [["stateful", 3], ["reduced", 2]]) {
      const whole = (strategy === "reduced" ? reduced : stateful).search(prepare(program(sketch)), {});
      const shared = said(await searchParallel(source, { jobs, strategy, aloneSteps: 0 }));
      results.push({ strategy, alone: said(whole), shared });
    }
  }
  console.log(JSON.stringify(results));`;

interface Compared {
  readonly strategy: string;
  readonly alone: string;
  readonly shared: string;
}

describe.runIf(existsSync(fileURLToPath(built)))(`random programs on several cores (SEED=${seed})`, () => {
  it("have the same states, steps, ends and findings as on one", () => {
    // Large enough that there is something to share out.
    const large = fc.sample(sketch(4, 8), { seed, numRuns: 100 * many }).filter((s) => {
      const { complete, states } = stateful.search(prepare(program(s)), { maxStates: 20_000 });
      return complete && states > 2_000;
    });
    const some = large.slice(0, 2 * many);
    expect(some.length).toBe(2 * many);
    const done = spawnSync(process.execPath, ["--input-type=module", "-e", script, JSON.stringify(some)], {
      encoding: "utf8",
    });
    expect(done.stderr).toBe("");
    const compared = JSON.parse(done.stdout) as Compared[];
    expect(compared.length).toBe(2 * some.length);
    compared.forEach(({ strategy, alone, shared }, i) => {
      const about = `${strategy}: ${written(some[i >> 1] as (typeof some)[number])}`;
      expect(shared, about).toBe(alone);
    });
    expect(compared.filter(({ alone }) => !alone.includes('"findings":[]')).length).toBeGreaterThan(0);
  });
});
