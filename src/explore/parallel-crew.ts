// The workers of a parallel search, as the main thread sees them.
import { Worker } from "node:worker_threads";
import { PagelifeError } from "../base/errors.ts";
import type { WorkerData, WorkerOrder, WorkerReport } from "./parallel-worker.ts";

export class Crew {
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
