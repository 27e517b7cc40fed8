// Times the engine on fixed programs, with Spin beside it where it is installed:
//
//     npm run build && node bench/explore/run.mjs
//
// One process at a time, on the same machine, in one run; of each the best of three. Spin's model is the same
// program, step by step: a process of it ends where its loop does, so both have the same states, which is
// checked here.
import { cpus } from "node:os";
import { dpor, prepare, searchParallel, stateful } from "../../dist/explore/index.js";
import { fibBench, increments } from "./increments.mjs";
import { EVERY_STATE, runSpin, spinMissing } from "./spin.mjs";

/** N threads, K increments that are not atomic. */
const promela = (threads, k) => `
byte count;
active [${threads}] proctype inc() {
  byte seen, done;
end:
  do
  :: d_step { done < ${k} -> done++; seen = count }; d_step { count = seen + 1; seen = 0 }
  od
}
`;

/** The run that took the least time. */
function best(run) {
  const runs = [1, 2, 3].map(run);
  return runs.reduce((a, b) => (b.search < a.search ? b : a));
}

function timed(search) {
  const start = performance.now();
  const result = search();
  return { ...result, search: performance.now() - start };
}

const rate = ({ states, search }) =>
  `${states} states, ${search.toFixed(0)} ms, ${(states / search / 1000).toFixed(2)} M states/s`;

console.log(`${cpus()[0]?.model}, ${cpus().length} cores, node ${process.version}`);
if (spinMissing !== null) console.log(`without Spin beside it: ${spinMissing}`);
for (const [threads, k] of [
  [3, 4],
  [3, 8],
]) {
  const name = `increments(${threads},${k})`;
  const ours = best(() => timed(() => stateful.search(prepare(increments(threads, k)), {})));
  console.log(`${name} pagelife: ${rate(ours)}`);
  if (spinMissing !== null) continue;
  const tableBits = Math.ceil(Math.log2(ours.states * 2));
  const spin = best(() => runSpin(promela(threads, k), { flags: EVERY_STATE, tableBits }));
  console.log(`${name} spin:     ${rate(spin)}; with compiling ${spin.total.toFixed(0)} ms`);
  if (spin.states !== ours.states) throw new Error("the two models are not the same");
}
// A search of about 10 s on one core; the start of the workers counts.
const alone = 1;
const took = new Map();
for (const jobs of [alone, 2, alone, 2]) {
  const source = {
    module: new URL("increments.mjs", import.meta.url).href,
    export: "increments",
    args: [3, 10],
  };
  const start = performance.now();
  const { states } = await searchParallel(source, { jobs, strategy: "stateful" });
  const search = performance.now() - start;
  took.set(jobs, Math.min(search, took.get(jobs) ?? search));
  console.log(`increments(3,10) on ${jobs} core(s): ${rate({ states, search })}`);
}
console.log(`two cores, of one: ${(took.get(alone) / took.get(2)).toFixed(2)} times the states per second`);
for (const [name, program] of [
  ["increments(2,5)", increments(2, 5)],
  ["fib_bench(4)", fibBench(4)],
  ["fib_bench(5)", fibBench(5)],
]) {
  const { executions, search } = timed(() => dpor.search(prepare(program), {}));
  console.log(
    `${name} dpor: ${executions} executions, ${Math.round((executions / search) * 1000)} executions/s`,
  );
}
