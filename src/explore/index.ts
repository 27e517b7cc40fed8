/**
 * `pagelife/explore`: systematic exploration of threads over shared cells. It knows nothing of what
 * the cells mean.
 *
 * @module
 */
export {
  type Applied,
  acquire,
  type Cell,
  type Code,
  cell,
  Failure,
  fail,
  fence,
  type GhostUpdate,
  ghostCell,
  modelled,
  type Note,
  type Operation,
  type Order,
  read,
  rmw,
  type See,
  type StepOptions,
  sleep,
  type Wait,
  write,
} from "./access.ts";
export { audit } from "./audit.ts";
export { bounded } from "./bounded.ts";
export { type CheckpointOptions, type CheckpointStore, withCheckpoints } from "./checkpoint.ts";
export { dpor } from "./dpor.ts";
export { type Exploration, type ExploreOptions, explore, explorePrepared } from "./explore.ts";
export { findLivelock, type LivelockResult } from "./livelock.ts";
export type { Liveness, WatchedLiveness } from "./liveness.ts";
export { type Counterexample, type Finding, type FindingKind, findingKinds } from "./outcome.ts";
export { exploreParallel, type ParallelOptions, searchParallel } from "./parallel.ts";
export { pct } from "./pct.ts";
export { plain } from "./plain.ts";
export { type Invariant, type Prepared, type Program, prepare, type Thread } from "./program.ts";
export type { ProgramSource } from "./program-source.ts";
export { randomWalk } from "./random.ts";
export { reduced } from "./reduced.ts";
export { confirmToken, formatToken, parseToken, type Subject, type Token } from "./replay.ts";
export { formatSchedule, parseSchedule, type Schedule } from "./schedule.ts";
export { stateful } from "./stateful.ts";
export type { Bounds, Progress, SearchResult, SearchRun, Strategy } from "./strategy.ts";
export { join, spawn, type Task, task } from "./task.ts";
export { underTso } from "./tso.ts";
export type { Modelled, Value } from "./value.ts";
