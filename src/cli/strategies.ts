// How `check` searches: strategies by name, and searches that can be put aside.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { PagelifeError } from "../base/errors.ts";
import { bounded } from "../explore/bounded.ts";
import type { CheckpointOptions, CheckpointStore } from "../explore/checkpoint.ts";
import { dpor } from "../explore/dpor.ts";
import { pct } from "../explore/pct.ts";
import { plain } from "../explore/plain.ts";
import { randomWalk } from "../explore/random.ts";
import { reduced } from "../explore/reduced.ts";
import { stateful } from "../explore/stateful.ts";
import type { Strategy } from "../explore/strategy.ts";

/** What `--strategy` takes: names, some with a number after a colon. */
export const strategyNames = "reduced, stateful, dpor, plain, bounded:PREEMPTIONS, random:SEED or pct:SEED";

/** Seed of the sampling strategies, unless one is named; printed with the result. */
const SEED = 1;

/** Reads `--strategy`. */
export function parseStrategy(text: string): Strategy {
  const [name, number] = text.split(":");
  const n = number === undefined ? null : Number(number);
  if (n === null || Number.isSafeInteger(n)) {
    switch (name) {
      case "reduced":
        return reduced;
      case "stateful":
        return stateful;
      case "dpor":
        return dpor;
      case "plain":
        return plain;
      case "bounded":
        return bounded(n ?? 2);
      case "random":
        return randomWalk(n ?? SEED);
      case "pct":
        return pct(n ?? SEED);
    }
  }
  throw new PagelifeError("PL105", `--strategy ${text}: expected ${strategyNames}`);
}

/** Time between two writes of a checkpoint. */
const CHECKPOINT_MS = 5_000;

/**
 * A file that a long search is written to now and then.
 *
 * @param resume Whether to go on from what the file holds.
 * @throws {@link PagelifeError} PL102 if there is nothing to go on from.
 */
export function checkpointFile(
  file: string,
  resume: boolean,
  everyMillis: number = CHECKPOINT_MS,
): CheckpointOptions {
  if (resume && !existsSync(file)) throw new PagelifeError("PL102", `${file}: no such checkpoint to resume`);
  const store: CheckpointStore = {
    read: () => (resume ? readFileSync(file) : null),
    write(bytes) {
      // A rename replaces the file at once or not at all, whenever the process is killed.
      writeFileSync(`${file}.new`, bytes);
      renameSync(`${file}.new`, file);
    },
  };
  return { store, everyMillis };
}
