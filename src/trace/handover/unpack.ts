// Rows of numbers become events again, in the thread of the analysis.
import { emptyEvent, type KernelEvent, type Task } from "../../events/event.ts";
import type { EventSpec } from "../../events/vocabulary.ts";
import type { ReadContext } from "../readers/reader.ts";
import type { Stack } from "../sink.ts";
import { type Batch, row, specsOf } from "./batch.ts";

export class Unpacker {
  readonly #context: ReadContext;
  readonly #specs: readonly EventSpec[];
  readonly #stacks: Stack[] = [];
  readonly #event: KernelEvent;

  /** @param context Takes the place of the reader's: clock, tasks and memory map become as there. */
  constructor(context: ReadContext) {
    this.#context = context;
    this.#specs = specsOf(context);
    this.#event = emptyEvent(this.#specs[0] as EventSpec);
  }

  /** Hands what is in a batch to the context's sink. @param n The batch's block. */
  read(batch: Batch, n: Float64Array): void {
    const { clock, map, sink, tasks } = this.#context;
    this.#context.events = batch.events;
    for (const { comm, tid } of batch.tasks) tasks.get(comm, tid);
    this.#stacks.push(...batch.stacks);
    const texts = ["", ...batch.texts];
    const e = this.#event;
    for (let p = 0; p < batch.length; ) {
      const what = n[p++] as number;
      if (what < 0) {
        const a = n[p++] as number;
        const b = n[p++] as number;
        if (what === row.stack) sink.stack(a, this.#stacks[b] as Stack);
        else if (what === row.lost) sink.lost(a);
        else if (what === row.memoryMap) map.place(texts[a] as string);
        else {
          clock.epochSeconds = a;
          clock.digits = b;
        }
        continue;
      }
      e.spec = this.#specs[what] as EventSpec;
      e.time = n[p++] as number;
      e.cpu = n[p++] as number;
      e.task = tasks.all[n[p++] as number] as Task;
      e.where = n[p++] as number;
      e.pfn = n[p++] as number;
      e.pfnFlags = n[p++] as number;
      e.offset = n[p++] as number;
      e.count = n[p++] as number;
      e.mapcount = n[p++] as number;
      e.val = n[p++] as number;
      e.ret = n[p++] as number;
      e.n = n[p++] as number;
      e.gup = n[p++] as number;
      e.flags = n[p++] as number;
      e.index = n[p++] as number;
      e.start = n[p++] as number;
      e.end = n[p++] as number;
      e.pid = n[p++] as number;
      e.flagWords = texts[n[p++] as number] as string;
      e.mapping = texts[n[p++] as number] as string;
      e.pgmap = texts[n[p++] as number] as string;
      e.inode = texts[n[p++] as number] as string;
      e.vma = texts[n[p++] as number] as string;
      e.site = texts[n[p++] as number] as string;
      e.text = texts[n[p++] as number] as string;
      sink.event(e);
    }
  }
}
