// A long search that survives being killed: what it knows is written out now and then, and read back by a
// later one, which ends with the same result. How the bytes are kept is the caller's business; each write
// must replace the one before it at once or not at all (a new file, renamed over the old one).
import { createHash } from "node:crypto";
import { deserialize, serialize } from "node:v8";
import { PagelifeError } from "../base/errors.ts";
import type { Prepared } from "./program.ts";
import { ReducedSearch, type SavedStates, type StatesStrategy } from "./reduced.ts";
import { Space } from "./space.ts";
import {
  asStrategy,
  type Bounds,
  type Progress,
  type SearchResult,
  type SearchRun,
  type Strategy,
} from "./strategy.ts";
import { encode } from "./value.ts";

/** Where the bytes are kept. */
export interface CheckpointStore {
  /** What was written last, or null. */
  read(): Uint8Array | null;
  /** Replaces what was written last, at once or not at all. */
  write(bytes: Uint8Array): void;
}

const FORMAT = 2;

interface Checkpoint {
  readonly format: number;
  readonly program: string;
  readonly search: SavedStates;
}

/** How often a search is written, and where. */
export interface CheckpointOptions {
  readonly store: CheckpointStore;
  /** Time between two writes; the first comes after that time, so a short search makes none. */
  readonly everyMillis: number;
}

/**
 * A search over states with checkpoints. Each can be gone on from here or by `exploreParallel`, with whatever
 * number of workers.
 *
 * @throws {@link PagelifeError} PL202 when it begins with a checkpoint that is damaged, or of another search.
 */
export const withCheckpoints = (options: CheckpointOptions, strategy: StatesStrategy = "reduced"): Strategy =>
  asStrategy(strategy, (prepared, bounds) => new CheckpointedSearch(prepared, bounds, options, strategy));

/** The checkpoints of one search. */
export class Checkpoints {
  readonly #options: CheckpointOptions;
  readonly #prepared: Prepared;
  readonly #signal: AbortSignal | undefined;
  #last = performance.now();
  /** True once the state in which the search was interrupted has been written. */
  #parted = false;

  constructor(options: CheckpointOptions, prepared: Prepared, signal: AbortSignal | undefined) {
    this.#options = options;
    this.#prepared = prepared;
    this.#signal = signal;
  }

  /** What to go on from, if anything. */
  read(strategy: StatesStrategy): SavedStates | null {
    const bytes = this.#options.store.read();
    if (bytes === null) return null;
    const saved = open(bytes, this.#prepared);
    if (saved.strategy === strategy) return saved;
    throw new PagelifeError(
      "PL202",
      `the checkpoint is of a ${saved.strategy} search; go on with that strategy, or begin anew without it`,
    );
  }

  /** True now and then, and once more when the search is interrupted. */
  get due(): boolean {
    if (this.#signal?.aborted) return !this.#parted;
    return performance.now() - this.#last >= this.#options.everyMillis;
  }

  write(search: SavedStates): void {
    this.#options.store.write(seal(search, this.#prepared));
    this.#last = performance.now();
    this.#parted = this.#signal?.aborted === true;
  }
}

class CheckpointedSearch implements SearchRun {
  readonly #checkpoints: Checkpoints;
  readonly #search: ReducedSearch;

  constructor(prepared: Prepared, bounds: Bounds, options: CheckpointOptions, strategy: StatesStrategy) {
    this.#checkpoints = new Checkpoints(options, prepared, bounds.signal);
    this.#search = new ReducedSearch(new Space(prepared), bounds, strategy);
    const saved = this.#checkpoints.read(strategy);
    if (saved !== null) this.#search.restore(saved);
  }

  advance(): boolean {
    if (this.#search.settled && this.#checkpoints.due) this.#checkpoints.write(this.#search.save());
    return this.#search.advance();
  }

  progress(): Progress {
    return this.#search.progress();
  }

  result(): SearchResult {
    return this.#search.result();
  }
}

/** Says whether two programs are the same as far as their beginning shows. */
function fingerprint(prepared: Prepared): string {
  const cells = prepared.cells.map((c, i) => `${c.name}=${encode(prepared.memory[i], "a cell")}`);
  const threads = prepared.threads.map((t) => t.name);
  const rules = prepared.invariants.map((i) => `${i.name}@${i.at}`);
  return digest(Buffer.from([prepared.name, ...cells, ...threads, ...rules].join("\n")));
}

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const DIGEST_BYTES = 64;

function seal(search: SavedStates, prepared: Prepared): Uint8Array {
  const checkpoint: Checkpoint = { format: FORMAT, program: fingerprint(prepared), search };
  const body = serialize(checkpoint);
  return Buffer.concat([Buffer.from(digest(body), "latin1"), body]);
}

function open(bytes: Uint8Array, prepared: Prepared): SavedStates {
  const body = bytes.subarray(DIGEST_BYTES);
  if (digest(body) !== Buffer.from(bytes.subarray(0, DIGEST_BYTES)).toString("latin1")) {
    throw new PagelifeError(
      "PL202",
      "the checkpoint is damaged: its checksum does not fit; begin anew without it",
    );
  }
  const { format, program, search } = deserialize(body) as Checkpoint;
  if (format !== FORMAT) {
    throw new PagelifeError(
      "PL202",
      `the checkpoint has format ${format}, this version reads ${FORMAT}; begin anew`,
    );
  }
  if (program !== fingerprint(prepared)) {
    throw new PagelifeError(
      "PL202",
      `the checkpoint is of another program than ${prepared.name}; begin anew without it`,
    );
  }
  return search;
}
