// One execution of a cell, drawn. What is shown are the functions of the cell's kernel.
import type { Finding } from "../explore/outcome.ts";
import { countSwitches, type Schedule } from "../explore/schedule.ts";
import { functionsOf } from "../kernel/kernel.ts";
import { drawDiagram } from "../report/diagram.ts";
import { type Recording, record } from "../report/recording.ts";
import { type Cell, kernelLabel, prepareCell } from "./check-cell.ts";
import { buildKernel } from "./select.ts";

/** An execution of a cell, and what is wrong at its end. */
export interface Shown {
  readonly schedule: Schedule;
  /** What comes after it again and again, for a livelock. */
  readonly loop: Schedule | null;
  /** Null if nothing is wrong. */
  readonly finding: Finding | null;
}

/** Runs it once more, with every step. */
export const recordCell = (cell: Cell, { schedule, loop }: Shown): Recording =>
  record(prepareCell(cell), [...schedule, ...(loop ?? [])]);

/** True for the functions of the cell's kernel. */
export function knownFunctions(cell: Cell): (name: string) => boolean {
  const table = functionsOf(buildKernel(cell.kernel, cell.changes));
  return (name) => table.has(name);
}

/** Its diagram. */
export function drawCell(cell: Cell, shown: Shown, recording: Recording = recordCell(cell, shown)): string {
  const { schedule, loop, finding } = shown;
  return drawDiagram(recording, finding, {
    subject: [kernelLabel(cell), ...cell.changes.map((c) => c.name)].join("+"),
    switches: countSwitches(schedule),
    loopFrom: loop === null ? null : schedule.length,
    shows: knownFunctions(cell),
  });
}
