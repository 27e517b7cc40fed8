// How an execution can end. A finding is data; only misuse of the engine throws.
import type { Blocks, Operation, See, Wait } from "./access.ts";
import { promiseOf, type WatchedLiveness } from "./liveness.ts";
import type { Schedule } from "./schedule.ts";

/** What kind of thing was found, as it stands in JSON and in diagrams. */
export type FindingKind =
  /** A rule over the state was broken. */
  | "invariant"
  /** A thread found something wrong itself: a WARN or BUG of the modelled code. */
  | "assertion"
  /** Nobody can run; a sleeper's condition is true, but nobody woke it. */
  | "missed-wakeup"
  /** Nobody can run; a sleeper's condition is true, but another was woken in its place, who did not pass it on. */
  | "lost-exclusive-wakeup"
  /** Nobody can run; what the sleeper waits for has come about, but its condition can no longer be true. */
  | "stuck-wait"
  /** Nobody can run, for any other reason. */
  | "deadlock"
  /** Somebody goes round for ever without getting anywhere, though every thread that can go on gets its turn. */
  | "livelock";

/** In the order in which a verdict names them when there are several. */
export const findingKinds: readonly FindingKind[] = [
  "invariant",
  "assertion",
  "missed-wakeup",
  "lost-exclusive-wakeup",
  "stuck-wait",
  "deadlock",
  "livelock",
];

/** What was found, without how it came about. */
export interface Finding {
  readonly kind: FindingKind;
  /** The rule that was broken, or what is waited for. */
  readonly property: string;
  /** One sentence with the numbers, the objects and the threads in it. */
  readonly detail: string;
  /** The threads concerned, by position: who waits, who made the step, or who goes round. */
  readonly threads: readonly number[];
  /** Names of the promises that a wait or a loop without end breaks (`liveness.ts`); not given, if it breaks none. */
  readonly liveness?: readonly string[];
}

/** Two findings are the same if the same rule was broken in the same way, whatever the numbers. */
export const findingKey = (f: Pick<Finding, "kind" | "property">): string => `${f.kind}:${f.property}`;

/** The shortest way to a finding. */
export interface Counterexample {
  readonly finding: Finding;
  readonly schedule: Schedule;
  /** For a livelock the steps that come after the schedule, again and again; null for all else. */
  readonly loop: Schedule | null;
  /** Atomic operations, without the loop. */
  readonly steps: number;
  /** Changes of the running thread; the start of the first is none. */
  readonly switches: number;
  /** Switches away from a thread that could have gone on. */
  readonly preemptions: number;
  /** True if a complete search proved that no other has fewer preemptions, then switches, then steps. */
  readonly shortest: boolean;
}

/** True for a thread that is there for ever if nobody can run: it has begun, and not ended. */
export const waitsForEver = (op: Operation | null, hidden: boolean | undefined): boolean =>
  op?.op === "acquire" && op.blocks !== "start" && hidden !== true;

/** A thread that cannot go on in a state in which nobody can. */
export interface Blocked {
  readonly thread: number;
  readonly name: string;
  readonly blocks: Blocks;
  readonly wait: Wait | undefined;
  /** The cells that it waits on, for a lock: `i_rwsem`. */
  readonly on: string;
  /** The functions that it is in, outermost first. */
  readonly within: readonly string[];
}

/** Explains a state in which nobody can run; null if nobody asks for what it breaks. */
export function explainDeadState(
  blocked: readonly Blocked[],
  see: See,
  liveness: readonly WatchedLiveness[],
): Finding | null {
  const finding = whoWaits(blocked, see);
  const stuck = blocked.filter((b) => finding.threads.includes(b.thread));
  const within = stuck.map((b) => b.within);
  return withLiveness(finding, liveness, within);
}

function whoWaits(blocked: readonly Blocked[], see: See): Finding {
  const sleepers = blocked.filter((b) => b.blocks === "sleep" && b.wait !== undefined);
  const missed = sleepers.find((b) => b.wait?.condition(see) === true);
  const instead = missed?.wait?.wokenInstead?.(see) ?? null;
  if (missed?.wait && instead !== null) {
    return {
      kind: "lost-exclusive-wakeup",
      property: missed.wait.text,
      detail: `${missed.name} waits for ever for ${missed.wait.text}: it is so, but ${instead} was woken in its place and woke nobody`,
      threads: [missed.thread],
    };
  }
  if (missed?.wait) {
    return {
      kind: "missed-wakeup",
      property: missed.wait.text,
      detail: `${missed.name} waits for ever for ${missed.wait.text}: it is so, but nobody wakes it`,
      threads: [missed.thread],
    };
  }
  const stuck = sleepers.find((b) => b.wait?.goal?.(see) === true);
  const obstacle = ({ wait }: Blocked): string | null => wait?.obstacle?.(see) ?? null;
  if (stuck?.wait) {
    const why = obstacle(stuck);
    return {
      kind: "stuck-wait",
      property: stuck.wait.text,
      detail: `${stuck.name} waits for ever for ${stuck.wait.text}: what it waits for is over, but that can no longer become true${why === null ? "" : `: ${why}`}`,
      threads: [stuck.thread],
    };
  }
  const list = blocked
    .map((b) => {
      const why = obstacle(b);
      return `${b.name} for ${b.wait?.text ?? b.on}${why === null ? "" : ` (${why})`}`;
    })
    .join(", ");
  return {
    kind: "deadlock",
    property: blocked.map((b) => b.wait?.text ?? b.on).join(" and "),
    detail: `nobody can go on: ${list}`,
    threads: blocked.map((b) => b.thread),
  };
}

/** A finding with the promises that it breaks; null if it breaks some, and nobody asks for any of them. */
export function withLiveness(
  finding: Finding,
  liveness: readonly WatchedLiveness[],
  stuckIn: readonly (readonly string[])[],
): Finding | null {
  const broken = new Set(stuckIn.map((within) => promiseOf(liveness, within)));
  const named = liveness.filter((l) => broken.has(l.name));
  if (named.length === 0) return finding;
  const watched = named.filter((l) => l.watched);
  return watched.length === 0 ? null : { ...finding, liveness: watched.map((l) => l.name) };
}
