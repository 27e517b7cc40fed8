// The search over states on several cores: workers that share one set of states (`shared-search.ts`).
// A clean and complete result proves what the reduced search proves, or the stateful one where no
// reduction is asked for. Which states are visited depends on what is known of the threads alone, and at
// the end that is everything; so the result is the same for every number of workers, counts included.
//
// A search begins here and moves to the workers when it turns out to be long: most never need one.
import { type CheckpointOptions, Checkpoints } from "./checkpoint.ts";
import { conclude, type Exploration } from "./explore.ts";
import { Crew } from "./parallel-crew.ts";
import { Watch } from "./parallel-watch.ts";
import type { WorkerOrder, WorkerReport } from "./parallel-worker.ts";
import { loadSource, type ProgramSource } from "./program-source.ts";
import { ReducedSearch, type SavedStates, type StatesStrategy } from "./reduced.ts";
import { moveIn, moveOut } from "./shared-move.ts";
import { Shared, type SharedMemory, shareMemory } from "./shared-search.ts";
import { clearRows, growSlots, isCrowded, TableFull } from "./shared-table.ts";
import { Space } from "./space.ts";
import { type Bounds, Findings, type FoundAt, type Progress, type SearchResult } from "./strategy.ts";

export interface ParallelOptions extends Bounds {
  /** Workers. */
  readonly jobs: number;
  /** `reduced` if not given. */
  readonly strategy?: StatesStrategy;
  /** Told now and then how far the search has come. */
  readonly onProgress?: (progress: Progress) => void;
  /** Where to write the search now and then, and what to go on from. */
  readonly checkpoints?: CheckpointOptions;
  /** For tests: steps after which the search moves to the workers, whether or not a reduction is of use. */
  readonly aloneSteps?: number;
}

const DEFAULT_BYTES = 1 << 30;
const ALONE_STEPS = 200_000;

/** As `explore`, on several cores. The program is named, so that each worker can build its own. */
export async function exploreParallel(source: ProgramSource, options: ParallelOptions): Promise<Exploration> {
  const prepared = await loadSource(source);
  return conclude(prepared, await searchParallel(source, options), options);
}

/** Searches on several cores. */
export async function searchParallel(source: ProgramSource, options: ParallelOptions): Promise<SearchResult> {
  const { jobs, strategy = "reduced", aloneSteps = ALONE_STEPS, onProgress } = options;
  const start = performance.now();
  const space = new Space(await loadSource(source));
  const checkpoints =
    options.checkpoints === undefined
      ? null
      : new Checkpoints(options.checkpoints, space.prepared, options.signal);
  const alone = new ReducedSearch(space, options, strategy);
  const saved = checkpoints?.read(strategy) ?? null;
  if (saved !== null) alone.restore(saved);
  let crew: Crew | null = null;
  for (;;) {
    const { steps } = alone.progress();
    if (jobs > 1 && steps >= aloneSteps / 2 && !options.signal?.aborted) {
      // They take as long to start as it takes to get here.
      crew ??= new Crew(jobs, source);
      const settled = alone.settled || options.aloneSteps !== undefined;
      if (settled && steps >= aloneSteps) {
        return new SharedStates(space, crew, options, start, checkpoints).search(alone.save());
      }
    }
    if (alone.settled && checkpoints?.due) checkpoints.write(alone.save());
    if (!alone.advance()) {
      await crew?.dismiss();
      return alone.result();
    }
    onProgress?.(alone.progress());
    await new Promise(setImmediate);
  }
}

/** What one round has come to without the workers: before it moved to them. */
interface Before {
  readonly steps: number;
  readonly ends: number;
  readonly findings: readonly FoundAt[];
}

const NOTHING: Before = { steps: 0, ends: 0, findings: [] };

/** A search over states that others make; here it is begun, paused, written and ended. */
class SharedStates {
  readonly #space: Space;
  readonly #crew: Crew;
  readonly #options: ParallelOptions;
  readonly #checkpoints: Checkpoints | null;
  readonly #memory: SharedMemory;
  readonly #shared: Shared;
  readonly #watch: Watch;
  /** What was known when the round began. */
  #known = 0;
  #rounds = 1;
  #full = false;
  #before = NOTHING;
  readonly #earlier = new Findings();

  constructor(
    space: Space,
    crew: Crew,
    options: ParallelOptions,
    start: number,
    checkpoints: Checkpoints | null,
  ) {
    this.#space = space;
    this.#crew = crew;
    this.#options = options;
    this.#checkpoints = checkpoints;
    this.#memory = shareMemory(space, options.jobs, options.maxBytes ?? DEFAULT_BYTES);
    this.#shared = new Shared(this.#memory);
    this.#watch = new Watch(this.#shared, options, start, checkpoints);
  }

