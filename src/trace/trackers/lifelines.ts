// The last million changes of all pages together, in one table of numbers: bounded, whatever the
// recording's length. Each change knows the one before it on its page; what was overwritten is said to be.
import type { KernelEvent, Task } from "../../events/event.ts";
import { noTask } from "../../events/event.ts";
import { type EventSpec, vocabulary } from "../../events/vocabulary.ts";
import type { Stack } from "../sink.ts";

/**
 * Where a count comes from. `after`: the tracepoint printed it after the change. `sampled`: a probe
 * read it before the change. `inferred`: worked out from a sample and from what the function does.
 */
export type Certainty = "after" | "sampled" | "inferred" | "unknown";

const CERTAINTIES: readonly Certainty[] = ["after", "sampled", "inferred", "unknown"];

/** One change, or observation, of a page. */
export interface LifelineEntry {
  readonly time: number;
  readonly where: number;
  readonly cpu: number;
  readonly task: Task;
  readonly spec: EventSpec;
  /** Count before the event, NaN if unknown. */
  readonly before: number;
  /** Count after the event, NaN if unknown. */
  readonly count: number;
  readonly certainty: Certainty;
  /** Mappings after the event, NaN if unknown. */
  readonly mappings: number;
  readonly stack: Stack | null;
}

export const LIFELINE_CAPACITY = 1 << 20;

// A row of the table: three float64, then six words of 32 bits. One row lies in one or two lines of the
// processor's cache, where a column for each would touch nine.
//
//     time | where | previous | before, count | mappings, task | kind, stack
const ROW_FLOAT64 = 6;
const ROW_WORDS = 12;
const [TIME, WHERE, PREVIOUS] = [0, 1, 2];
const [BEFORE, COUNT, MAPPINGS, TASK, KIND, STACK] = [6, 7, 8, 9, 10, 11];
// Kind: the CPU in the upper half; below, 14 bits of the event and 2 of the certainty.

export class LifelinePool {
  readonly #most: number;
  #capacity: number;
  #float64: Float64Array;
  #float32: Float32Array;
  #words: Int32Array;
  /** Tasks by their id and one, since `noTask` has -1. */
  readonly #tasks: Task[] = [noTask];
  readonly #stacks: (Stack | null)[] = [null];
  readonly #stackNumbers = new Map<Stack, number>();
  #next = 0;

  /** @param most Changes that are kept at most. The table grows up to that. */
  constructor(most: number = LIFELINE_CAPACITY) {
    this.#most = most;
    this.#capacity = Math.min(most, 1 << 12);
    this.#float64 = new Float64Array(this.#capacity * ROW_FLOAT64);
    this.#float32 = new Float32Array(this.#float64.buffer);
    this.#words = new Int32Array(this.#float64.buffer);
  }

  /** @param previous Number of the page's change before this one, -1 for none. @returns its number. */
  add(
    e: KernelEvent,
    before: number,
    count: number,
    certainty: Certainty,
    mappings: number,
    previous: number,
  ): number {
    if (this.#next === this.#capacity && this.#capacity < this.#most) this.#grow();
    const n = this.#next++;
    const row = n % this.#capacity;
    const wide = row * ROW_FLOAT64;
    const float64 = this.#float64;
    float64[wide + TIME] = e.time;
    float64[wide + WHERE] = e.where;
    float64[wide + PREVIOUS] = previous;
    const word = row * ROW_WORDS;
    const float32 = this.#float32;
    float32[word + BEFORE] = before;
    float32[word + COUNT] = count;
    float32[word + MAPPINGS] = mappings;
    const words = this.#words;
    const task = e.task.id + 1;
    if (this.#tasks[task] !== e.task) this.#tasks[task] = e.task;
    words[word + TASK] = task;
    words[word + KIND] = (e.cpu << 16) | (e.spec.id << 2) | codeOf(certainty);
    words[word + STACK] = 0;
    return n;
  }

  /** Only before the first change is overwritten: every change stays where it is. */
  #grow(): void {
    const old = this.#float64;
    this.#capacity = Math.min(this.#most, this.#capacity * 4);
    this.#float64 = new Float64Array(this.#capacity * ROW_FLOAT64);
    this.#float64.set(old);
    this.#float32 = new Float32Array(this.#float64.buffer);
    this.#words = new Int32Array(this.#float64.buffer);
  }

  setStack(n: number, stack: Stack): void {
    if (!this.#has(n)) return;
    let number = this.#stackNumbers.get(stack);
    if (number === undefined) {
      number = this.#stacks.push(stack) - 1;
      this.#stackNumbers.set(stack, number);
    }
    this.#words[(n % this.#capacity) * ROW_WORDS + STACK] = number;
  }

  get(n: number): LifelineEntry | null {
    if (!this.#has(n)) return null;
    const wide = (n % this.#capacity) * ROW_FLOAT64;
    const word = (n % this.#capacity) * ROW_WORDS;
    const kind = this.#words[word + KIND] ?? 0;
    const spec = vocabulary[(kind & 0xffff) >>> 2];
    if (spec === undefined) return null;
    return {
      time: this.#float64[wide + TIME] ?? 0,
      where: this.#float64[wide + WHERE] ?? 0,
      cpu: kind >>> 16,
      task: this.#tasks[this.#words[word + TASK] ?? 0] ?? noTask,
      spec,
      before: this.#float32[word + BEFORE] ?? Number.NaN,
      count: this.#float32[word + COUNT] ?? Number.NaN,
      certainty: CERTAINTIES[kind & 3] ?? "unknown",
      mappings: this.#float32[word + MAPPINGS] ?? Number.NaN,
      stack: this.#stacks[this.#words[word + STACK] ?? 0] ?? null,
    };
  }

  /** The oldest and the newest few changes of a page that are kept; all of them if there are no more. */
  ends(
    last: number,
    each: number,
  ): { readonly first: LifelineEntry[]; readonly last: LifelineEntry[]; readonly kept: number } {
    const newest: number[] = [];
    const oldest: number[] = [];
    let kept = 0;
    for (let n = last; this.#has(n); n = this.#previous(n)) {
      if (kept < each) newest.push(n);
      oldest[kept % each] = n;
      kept++;
    }
    const turn = kept <= each ? 0 : kept % each;
    const inOrder = kept <= each ? oldest : [...oldest.slice(turn), ...oldest.slice(0, turn)];
    const entries = (ns: readonly number[]): LifelineEntry[] =>
      ns.map((n) => this.get(n)).filter((e) => e !== null);
    return { first: entries(inOrder.reverse()), last: entries(newest.reverse()), kept };
  }

  /** The changes of a page that are still kept, oldest first. */
  of(last: number): LifelineEntry[] {
    const entries: LifelineEntry[] = [];
    for (let n = last; this.#has(n); n = this.#previous(n)) {
      const entry = this.get(n);
      if (entry === null) break;
      entries.push(entry);
    }
    return entries.reverse();
  }

  #previous(n: number): number {
    return this.#float64[(n % this.#capacity) * ROW_FLOAT64 + PREVIOUS] ?? -1;
  }

  #has(n: number): boolean {
    return n >= 0 && n < this.#next && n >= this.#next - this.#capacity;
  }
}

function codeOf(certainty: Certainty): number {
  return certainty === "after" ? 0 : certainty === "sampled" ? 1 : certainty === "inferred" ? 2 : 3;
}
