// Promises that something comes to an end: calls that return, sooner or later. Who waits for ever, or goes round for
// ever, within such a call breaks its promise. A wait without end is found whether a promise names it or not; the
// promise gives it a name, and a way to leave it out.
import type { Frame } from "./frames.ts";

/** A call of any of these functions returns. */
export interface Liveness {
  /** The promise, in kebab-case: `unpin-returns`. */
  readonly name: string;
  /** Names of generator functions. */
  readonly functions: readonly string[];
}

/** A promise, and whether anybody asks for it. */
export interface WatchedLiveness extends Liveness {
  /** False: a wait that breaks it is no finding. */
  readonly watched: boolean;
}

/** The functions that a thread is in, outermost first. */
export const functionNames = (stack: readonly Frame[]): readonly string[] =>
  stack.map((f) => f.function.name);

/** The promise that is broken if a thread never gets out of these functions: that of the innermost which has one. */
export function promiseOf(liveness: readonly Liveness[], within: readonly string[]): string | null {
  const named = within.findLast((name) => liveness.some((l) => l.functions.includes(name)));
  return liveness.find((l) => named !== undefined && l.functions.includes(named))?.name ?? null;
}
