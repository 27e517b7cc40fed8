// What a recording shows, as data: each answer is one sentence, with the events it rests on.
import type { Task } from "../events/event.ts";
import type { Stack } from "./sink.ts";

/**
 * `error`: the kernel did what it must not do, or will wait for ever. `warning`: somebody ought to
 * look. `note`: an answer, and nothing is wrong. `unknown`: the recording lacks what would tell.
 */
export type FindingSeverity = "error" | "warning" | "note" | "unknown";

export type FindingKind =
  | "stuck-wait"
  | "missed-wakeup"
  | "blocked"
  | "waited"
  | "did-not-wait"
  | "freed-while-held"
  | "removed-while-held"
  | "removed-while-mapped"
  | "used-after-removal"
  | "removal-hang"
  | "lock-hang"
  | "leak"
  | "outstanding"
  | "unmatched-puts"
  | "illegal-count";

/** One event that a sentence rests on. */
export interface Evidence {
  readonly time: number;
  readonly where: number;
  readonly cpu: number;
  readonly task: Task | null;
  readonly text: string;
}

export interface Finding {
  readonly kind: FindingKind;
  readonly severity: FindingSeverity;
  readonly sentence: string;
  readonly evidence: readonly Evidence[];
  /** Pages concerned. */
  readonly pfns: readonly number[];
  /** Tasks concerned: who waits or holds first. */
  readonly tasks: readonly Task[];
  readonly stacks: readonly Stack[];
  /** What weakens the sentence; empty if nothing does. */
  readonly caveats: readonly string[];
  /** Nanoseconds that it lasted; NaN if it does not last. */
  readonly durationNs: number;
}
