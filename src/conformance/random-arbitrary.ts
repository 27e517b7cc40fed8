// The fast-check side of random workloads: what is drawn, and a fixed batch for a seed.
import fc from "fast-check";
import type { Program } from "./program.ts";
import { buildProgram, type Features } from "./random-program.ts";

const nat = fc.nat({ max: 63 });

/** Random programs of up to `length` operations. */
export function programArbitrary(features: Features, length: number): fc.Arbitrary<Program> {
  const opening = fc.record({ fs: nat, files: nat, pages: nat, allocated: nat, huge: fc.boolean() });
  const choice = fc.record({ kind: nat, a: nat, b: nat, c: nat, d: nat });
  // A mapping first: without one hardly any choice means anything.
  const first = fc.record({ kind: fc.constant(0), a: nat, b: nat, c: nat, d: nat });
  return fc
    .tuple(opening, first, fc.array(choice, { minLength: length >> 1, maxLength: length, size: "max" }))
    .map(([o, f, choices]) => buildProgram("random", o, [f, ...choices], features));
}

/** The programs of a seed, named `r-SEED-0`, `r-SEED-1` and so on. The same on every machine. */
export function randomPrograms(seed: number, count: number, features: Features, length = 24): Program[] {
  return fc
    .sample(programArbitrary(features, length), { seed, numRuns: count })
    .map((program, i) => ({ ...program, name: `r-${seed}-${i}` }));
}
