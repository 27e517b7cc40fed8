// A thousand damaged recordings: each is read to its end or refused, and nothing of it
// reaches the terminal raw. bench/trace/fuzz.mjs does a hundred thousand.
import { describe, it } from "vitest";
import { damage, digest } from "./fuzz.ts";
import { fuzzBases } from "./fuzz-bases.ts";

const SEED = 20_260_101;

describe.each(Object.entries(fuzzBases()))("damaged %s", (_, bases) => {
  it("never throws, hangs, or passes control characters on", () => {
    for (let i = 0; i < 200; i++) {
      const input = damage(bases, SEED + i);
      let text: string | null;
      try {
        text = digest(input);
      } catch (error) {
        throw new Error(`seed ${SEED + i}`, { cause: error });
      }
      if (text !== null && /[\x00-\x09\x0b-\x1f\x7f]/.test(text))
        throw new Error(`seed ${SEED + i}: control characters in the output`);
    }
  });
});
