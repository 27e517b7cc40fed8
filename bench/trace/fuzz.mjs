// A hundred thousand damaged recordings through every reader: `node bench/trace/fuzz.mjs [COUNT] [SEED]`.
// Each is read, analysed and printed. Prints what was slowest and how far the memory grew; fails on the
// first input that throws, takes more than five seconds, or passes a control character on.
import { createJiti } from "jiti";

const jiti = createJiti(import.meta.url, { fsCache: false });
const { damage, digest } = await jiti.import("../../test/traces/fuzz.ts");
const { fuzzBases } = await jiti.import("../../test/traces/fuzz-bases.ts");

const count = Number(process.argv[2] ?? 100_000);
const seed = Number(process.argv[3] ?? 1);
const bases = Object.entries(fuzzBases());
const slowest = { ms: 0, seed: 0, format: "" };
let refused = 0;
const started = performance.now();
for (let i = 0; i < count; i++) {
  const [format, inputs] = bases[i % bases.length];
  const input = damage(inputs, seed + i);
  const before = performance.now();
  let text;
  try {
    text = digest(input);
  } catch (error) {
    console.error(`seed ${seed + i}, ${format}:`, error);
    process.exit(1);
  }
  const ms = performance.now() - before;
  if (ms > slowest.ms) Object.assign(slowest, { ms, seed: seed + i, format });
  if (text === null) refused++;
  else if (/[\x00-\x09\x0b-\x1f\x7f]/.test(text)) {
    console.error(`seed ${seed + i}, ${format}: control characters in the output`);
    process.exit(1);
  }
  if (ms > 5000) {
    console.error(`seed ${seed + i}, ${format}: ${Math.round(ms)} ms`);
    process.exit(1);
  }
}
const seconds = (performance.now() - started) / 1000;
const rss = process.resourceUsage().maxRSS / 1024;
console.log(
  `${count} inputs in ${seconds.toFixed(0)} s (seeds ${seed} to ${seed + count - 1}): none threw, ${refused} refused, ` +
    `slowest ${slowest.ms.toFixed(0)} ms (seed ${slowest.seed}, ${slowest.format}), at most ${rss.toFixed(0)} MiB resident`,
);
