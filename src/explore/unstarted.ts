// Calls of generator functions that nobody runs: a `yield*` was forgotten, and what should have happened
// does not happen. In files of the user's each call tells what it made (`made` of the runtime), and `yield*`
// takes it off again; what is left when a thread ends was never started.
import { PagelifeError } from "../base/errors.ts";

/** Generators that calls have made and no `yield*` has taken yet, with the place of the call. */
export class Unstarted {
  readonly #made = new Map<object, string>();

  made(generator: object, place: string): void {
    this.#made.set(generator, place);
  }

  started(generator: object): void {
    this.#made.delete(generator);
  }

  /**
   * To be asked when the code has ended, in whatever way.
   *
   * @param probe Tells a generator that never ran from one that a loop or a spread has run.
   * @throws {@link PagelifeError} PL209 if there is one that never ran.
   */
  assertNone(probe: (generator: object) => boolean): void {
    for (const [generator, place] of this.#made) {
      if (!probe(generator)) continue;
      throw new PagelifeError("PL209", `${place} is called without yield*, so it never runs`);
    }
  }
}

/** Can an error be what a call that was forgotten led to? Code that went wrong, or was used wrongly: PL210. */
export const mayComeOfForgotten = (error: unknown): boolean =>
  !(error instanceof PagelifeError) || error.code === "PL210";
