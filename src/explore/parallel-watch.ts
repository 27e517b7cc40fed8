// Watches the bounds of a parallel search while the workers are at it, and tells how far they are.
import type { Checkpoints } from "./checkpoint.ts";
import type { Shared } from "./shared-search.ts";
import { bytesOf, countRows } from "./shared-table.ts";
import type { Bounds, Progress } from "./strategy.ts";

const EVERY_MS = 100;

export class Watch {
  readonly #shared: Shared;
  readonly #options: Bounds & { readonly onProgress?: (progress: Progress) => void };
  readonly #start: number;
  readonly #checkpoints: Checkpoints | null;
  #timer: NodeJS.Timeout | null = null;
  /** What was done before the workers began. */
  before = { steps: 0, ends: 0 };
  /** The bound that was reached, if any. */
  reached: string | null = null;

  constructor(
    shared: Shared,
    options: Bounds & { readonly onProgress?: (progress: Progress) => void },
    start: number,
    checkpoints: Checkpoints | null,
  ) {
    this.#shared = shared;
    this.#options = options;
    this.#start = start;
    this.#checkpoints = checkpoints;
  }

  progress(): Progress {
    const { steps, ends, queue } = this.#shared.reported();
    const { states, chunks } = this.#shared.memory;
    return {
      states: countRows(states),
      executions: this.before.ends + ends,
      steps: this.before.steps + steps,
      queue,
      bytes: [states, ...chunks].reduce((bytes, rows) => bytes + bytesOf(rows), 0),
    };
  }

  /** Watches while something is done. */
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

  /** The states do not fit into the memory that was set aside for them. */
  memoryFull(): void {
    this.reached ??= `memory: ${this.#shared.memory.maxBytes} bytes`;
  }

  #look(): void {
    const { maxStates, maxMillis, maxSteps, signal, onProgress } = this.#options;
    const now = this.progress();
    onProgress?.(now);
    if (maxStates !== undefined && now.states > maxStates) this.reached = `states: ${maxStates}`;
    else if (maxSteps !== undefined && now.steps > maxSteps) this.reached = `steps: ${maxSteps}`;
    else if (signal?.aborted === true && !this.#checkpoints?.due) this.reached = "interrupted";
    else if (maxMillis !== undefined && performance.now() - this.#start > maxMillis) {
      this.reached = `time: ${maxMillis} ms`;
    }
    if (this.reached !== null) this.#shared.stop();
    else if (this.#checkpoints?.due) this.#shared.pause();
  }
}
