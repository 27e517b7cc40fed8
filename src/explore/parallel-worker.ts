// One worker of a parallel search (`parallel.ts`): builds the program by its name, then searches rounds as
// it is told to, over states that it shares with the others.
import { parentPort, workerData } from "node:worker_threads";
import type { Finding } from "./outcome.ts";
import { PersistentSets } from "./persistent.ts";
import { loadSource, type ProgramSource } from "./program-source.ts";
import { Shared, type SharedMemory } from "./shared-search.ts";
import { type SharedRows, SharedTable, TableFull } from "./shared-table.ts";
import { Space } from "./space.ts";
import { StateSearch } from "./state-search.ts";
import { hashOf, StateSet } from "./state-set.ts";
import { Findings } from "./strategy.ts";

export interface WorkerData {
  readonly worker: number;
  readonly source: ProgramSource;
  readonly memory: SharedMemory;
  readonly reduced: boolean;
}

/** Begin a round, or go on with the one that was paused. */
export interface RoundOrder {
  /** `spread`: put a share of the states into a table that has grown, and no more. */
  readonly do: "begin" | "spread" | "go on";
  /** The cells that each rule is known to look at. */
  readonly watched: readonly (readonly number[])[];
}

/** What came of it. */
export interface RoundReport {
  readonly watched: readonly (readonly number[])[];
  readonly findings: readonly Finding[];
  readonly steps: number;
  readonly executions: number;
  readonly notes: readonly string[];
  /** The shared memory is full. */
  readonly full: boolean;
  /** The text of an error, if the worker cannot go on. */
  readonly error: string | null;
}

/** States expanded between two looks at the others. */
const PIECE = 256;

async function main({ worker, source, memory, reduced }: WorkerData): Promise<void> {
  const prepared = await loadSource(source);
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

  const begin = (watched: readonly (readonly number[])[]): StateSearch => {
    shared.catchUp(space, 0);
    space.rules.watch(watched);
    for (const t of tables) t.reset();
    sets?.refresh();
    findings = new Findings();
    const seen = new StateSet(space.packing, states);
    const made = new StateSearch("", space, {}, { reduction: sets, findings, seen });
    return worker === 0 ? made.begin() : made;
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

  const obey = ({ do: what, watched }: RoundOrder): RoundReport => {
    let full = false;
    try {
      if (what === "spread") {
        const { width } = memory.states;
        states.spread(worker, memory.jobs, (rows, offset) => hashOf(rows, offset, width));
      } else {
        search = what === "go on" && search !== null ? search : begin(watched);
        work(search);
      }
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
      notes: space.notes(),
      full,
      error: null,
    };
  };

  parentPort?.on("message", (order: RoundOrder) => {
    try {
      parentPort?.postMessage(obey(order));
    } catch (error) {
      shared.stop();
      parentPort?.postMessage({ error: (error as Error).stack ?? String(error) });
    }
  });
  parentPort?.postMessage("ready");
}

await main(workerData as WorkerData);
