// Times the engine on fixed programs, with Spin beside it where it is installed:
//
//     npm run build && node bench/explore/run.mjs
//
// One process at a time, on the same machine, in one run. Both visit every state; Spin's model is the same
// program, line by line, and has a few states more, since a process of Spin ends in a step of its own.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { dpor, prepare, searchParallel, stateful } from "../../dist/explore/index.js";
import { increments } from "./increments.mjs";

/** N threads, K increments that are not atomic. */
const promela = (threads, n) => `
byte count;
active [${threads}] proctype inc() {
  byte seen;
  byte k = 0;
  do
  :: d_step { k < ${n} -> seen = count; k++ }; d_step { count = seen + 1; seen = 0 }
  :: else -> break
  od
}
`;

function runSpin(threads, n) {
  const dir = mkdtempSync(join(tmpdir(), "pagelife-bench-"));
  const run = (command, ...args) => spawnSync(command, args, { cwd: dir, encoding: "utf8" });
  try {
    writeFileSync(join(dir, "model.pml"), promela(threads, n));
    const start = performance.now();
    if (run("spin", "-a", "model.pml").status !== 0) return null;
    if (run("gcc", "-O2", "-DSAFETY", "-DNOREDUCE", "-DVECTORSZ=256", "-o", "pan", "pan.c").status !== 0)
      return null;
    const compiled = performance.now();
    const out = run("./pan", "-m10000000", "-w26").stdout;
    const done = performance.now();
    const states = Number(/([\d.e+]+) states, stored/.exec(out)?.[1]);
    return { states, search: done - compiled, total: done - start };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const rate = (states, millis) => `${(states / millis / 1000).toFixed(2)} M states/s`;

console.log(`${cpus()[0]?.model}, ${cpus().length} cores, node ${process.version}`);
for (const [threads, n] of [
  [3, 4],
  [3, 8],
]) {
  const start = performance.now();
  const ours = stateful.search(prepare(increments(threads, n)), {});
  const millis = performance.now() - start;
  console.log(
    `increments(${threads},${n}) pagelife: ${ours.states} states, ${millis.toFixed(0)} ms, ${rate(ours.states, millis)}`,
  );
  const spin = runSpin(threads, n);
  if (spin !== null) {
    console.log(
      `increments(${threads},${n}) spin:     ${spin.states} states, ${spin.search.toFixed(0)} ms, ${rate(spin.states, spin.search)}; with compiling ${spin.total.toFixed(0)} ms`,
    );
  }
}
for (const jobs of [1, 2]) {
  const source = {
    module: new URL("increments.mjs", import.meta.url).href,
    export: "increments",
    args: [3, 8],
  };
  const start = performance.now();
  const { states } = await searchParallel(source, { jobs, strategy: "stateful" });
  const millis = performance.now() - start;
  console.log(`increments(3,8) on ${jobs} core(s): ${millis.toFixed(0)} ms, ${rate(states, millis)}`);
}
{
  const start = performance.now();
  const { executions } = dpor.search(prepare(increments(2, 5)), {});
  const millis = performance.now() - start;
  console.log(
    `increments(2,5) dpor: ${executions} executions, ${Math.round((executions / millis) * 1000)} executions/s`,
  );
}
