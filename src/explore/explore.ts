// From a program to a verdict: search, then the shortest counterexample of what was found.
import { findLivelock } from "./livelock.ts";
import { type Counterexample, type FindingKind, findingKey } from "./outcome.ts";
import { type Prepared, type Program, prepare } from "./program.ts";
import { reduced } from "./reduced.ts";
import { countSwitches } from "./schedule.ts";
import { findShortest } from "./shortest.ts";
import { Space } from "./space.ts";
import type { Bounds, SearchResult, Strategy } from "./strategy.ts";
import { underTso } from "./tso.ts";

/** What exploring a program came to. */
export interface Exploration {
  readonly prepared: Prepared;
  /** `inconclusive` if nothing was found but a bound cut the search short. */
  readonly verdict: "holds" | "violation" | "inconclusive";
  readonly kind: FindingKind | null;
  readonly property: string | null;
  readonly search: SearchResult;
  /** The shortest way to any finding of that kind. */
  readonly counterexample: Counterexample | null;
}

export interface ConcludeOptions extends Bounds {
  /**
   * Where the search is complete and finds nothing, look for livelocks as well, under fairness (`livelock.ts`):
   * that takes every state and every step, without reduction.
   */
  readonly livelock?: boolean;
}

export interface ExploreOptions extends ConcludeOptions {
  /** How to search; {@link reduced} if not given. */
  readonly strategy?: Strategy;
  /** Sequential consistency (`sc`) if not given; `tso`: the store buffers of x86 (`tso.ts`). */
  readonly memory?: "sc" | "tso";
}

/**
 * Explores the interleavings of a program until a bound is reached or none are left.
 *
 * Under sequential consistency a finding is real, but a clean result says nothing about missing barriers;
 * `memory: "tso"` adds the reorderings of x86, and none of weaker machines.
 *
 * @param program Its `setup` must be deterministic.
 * @param options Bounds on the search; the search for the shortest counterexample has the same.
 * @throws {@link PagelifeError} PL2xx if the program is not well formed or its threads misbehave.
 *
 * @example
 * const { verdict, counterexample } = explore({
 *   name: "lost-update",
 *   setup: () => cell("count", 0),
 *   threads: { a: increment, b: increment },
 *   invariants: [],
 * });
 */
export function explore<W>(program: Program<W>, options: ExploreOptions = {}): Exploration {
  return explorePrepared(prepare(program), options);
}

/** As {@link explore}, for a program whose setup has run. The result names the program that was searched. */
export function explorePrepared(asGiven: Prepared, options: ExploreOptions = {}): Exploration {
  const prepared = options.memory === "tso" ? underTso(asGiven) : asGiven;
  return conclude(prepared, (options.strategy ?? reduced).search(prepared, options), options);
}

/** States that the search for the shortest counterexample may take, where nothing else is said: what was found by
 * sampling may lie in a program of any size. */
const STATES_FOR_SHORTEST = 5_000_000;

/**
 * The verdict on a search. Where several things were found it names the first kind in the order of `findingKinds`, and
 * of that kind the finding that the shortest counterexample comes to.
 */
export function conclude(
  prepared: Prepared,
  search: SearchResult,
  options: ConcludeOptions = {},
): Exploration {
  const first = search.findings[0];
  if (first === undefined) {
    if (options.livelock && search.complete) return withLivelocks(prepared, search, options);
    const verdict = search.complete ? "holds" : "inconclusive";
    return { prepared, verdict, kind: null, property: null, search, counterexample: null };
  }
  const { kind } = first.finding;
  const named = search.findings.map((f) => f.finding).filter((f) => f.kind === kind);
  const bounds = { maxStates: STATES_FOR_SHORTEST, ...options };
  const counterexample = findShortest(new Space(prepared), named, bounds) ?? asFound(first);
  const { property } = counterexample?.finding ?? first.finding;
  return { prepared, verdict: "violation", kind, property, search, counterexample };
}

/** The verdict where nothing else was found: does every fair execution end? */
function withLivelocks(prepared: Prepared, search: SearchResult, options: Bounds): Exploration {
  const { counterexample, bound } = findLivelock(prepared, options);
  const about = { prepared, kind: null, property: null, counterexample: null };
  if (bound !== null) {
    const cut = { ...search, complete: false, bound: `${bound} (looking for livelocks)` };
    return { ...about, verdict: "inconclusive", search: cut };
  }
  if (counterexample === null) return { ...about, verdict: "holds", search };
  const { finding, schedule } = counterexample;
  const { kind, property } = finding;
  const found = { ...search, findings: [{ finding, schedule }] };
  return { prepared, verdict: "violation", kind, property, search: found, counterexample };
}

/** What a strategy found, as it found it, where the shortest way was out of bounds. */
function asFound({ finding, schedule }: SearchResult["findings"][number]): Counterexample | null {
  if (schedule === null) return null;
  const switches = countSwitches(schedule);
  const steps = schedule.length;
  return { finding, schedule, loop: null, steps, switches, preemptions: switches, shortest: false };
}

/** True if two lists of findings name the same rules, broken in the same ways. */
export const sameFindings = (a: SearchResult, b: SearchResult): boolean => {
  const keys = (r: SearchResult): string => r.findings.map((f) => findingKey(f.finding)).join("\n");
  return keys(a) === keys(b);
};
