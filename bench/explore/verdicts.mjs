// From source to verdict, whole processes, for the first three scenarios of the catalogue: `pagelife check`, and
// Spin (`spin -a`, gcc, the verifier) on the same scenario in Promela (`promela/`), where it is installed:
//
//     npm run build && node bench/explore/verdicts.mjs
//
// In one run, one process at a time; of each the best of five. `pagelife check` has the harder task: it keeps all
// the steps that the Promela leaves out, looks at every cell of the machine, and for a finding it searches for the
// shortest way to it. Ends with an error where the two do not agree on a verdict.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { runSpin, SOON, spinMissing } from "./spin.mjs";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const read = (name) => readFileSync(new URL(`promela/${name}.pml`, import.meta.url), "utf8");

/** The model of a scenario as one text. */
const promela = (scenario, defines) =>
  [
    ...defines.map((d) => `#define ${d}\n`),
    read(scenario).replace('#include "dax.pml"', () => read("dax")),
  ].join("");

function runPagelife(scenario, kernel, twin) {
  const start = performance.now();
  const with_ = twin === null ? [] : ["--with", twin];
  const { stdout } = spawnSync(
    process.execPath,
    [main, "check", scenario, "--kernel", kernel, ...with_, "--json"],
    { encoding: "utf8" },
  );
  const total = performance.now() - start;
  const { data } = JSON.parse(stdout.split("\n")[0]);
  return { total, found: data.kind, holds: data.verdict === "holds" };
}

function runPromela(scenario, kernel, twin) {
  const defines = [kernel.toUpperCase().replace(".", "_"), ...(twin === null ? [] : [TWINS[twin]])];
  const { total, error } = runSpin(promela(scenario, defines), { flags: SOON });
  return { total, found: error, holds: error === null };
}

const TWINS = {
  "twin/skip-pte-recheck": "TWIN_SKIP_PTE_RECHECK",
  "twin/hook-tests-zero": "TWIN_HOOK_TESTS_ZERO",
};

const scenarios = ["unpin-vs-punch-hole", "truncate-vs-gup-fast", "refault-during-wait"];
const cells = [
  ...scenarios.flatMap((s) => [
    [s, "v6.12", null],
    [s, "v7.2", null],
  ]),
  // Broken on purpose, to see that both would notice.
  ["unpin-vs-punch-hole", "v6.12", "twin/hook-tests-zero"],
  ["truncate-vs-gup-fast", "v6.12", "twin/hook-tests-zero"],
  ["truncate-vs-gup-fast", "v6.12", "twin/skip-pte-recheck"],
  ["truncate-vs-gup-fast", "v7.2", "twin/skip-pte-recheck"],
];

const best = (run) => [1, 2, 3, 4, 5].map(run).reduce((a, b) => (b.total < a.total ? b : a));
const say = ({ holds, found, total }) => `${total.toFixed(0)} ms (${holds ? "holds" : found})`;

console.log(`${cpus()[0]?.model}, ${cpus().length} cores, node ${process.version}`);
if (spinMissing !== null) console.log(`without Spin beside it: ${spinMissing}`);
for (const [scenario, kernel, twin] of cells) {
  const name = [scenario, kernel, ...(twin === null ? [] : [twin])].join(" ");
  const ours = best(() => runPagelife(scenario, kernel, twin));
  const spin = spinMissing === null ? best(() => runPromela(scenario, kernel, twin)) : null;
  console.log(`${name}: pagelife ${say(ours)}${spin === null ? "" : `, spin ${say(spin)}`}`);
  if (spin !== null && spin.holds !== ours.holds) throw new Error("the verdicts differ");
}
