// The workers of a parallel search, as the main thread sees them.
import { Worker } from "node:worker_threads";
import { PagelifeError } from "../base/errors.ts";
import type { WorkerOrder, WorkerReport, WorkerShare } from "./parallel-worker.ts";
import type { ProgramSource } from "./program-source.ts";

export class Crew {
  readonly #workers: readonly Worker[];

  readonly #ready: Promise<unknown>;

  /** Starts the workers; they build the program while others do something else. */
  constructor(jobs: number, source: ProgramSource) {
    // What names the form of the main script does not fit the workers'.
    const execArgv = process.execArgv.filter((a) => !/^(-e|--eval|-p|--print|--input-type)\b/.test(a));
    const file = new URL("./parallel-worker.js", import.meta.url);
    this.#workers = Array.from({ length: jobs }, () => new Worker(file, { workerData: source, execArgv }));
    this.#ready = Promise.all(this.#workers.map((w) => answer(w)));
    // Whoever equips them is told.
    this.#ready.catch(() => {});
    // A search that ends meanwhile, with an error as well, does not wait for them.
    for (const w of this.#workers) w.unref();
  }

  /** Gives each worker its share in a search. */
  async equip(share: (worker: number) => WorkerShare): Promise<void> {
    for (const w of this.#workers) w.ref();
    await this.#ready;
    const answers = this.#workers.map((w) => answer(w));
    this.#workers.forEach((w, i) => {
      w.postMessage(share(i));
    });
    await Promise.all(answers);
  }

  /**
   * Gives each worker its order and waits until all have done it.
   *
   * @throws {@link PagelifeError} PL207 if one of them fails.
   */
  async all(order: (worker: number) => WorkerOrder): Promise<WorkerReport[]> {
    const answers = this.#workers.map((w) => answer(w) as Promise<WorkerReport>);
    this.#workers.forEach((w, i) => {
      w.postMessage(order(i));
    });
    const reports = await Promise.all(answers);
    const error = reports.find((r) => r.error !== null)?.error;
    if (error) throw new PagelifeError("PL207", `a worker failed: ${error}`);
    return reports;
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
