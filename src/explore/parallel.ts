// The search over states on several cores: workers that share one set of states (`shared-search.ts`).
// A clean and complete result proves what the reduced search proves, or the stateful one where no
// reduction is asked for. Which states are visited depends on what is known of the threads alone, and at
// the end that is everything; so the result is the same for every number of workers, counts included.
//
// A small program is searched here before any worker is started: most never need one.
import { Worker } from "node:worker_threads";
import { PagelifeError } from "../base/errors.ts";
import { conclude, type Exploration } from "./explore.ts";
import type { RoundOrder, RoundReport, WorkerData } from "./parallel-worker.ts";
import { loadSource, type ProgramSource } from "./program-source.ts";
import { ReducedSearch, reduced } from "./reduced.ts";
import { Shared, shareMemory } from "./shared-search.ts";
import { COUNT_WORD, clearRows, growSlots } from "./shared-table.ts";
import { Space } from "./space.ts";
import { StateSearch } from "./state-search.ts";
import { stateful } from "./stateful.ts";
import { type Bounds, Findings, type Progress, type SearchResult, type SearchRun } from "./strategy.ts";

export interface ParallelOptions extends Bounds {
  /** Workers. */
  readonly jobs: number;
  /** `reduced` if not given. */
  readonly strategy?: "reduced" | "stateful";
  /** Told now and then how far the search has come. */
  readonly onProgress?: (progress: Progress) => void;
  /** Steps after which the search moves to the workers; for tests. */
  readonly aloneSteps?: number;
}

const DEFAULT_BYTES = 1 << 30;
const ALONE_STEPS = 400_000;
const EVERY_MS = 100;

/** As `explore`, on several cores. The program is named, so that each worker can build its own. */
export async function exploreParallel(source: ProgramSource, options: ParallelOptions): Promise<Exploration> {
  const prepared = await loadSource(source);
  return conclude(prepared, await searchParallel(source, options), options);
}

/** Searches on several cores. */
export async function searchParallel(source: ProgramSource, options: ParallelOptions): Promise<SearchResult> {
  const space = new Space(await loadSource(source));
  const start = performance.now();
  const alone: SearchRun =
    options.strategy === "stateful"
      ? new StateSearch(stateful.name, space, options).begin()
      : new ReducedSearch(space, options);
  while (alone.advance()) {
    options.onProgress?.(alone.progress());
    await new Promise(setImmediate);
    if (options.jobs > 1 && alone.progress().steps > (options.aloneSteps ?? ALONE_STEPS)) {
      const full = alone instanceof ReducedSearch ? alone.full : true;
      return searchShared(space, source, options, start, full);
    }
  }
  return alone.result();
}

async function searchShared(
  space: Space,
  source: ProgramSource,
  options: ParallelOptions,
  start: number,
  full: boolean,
): Promise<SearchResult> {
  const { jobs } = options;
  const memory = shareMemory(space, jobs, options.maxBytes ?? DEFAULT_BYTES);
  const shared = new Shared(memory);
  const crew = await Crew.hire(jobs, (worker): WorkerData => {
    return { worker, source, memory, reduced: !full };
  });
  const bound = new Watch(shared, options, start);
  try {
    for (;;) {
      shared.reset();
      for (const rows of [memory.states, ...memory.chunks]) clearRows(rows);
      const before = shared.journalLength;
      const watched = space.rules.watching();
      let reports = await bound.during(() => crew.all({ do: "begin", watched }));
      while (shared.paused && !shared.stopped) {
        growSlots(memory.states);
        await crew.all({ do: "spread", watched });
        shared.goOn();
        reports = await bound.during(() => crew.all({ do: "go on", watched }));
      }
      const error = reports.find((r) => r.error !== null)?.error;
      if (error) throw new PagelifeError("PL207", `a worker failed: ${error}`);
      space.rules.watch(merge(reports.map((r) => r.watched)));
      const learned = shared.journalLength > before || grew(watched, space.rules.watching());
      const overflow = reports.some((r) => r.full);
      if (overflow) bound.reached ??= `memory: ${options.maxBytes ?? DEFAULT_BYTES} bytes`;
      // Without a reduction one round is all: nothing was left out for want of knowledge.
      const again = !full && learned && bound.reached === null;
      if (!again) return resultOf(reports, bound, options, shared);
    }
  } finally {
    bound.end();
    await crew.dismiss();
  }
}

