// A long search that survives being killed: what it knows is written out now and then, and read back by a
// later one, which ends with the same result. How the bytes are kept is the caller's business; each write
// must replace the one before it at once or not at all (a new file, renamed over the old one).
import { createHash } from "node:crypto";
import { deserialize, serialize } from "node:v8";
import { PagelifeError } from "../base/errors.ts";
import type { Prepared } from "./program.ts";
import { ReducedSearch, type SavedReduced } from "./reduced.ts";
import { Space } from "./space.ts";
import {
  type Bounds,
  type Progress,
  runToEnd,
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

const FORMAT = 1;

interface Checkpoint {
  readonly format: number;
  readonly program: string;
  readonly search: SavedReduced;
}

/**
 * The reduced search with checkpoints.
 *
 * @param everyMillis Time between two writes; the first comes after that time, so a short search makes none.
 * @throws {@link PagelifeError} PL202 when it begins with a checkpoint that is damaged, or of another program.
 */
export const withCheckpoints = (store: CheckpointStore, everyMillis: number): Strategy => ({
  name: "reduced",
  search: (prepared, bounds) => runToEnd(new CheckpointedSearch(prepared, bounds, store, everyMillis)),
  start: (prepared, bounds) => new CheckpointedSearch(prepared, bounds, store, everyMillis),
});

class CheckpointedSearch implements SearchRun {
  readonly #prepared: Prepared;
  readonly #store: CheckpointStore;
  readonly #everyMillis: number;
  readonly #search: ReducedSearch;
  #last = performance.now();

  constructor(prepared: Prepared, bounds: Bounds, store: CheckpointStore, everyMillis: number) {
    this.#prepared = prepared;
    this.#store = store;
    this.#everyMillis = everyMillis;
    this.#search = new ReducedSearch(new Space(prepared), bounds);
    const bytes = store.read();
    if (bytes !== null) this.#search.restore(open(bytes, prepared));
  }

  advance(): boolean {
    const more = this.#search.advance();
    if (more && performance.now() - this.#last >= this.#everyMillis) {
      this.#store.write(seal(this.#search.save(), this.#prepared));
      this.#last = performance.now();
    }
    return more;
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

function seal(search: SavedReduced, prepared: Prepared): Uint8Array {
  const checkpoint: Checkpoint = { format: FORMAT, program: fingerprint(prepared), search };
  const body = serialize(checkpoint);
  return Buffer.concat([Buffer.from(digest(body), "latin1"), body]);
}

function open(bytes: Uint8Array, prepared: Prepared): SavedReduced {
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
