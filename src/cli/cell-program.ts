// A cell of the matrix by name, so that a worker can build the same program for itself.
import type { Prepared } from "../explore/program.ts";
import type { ProgramSource } from "../explore/program-source.ts";
import { type Cell, kernelLabel, parseKernelLabel, prepareCell } from "./check-cell.ts";
import { withRules } from "./rules.ts";
import { kernelOf, selectChanges, selectScenarios } from "./select.ts";

/** What a worker needs to know; all of it can be sent. */
export interface CellSpec {
  readonly scenario: string;
  /** File of the user's that the scenario comes from, or null. */
  readonly file: string | null;
  /** Kernel and machine, as in a token. */
  readonly kernel: string;
  /** Changes as on the command line: names, and files of the user's. */
  readonly changes: readonly string[];
  /** Rules to look at; those of the scenario, if there are none. */
  readonly rules: readonly string[];
}

/** Names the program of a cell for workers. */
export const sourceOf = (
  cell: Cell,
  file: string | null,
  changes: readonly string[],
  rules: readonly string[],
): ProgramSource => ({
  module: import.meta.url,
  export: "cellProgram",
  args: [
    { scenario: cell.scenario.name, file, kernel: kernelLabel(cell), changes, rules } satisfies CellSpec,
  ],
});

/** Builds the program that a spec names. Called in workers. */
export async function cellProgram(spec: CellSpec): Promise<Prepared> {
  const selected = await selectScenarios([spec.file ?? spec.scenario]);
  const found = selected.find((s) => s.scenario.name === spec.scenario);
  const { release, tlb, memory } = parseKernelLabel(spec.kernel);
  if (found === undefined) throw new Error(`no cell ${JSON.stringify(spec)}`);
  return prepareCell({
    scenario: withRules(found.scenario, spec.rules),
    kernel: kernelOf(release),
    changes: await selectChanges(spec.changes),
    tlb,
    memory,
  });
}
