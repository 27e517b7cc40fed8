// The thread that reads a recording for another, which analyses it (`reader-thread.ts`).
import { parentPort, workerData } from "node:worker_threads";
import { PagelifeError } from "../base/errors.ts";
import type { Batch } from "../trace/handover/batch.ts";
import { Blocks, type SharedBlocks } from "../trace/handover/blocks.ts";
import { type Ending, endingOf } from "../trace/handover/ending.ts";
import { Packer } from "../trace/handover/pack.ts";
import { type ReadOptions, readEvents } from "./read-events.ts";

/** What the thread is told when it starts. */
export interface ReaderOrder extends Pick<ReadOptions, "vmemmap" | "probes"> {
  readonly file: string;
  readonly shared: SharedBlocks;
}

/** What it says, in this order: that it begins, batches, and how it ended. Or that the file cannot be read. */
export type ReaderMessage =
  | { readonly says: "begin"; readonly kernelText: string }
  | { readonly says: "batch"; readonly batch: Batch }
  | { readonly says: "end"; readonly ending: Ending }
  | { readonly says: "refused"; readonly code: PagelifeError["code"]; readonly detail: string };

const say = (message: ReaderMessage): void => parentPort?.postMessage(message);

const { file, shared, vmemmap, probes } = workerData as ReaderOrder;
const blocks = new Blocks(shared);
let packer: Packer | null = null;
try {
  const options: ReadOptions = {
    vmemmap,
    probes,
    stopped: () => blocks.stopped,
    onProgress: () => undefined,
  };
  const { format, context } = await readEvents(file, options, (c) => {
    say({ says: "begin", kernelText: c.log.kernelText });
    packer = new Packer(c, blocks, (batch) => say({ says: "batch", batch }));
    return packer;
  });
  (packer as Packer | null)?.flush();
  say({ says: "end", ending: endingOf(format, context) });
} catch (error) {
  if (!(error instanceof PagelifeError)) throw error;
  say({ says: "refused", code: error.code, detail: error.detail });
}
