// One worker of a parallel search (`parallel.ts`): builds the program by its name, then searches rounds as
// it is told to, over states that it shares with the others.
import { parentPort, workerData } from "node:worker_threads";
import type { Finding } from "./outcome.ts";
import { PersistentSets } from "./persistent.ts";
import type { Prepared } from "./program.ts";
import { loadSource, type ProgramSource } from "./program-source.ts";
import { Shared, type SharedMemory } from "./shared-search.ts";
import { type SharedRows, SharedTable, TableFull } from "./shared-table.ts";
import { Space } from "./space.ts";
import { StateSearch } from "./state-search.ts";
import { StateSet } from "./state-set.ts";
import { Findings } from "./strategy.ts";

/** Told to a worker when it is to take part. */
export interface WorkerShare {
  readonly worker: number;
  readonly memory: SharedMemory;
  readonly reduced: boolean;
}

export type WorkerOrder =
  | {
      readonly do: "begin";
      /** The cells that each rule is known to look at. */
      readonly watched: readonly (readonly number[])[];
      /** States to go on with; null to begin where the threads start. */
      readonly waiting: Int32Array | null;
    }
  /** After a pause. */
  | { readonly do: "go on" };

/** What came of it. */
export interface WorkerReport {
  readonly watched: readonly (readonly number[])[];
  readonly findings: readonly Finding[];
  readonly steps: number;
  readonly executions: number;
  /** States in hand, if all had to pause. */
  readonly waiting: Int32Array;
  /** The shared memory is full. */
  readonly full: boolean;
  /** The text of an error, if the worker cannot go on. */
  readonly error: string | null;
}

/** States expanded between two looks at the others. */
const PIECE = 256;

function takePart(prepared: Prepared, { worker, memory, reduced }: WorkerShare): void {
  const tables: SharedTable[] = [];
  const table = (rows: SharedRows): SharedTable => {
    const made = new SharedTable(rows);
    tables.push(made);
    return made;
  };
  const space = new Space(prepared, null, (chunk) => table(memory.chunks[chunk] as SharedRows));
  const states = table(memory.states);
  const shared = new Shared(memory);
  shared.connect(space);
  const sets = reduced ? new PersistentSets(space) : null;

  let findings = new Findings();
  let search: StateSearch | null = null;

  const begin = ({ watched, waiting }: WorkerOrder & { do: "begin" }): StateSearch => {
    shared.catchUp(space, 0);
    space.rules.watch(watched);
    for (const t of tables) t.reset();
    sets?.refresh();
    findings = new Findings();
    const seen = new StateSet(space.packing, states);
    const made = new StateSearch("", space, {}, { reduction: sets, findings, seen });
    if (waiting === null) made.begin();
    else made.waiting.restore(waiting);
    return made;
  };

  /** Searches until nobody has anything left, or all must stop or pause. */
  const work = (round: StateSearch): void => {
    while (!shared.stopped && !shared.paused) {
      round.expandSome(PIECE);
      const { steps, executions, queue } = round.progress();
      shared.report(worker, steps, executions, queue);
      if (states.crowded) shared.pause();
      if (round.waiting.length > 0) shared.giveAway(round.waiting);
      else if (!shared.take(round.waiting)) break;
    }
  };

  const obey = (order: WorkerOrder): WorkerReport => {
    let full = false;
    try {
      if (order.do === "begin") search = begin(order);
      else for (const t of tables) t.reload();
      if (search !== null) work(search);
    } catch (error) {
      if (!(error instanceof TableFull)) throw error;
      full = true;
      shared.stop();
    }
    for (const t of tables) t.rest();
    const { steps, executions, queue } = search?.progress() ?? { steps: 0, executions: 0, queue: 0 };
    shared.report(worker, steps, executions, queue);
    return {
      watched: space.rules.watching(),
      findings: findings.list().map((f) => f.finding),
      steps,
      executions,
      waiting: search?.waiting.save() ?? new Int32Array(0),
      full,
      error: null,
    };
  };

  parentPort?.on("message", (order: WorkerOrder) => {
    try {
      parentPort?.postMessage(obey(order));
    } catch (error) {
      shared.stop();
      parentPort?.postMessage({ error: (error as Error).stack ?? String(error) });
    }
  });
  parentPort?.postMessage("ready");
}

const prepared = await loadSource(workerData as ProgramSource);
parentPort?.once("message", (share: WorkerShare) => takePart(prepared, share));
parentPort?.postMessage("ready");