function resultOf(
  reports: readonly RoundReport[],
  bound: Watch,
  options: ParallelOptions,
  shared: Shared,
): SearchResult {
  const findings = new Findings();
  for (const f of reports.flatMap((r) => r.findings)) findings.add(f, () => null);
  const { states, bytes } = bound.progress(shared);
  return {
    strategy: (options.strategy === "stateful" ? stateful : reduced).name,
    complete: bound.reached === null,
    bound: bound.reached,
    states,
    executions: reports.reduce((sum, r) => sum + r.executions, 0),
    steps: reports.reduce((sum, r) => sum + r.steps, 0),
    findings: findings.list(),
    notes: reports[0]?.notes ?? [],
    bytes,
  };
}

const merge = (all: readonly (readonly (readonly number[])[])[]): number[][] =>
  (all[0] ?? []).map((_, rule) => [...new Set(all.flatMap((w) => w[rule] ?? []))].sort((a, b) => a - b));

const grew = (before: readonly (readonly number[])[], after: readonly (readonly number[])[]): boolean =>
  after.some((cells, rule) => cells.length > (before[rule]?.length ?? 0));

/** Watches the bounds while the workers search, and tells how far they are. */
class Watch {
  readonly #shared: Shared;
  readonly #options: ParallelOptions;
  readonly #start: number;
  readonly #counts: Int32Array;
  #timer: NodeJS.Timeout | null = null;
  reached: string | null = null;

  constructor(shared: Shared, options: ParallelOptions, start: number) {
    this.#shared = shared;
    this.#options = options;
    this.#start = start;
    this.#counts = new Int32Array(shared.memory.states.counts);
  }

  progress(shared: Shared): Progress {
    const states = Atomics.load(this.#counts, COUNT_WORD);
    const { steps, ends, queue } = shared.reported();
    const { states: rows, chunks } = shared.memory;
    const bytes = [rows, ...chunks].reduce(
      (sum, r) => sum + Math.min(new Int32Array(r.counts)[0] ?? 0, r.capacity) * r.width * 4,
      0,
    );
    return { states, executions: ends, steps, queue, bytes };
  }

  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#timer = setInterval(() => this.#look(), EVERY_MS);
    try {
      return await work();
    } finally {
      this.end();
    }
  }

  end(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #look(): void {
    const { maxStates, maxMillis, maxSteps, signal, onProgress } = this.#options;
    const now = this.progress(this.#shared);
    onProgress?.(now);
    if (maxStates !== undefined && now.states > maxStates) this.reached = `states: ${maxStates}`;
    else if (maxSteps !== undefined && now.steps > maxSteps) this.reached = `steps: ${maxSteps}`;
    else if (signal?.aborted === true) this.reached = "interrupted";
    else if (maxMillis !== undefined && performance.now() - this.#start > maxMillis) {
      this.reached = `time: ${maxMillis} ms`;
    }
    if (this.reached !== null) this.#shared.stop();
  }
}

/** The workers. */
class Crew {
  readonly #workers: readonly Worker[];

  private constructor(workers: readonly Worker[]) {
    this.#workers = workers;
  }

  static async hire(jobs: number, data: (worker: number) => WorkerData): Promise<Crew> {
    // What names the form of the main script does not fit the workers'.
    const execArgv = process.execArgv.filter((a) => !/^(-e|--eval|-p|--print|--input-type)\b/.test(a));
    const file = new URL("./parallel-worker.js", import.meta.url);
    const workers = Array.from(
      { length: jobs },
      (_, w) => new Worker(file, { workerData: data(w), execArgv }),
    );
    const crew = new Crew(workers);
    await Promise.all(workers.map((w) => answer(w)));
    return crew;
  }

  async all(order: RoundOrder): Promise<RoundReport[]> {
    const reports = this.#workers.map((w) => answer(w) as Promise<RoundReport>);
    for (const w of this.#workers) w.postMessage(order);
    return await Promise.all(reports);
  }

  async dismiss(): Promise<void> {
    await Promise.all(this.#workers.map((w) => w.terminate()));
  }
}

/** The next message of a worker. */
const answer = (worker: Worker): Promise<unknown> =>
  new Promise((resolve, reject) => {
    worker.once("message", (message) => {
      worker.removeListener("error", reject);
      resolve(message);
    });
    worker.once("error", reject);
  });
