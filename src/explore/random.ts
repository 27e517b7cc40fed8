// Random walk: at every step each thread that can go on is as likely as any other. A clean result proves
// nothing; it says that so many executions showed nothing. It finds what many interleavings show, at once,
// in programs of any size.
import { Sampling } from "./sampling.ts";
import { asStrategy, type Strategy } from "./strategy.ts";

/** @param seed The same seed gives the same executions; it stands in the notes of the result. */
export const randomWalk = (seed: number): Strategy =>
  asStrategy(
    "random",
    (prepared, bounds) =>
      new Sampling(prepared, bounds, {
        name: "random",
        seed,
        chooser: (dice) => ({ next: (able) => able[dice.roll(able.length)] as number }),
      }),
  );
