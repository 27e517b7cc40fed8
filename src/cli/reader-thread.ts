// Reads a recording in a thread of its own: there bytes become events, here events become answers. The order
// of events is the reader's, so the answers are the same as those of one thread.
import { Worker } from "node:worker_threads";
import { PagelifeError } from "../base/errors.ts";
import { Blocks, shareBlocks } from "../trace/handover/blocks.ts";
import { applyEnding } from "../trace/handover/ending.ts";
import { Unpacker } from "../trace/handover/unpack.ts";
import { ImportLog } from "../trace/import-log.ts";
import { PageMap } from "../trace/page-map.ts";
import { ReadContext } from "../trace/readers/reader.ts";
import { quiet, type TraceSink } from "../trace/sink.ts";
import type { EventsRead, ReadOptions } from "./read-events.ts";
import type { ReaderMessage, ReaderOrder } from "./reader-worker.ts";

/**
 * As `readEvents`, with the reader in a thread of its own.
 *
 * @returns null where no thread can be started: nothing was read, and `begin` not called.
 */
export async function readEventsAside(
  file: string,
  options: ReadOptions,
  begin: (context: ReadContext) => TraceSink,
): Promise<EventsRead | null> {
  const shared = shareBlocks();
  const order: ReaderOrder = { file, shared, vmemmap: options.vmemmap, probes: options.probes };
  let worker: Worker;
  try {
    worker = new Worker(new URL("./reader-worker.js", import.meta.url), { workerData: order });
  } catch {
    return null;
  }
  try {
    return await listen(worker, new Blocks(shared), options, begin);
  } finally {
    await worker.terminate();
  }
}

function listen(
  worker: Worker,
  blocks: Blocks,
  options: ReadOptions,
  begin: (context: ReadContext) => TraceSink,
): Promise<EventsRead> {
  const context = new ReadContext(new ImportLog(), new PageMap(), quiet, options.probes);
  const unpacker = new Unpacker(context);
  const hear = (message: ReaderMessage): EventsRead | null => {
    switch (message.says) {
      case "begin":
        context.log.kernelText = message.kernelText;
        context.sink = begin(context);
        return null;
      case "batch":
        unpacker.read(message.batch, blocks.block(message.batch.block));
        blocks.release();
        if (options.stopped()) blocks.stop();
        options.onProgress(context.events);
        return null;
      case "end":
        applyEnding(message.ending, context);
        return { format: message.ending.format, context };
      case "refused":
        throw new PagelifeError(message.code, message.detail);
    }
  };
  return new Promise((resolve, reject) => {
    worker.on("message", (message: ReaderMessage) => {
      try {
        const read = hear(message);
        if (read !== null) resolve(read);
      } catch (error) {
        reject(error);
      }
    });
    worker.on("error", reject);
    worker.on("exit", () => reject(new Error("the thread that reads the recording has ended early")));
  });
}
