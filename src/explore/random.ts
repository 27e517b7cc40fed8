// Random walk: at every step each thread that can go on is as likely as any other. A clean result proves
// nothing; it says that so many executions showed nothing. It finds what many interleavings show, at once,
// in programs of any size.
import { sample } from "./sampling.ts";
import type { Strategy } from "./strategy.ts";

/** @param seed The same seed gives the same executions; it stands in the notes of the result. */
export const randomWalk = (seed: number): Strategy => ({
  name: "random",
  search: (prepared, bounds) =>
    sample("random", prepared, bounds, seed, (dice) => ({
      next: (able) => able[dice.roll(able.length)] as number,
    })),
});
