// How a program is named so that a worker can build it for itself: a generator cannot be sent from one
// thread to another, but the module that makes it can be loaded in both.
import { PagelifeError } from "../base/errors.ts";
import { type Prepared, type Program, prepare } from "./program.ts";

/** A function that makes a program, by the module that exports it, with arguments that can be sent. */
export interface ProgramSource {
  /** URL of the module, as `import()` takes it. */
  readonly module: string;
  /** Name of the exported function; it returns a program, or one whose setup has run. */
  readonly export: string;
  readonly args?: readonly unknown[];
}

const isPrepared = (made: object): made is Prepared => "memory" in made && "cells" in made;

/**
 * Builds the program.
 *
 * @throws {@link PagelifeError} PL208 if the module does not export such a function.
 */
export async function loadSource(source: ProgramSource): Promise<Prepared> {
  const module = (await import(source.module)) as Record<string, unknown>;
  const make = module[source.export];
  const made =
    typeof make === "function"
      ? await (make as (...args: unknown[]) => unknown)(...(source.args ?? []))
      : null;
  if (typeof made !== "object" || made === null) {
    throw new PagelifeError(
      "PL208",
      `${source.module} exports no function "${source.export}" that makes a program`,
    );
  }
  return isPrepared(made) ? made : prepare(made as Program<unknown>);
}
