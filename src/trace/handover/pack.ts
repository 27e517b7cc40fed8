// Events become rows of numbers: the sink of a reader whose analysis is in another thread.
import type { KernelEvent } from "../../events/event.ts";
import type { EventSpec } from "../../events/vocabulary.ts";
import type { ReadContext } from "../readers/reader.ts";
import type { Stack, TraceSink } from "../sink.ts";
import { type Batch, BLOCK_LENGTH, EVENT_ROW, row, specsOf } from "./batch.ts";
import type { Blocks } from "./blocks.ts";

export class Packer implements TraceSink {
  readonly #context: ReadContext;
  readonly #blocks: Blocks;
  readonly #send: (batch: Batch) => void;
  readonly #specs: ReadonlyMap<EventSpec, number>;
  readonly #stackNumbers = new Map<Stack, number>();
  readonly #texts = new TextNumbers();
  #block = 0;
  #numbers: Float64Array;
  #length = 0;
  /** How many tasks were sent. */
  #tasks = 0;
  #stacks: Stack[] = [];
  // What the other side knows of the clock and of the memory map.
  #epoch: number = Number.NaN;
  #digits: number = Number.NaN;
  #mapped = false;

  constructor(context: ReadContext, blocks: Blocks, send: (batch: Batch) => void) {
    this.#context = context;
    this.#blocks = blocks;
    this.#send = send;
    this.#specs = new Map(specsOf(context).map((spec, i) => [spec, i]));
    this.#numbers = blocks.block(0);
  }

  event(e: KernelEvent): void {
    const { clock, map } = this.#context;
    if (clock.digits !== this.#digits || clock.epochSeconds !== this.#epoch) {
      this.#epoch = clock.epochSeconds;
      this.#digits = clock.digits;
      this.#row(row.clock, this.#epoch, this.#digits);
    }
    if (!this.#mapped && map.base !== null) {
      this.#mapped = true;
      this.#room();
      this.#row(row.memoryMap, this.#texts.numberOf(map.base), 0);
    }
    this.#room();
    const n = this.#numbers;
    const texts = this.#texts;
    let p = this.#length;
    n[p++] = this.#specs.get(e.spec) as number;
    n[p++] = e.time;
    n[p++] = e.cpu;
    n[p++] = e.task.id;
    n[p++] = e.where;
    n[p++] = e.pfn;
    n[p++] = e.pfnFlags;
    n[p++] = e.offset;
    n[p++] = e.count;
    n[p++] = e.mapcount;
    n[p++] = e.val;
    n[p++] = e.ret;
    n[p++] = e.n;
    n[p++] = e.gup;
    n[p++] = e.flags;
    n[p++] = e.index;
    n[p++] = e.start;
    n[p++] = e.end;
    n[p++] = e.pid;
    n[p++] = texts.numberOf(e.flagWords);
    n[p++] = texts.numberOf(e.mapping);
    n[p++] = texts.numberOf(e.pgmap);
    n[p++] = texts.numberOf(e.inode);
    n[p++] = texts.numberOf(e.vma);
    n[p++] = texts.numberOf(e.site);
    n[p++] = texts.numberOf(e.text);
    this.#length = p;
  }

  stack(cpu: number, stack: Stack): void {
    let number = this.#stackNumbers.get(stack);
    if (number === undefined) {
      number = this.#stackNumbers.size;
      this.#stackNumbers.set(stack, number);
      this.#stacks.push(stack);
    }
    this.#row(row.stack, cpu, number);
  }

  lost(cpu: number): void {
    this.#row(row.lost, cpu, 0);
  }

  /** Sends what was not sent yet. */
  flush(): void {
    const { events, tasks } = this.#context;
    this.#send({
      block: this.#block,
      length: this.#length,
      texts: this.#texts.take(),
      tasks: tasks.all.slice(this.#tasks),
      stacks: this.#stacks,
      events,
    });
    this.#tasks = tasks.all.length;
    this.#stacks = [];
    this.#block = this.#blocks.next();
    this.#numbers = this.#blocks.block(this.#block);
    this.#length = 0;
  }

  #row(what: number, a: number, b: number): void {
    this.#room();
    this.#numbers[this.#length++] = what;
    this.#numbers[this.#length++] = a;
    this.#numbers[this.#length++] = b;
  }

  /** Sees to it that a row fits, of whatever kind. */
  #room(): void {
    if (this.#length + EVENT_ROW > BLOCK_LENGTH) this.flush();
  }
}

/** A number for each different text. */
class TextNumbers {
  readonly #numbers = new Map<string, number>();
  #all: string[] = [];

  numberOf(text: string): number {
    if (text === "") return 0;
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.#all.push(text);
      this.#numbers.set(text, number);
    }
    return number;
  }

  /** All that have a number; then they have it no longer. */
  take(): readonly string[] {
    const all = this.#all;
    this.#all = [];
    this.#numbers.clear();
    return all;
  }
}