  /** Goes on with a search of the same space. */
  async search(saved: SavedStates): Promise<SearchResult> {
    const crew = this.#crew;
    const waiting = this.#restore(saved);
    try {
      await crew.equip((worker) => ({ worker, memory: this.#memory, reduced: !this.#full }));
      let reports = waiting === null ? [] : await this.#round(waiting);
      while (this.#watch.reached === null && !this.#understood) {
        this.#beginAnew(reports);
        reports = await this.#round(null);
      }
      return this.#result(reports);
    } finally {
      this.#watch.end();
      await crew.dismiss();
    }
  }

  /** @returns the states that wait; null if the memory does not suffice. */
  #restore({ round, earlier, ...saved }: SavedStates): Int32Array | null {
    this.#known = saved.known;
    this.#rounds = saved.rounds;
    this.#full = saved.full;
    this.#before = round;
    this.#watch.before = round;
    for (const { finding, schedule } of earlier) this.#earlier.add(finding, () => schedule);
    try {
      moveIn(this.#memory, round.states, saved.chunks);
      return round.waiting;
    } catch (error) {
      if (!(error instanceof TableFull)) throw error;
      this.#watch.memoryFull();
      return null;
    }
  }

  #beginAnew(reports: readonly WorkerReport[]): void {
    for (const { finding, schedule } of this.#found(reports)) this.#earlier.add(finding, () => schedule);
    this.#rounds++;
    this.#known = this.#space.knowledge;
    this.#before = NOTHING;
    this.#watch.before = NOTHING;
    this.#shared.reset();
    for (const rows of [this.#memory.states, ...this.#memory.chunks]) clearRows(rows);
  }

  /** True if nothing was chosen for want of knowledge. */
  get #understood(): boolean {
    return this.#full || this.#space.knowledge === this.#known;
  }

  /** @param waiting States to go on with; null to begin where the threads start. */
  async #round(waiting: Int32Array | null): Promise<WorkerReport[]> {
    const { states, jobs } = this.#memory;
    const watched = this.#space.rules.watching();
    const share = (worker: number): Int32Array | null =>
      waiting === null && worker === 0
        ? null
        : (waiting ?? new Int32Array(0)).filter((_, i) => i % jobs === worker);
    const work = async (order: (worker: number) => WorkerOrder): Promise<WorkerReport[]> => {
      const reports = await this.#watch.during(() => this.#crew.all(order));
      this.#learn(reports);
      return reports;
    };
    let reports = await work((w) => ({ do: "begin", watched, waiting: share(w) }));
    while (this.#shared.paused && !this.#shared.stopped) {
      if (this.#checkpoints?.due) this.#checkpoints.write(this.#save(reports));
      if (isCrowded(states)) growSlots(states);
      this.#shared.goOn();
      reports = await work(() => ({ do: "go on" }));
    }
    if (reports.some((r) => r.full)) this.#watch.memoryFull();
    return reports;
  }

  /** Learns what the workers have learned. */
  #learn(reports: readonly WorkerReport[]): void {
    this.#shared.catchUp(this.#space, 0);
    const { rules } = this.#space;
    rules.watch(
      rules.watching().map((_, rule) => {
        const cells = new Set(reports.flatMap((r) => r.watched[rule] ?? []));
        return [...cells].sort((a, b) => a - b);
      }),
    );
  }

  /** What was found in this round. */
  #found(reports: readonly WorkerReport[]): FoundAt[] {
    const found = new Findings();
    for (const { finding, schedule } of this.#before.findings) found.add(finding, () => schedule);
    for (const finding of reports.flatMap((r) => r.findings)) found.add(finding, () => null);
    return found.list();
  }

  #save(reports: readonly WorkerReport[]): SavedStates {
    const waiting = [...reports.map((r) => r.waiting), this.#shared.queued()];
    const { states, chunks, inHand } = moveOut(this.#memory, waiting);
    const none = new Int32Array(0);
    return {
      strategy: this.#options.strategy ?? "reduced",
      journal: Int32Array.from(this.#space.journal),
      watching: this.#space.rules.watching(),
      chunks,
      known: this.#known,
      full: this.#full,
      rounds: this.#rounds,
      earlier: this.#earlier.list(),
      round: {
        states,
        waiting: inHand,
        parents: none,
        wayEnds: none,
        ways: new Uint8Array(0),
        steps: this.#before.steps + sum(reports, (r) => r.steps),
        ends: this.#before.ends + sum(reports, (r) => r.executions),
        findings: this.#found(reports),
      },
    };
  }

  #result(reports: readonly WorkerReport[]): SearchResult {
    const found = this.#found(reports);
    const bound = this.#watch.reached;
    // As in the search of one: where the last round was whole, it alone counts.
    if (bound !== null) {
      for (const { finding, schedule } of found) this.#earlier.add(finding, () => schedule);
    }
    const { states, bytes } = this.#watch.progress();
    return {
      strategy: this.#options.strategy ?? "reduced",
      complete: bound === null,
      bound,
      states,
      executions: this.#before.ends + sum(reports, (r) => r.executions),
      steps: this.#before.steps + sum(reports, (r) => r.steps),
      findings: bound === null ? found : this.#earlier.list(),
      notes: this.#space.notes(),
      bytes,
    };
  }
}

const sum = (reports: readonly WorkerReport[], of: (report: WorkerReport) => number): number =>
  reports.reduce((total, r) => total + of(r), 0);
