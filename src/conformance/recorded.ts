// A lab run as a file: which kernel, which programs, and the guest's log. With it a comparison can be
// made again without a guest, with another subsystem or another table of simplifications.
import { z } from "zod";
import { PagelifeError } from "../base/errors.ts";
import { readGuestLog } from "./guest-log.ts";
import type { Observation } from "./observation.ts";
import { pageLayout } from "./page-layout.ts";
import { type Program, programSchema } from "./program.ts";

const recordedSchema = z.strictObject({
  schemaVersion: z.literal(1),
  /** `uname -r`. */
  release: z.string(),
  programs: z.array(programSchema),
  log: z.string(),
});

export type Recorded = z.infer<typeof recordedSchema>;

/** One program and what a real kernel made of it. */
export interface RealHistory {
  readonly program: Program;
  readonly observations: readonly Observation[];
  readonly troubles: readonly string[];
  readonly complete: boolean;
}

/** @throws PL506 when the value is not a lab run, or its log cannot be read. */
export function parseRecorded(value: unknown, origin: string): Recorded {
  const parsed = recordedSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const first = parsed.error.issues[0];
  throw new PagelifeError("PL506", `${origin} is not a lab run: ${first?.path.join(".")}: ${first?.message}`);
}

/** The histories of a lab run, by program, in the order of the programs. */
export function historiesOf(recorded: Recorded): RealHistory[] {
  const { runs } = readGuestLog(recorded.log, pageLayout(recorded.release));
  const byName = new Map(recorded.programs.map((p) => [p.name, p]));
  return runs.flatMap(({ program: name, ...run }) => {
    const program = byName.get(name);
    return program === undefined ? [] : [{ program, ...run }];
  });
}

/**
 * Which of the subsystem's kernels stands for a real one: the same release if there is one, else the
 * newest that is not younger. FS-DAX was counted anew in 6.15; what lies before is like 6.12.
 */
export function modelFor(release: string, known: readonly string[]): string {
  const [, major = "0", minor = "0"] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  const exact = `v${major}.${minor}`;
  if (known.includes(exact)) return exact;
  return Number(major) * 1000 + Number(minor) >= 6015 ? "v7.2" : "v6.12";
}
