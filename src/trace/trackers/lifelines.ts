// The last million changes of all pages together, in columns: bounded, whatever the recording's
// length. Each change knows the one before it on its page; what was overwritten is said to be.
import type { KernelEvent, Task } from "../../events/event.ts";
import { noTask } from "../../events/event.ts";
import type { EventSpec } from "../../events/vocabulary.ts";
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

export class LifelinePool {
  readonly #most: number;
  #capacity: number;
  #time: Float64Array;
  #where: Float64Array;
  #previous: Float64Array;
  #before: Float32Array;
  #count: Float32Array;
  #mappings: Float32Array;
  #cpu: Uint16Array;
  #certainty: Uint8Array;
  readonly #task: Task[] = [];
  readonly #spec: EventSpec[] = [];
  readonly #stack: (Stack | null)[] = [];
  #next = 0;

  /** @param most Changes that are kept at most. The columns grow up to that. */
  constructor(most: number = LIFELINE_CAPACITY) {
    const capacity = Math.min(most, 1 << 12);
    this.#most = most;
    this.#capacity = capacity;
    this.#time = new Float64Array(capacity);
    this.#where = new Float64Array(capacity);
    this.#previous = new Float64Array(capacity);
    this.#before = new Float32Array(capacity);
    this.#count = new Float32Array(capacity);
    this.#mappings = new Float32Array(capacity);
    this.#cpu = new Uint16Array(capacity);
    this.#certainty = new Uint8Array(capacity);
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
    const i = n % this.#capacity;
    this.#time[i] = e.time;
    this.#where[i] = e.where;
    this.#previous[i] = previous;
    this.#before[i] = before;
    this.#count[i] = count;
    this.#mappings[i] = mappings;
    this.#cpu[i] = e.cpu;
    this.#certainty[i] =
      certainty === "after" ? 0 : certainty === "sampled" ? 1 : certainty === "inferred" ? 2 : 3;
    this.#task[i] = e.task;
    this.#spec[i] = e.spec;
    this.#stack[i] = null;
    return n;
  }

  /** Only before the first change is overwritten: every change stays where it is. */
  #grow(): void {
    this.#capacity = Math.min(this.#most, this.#capacity * 4);
    const n = this.#capacity;
    this.#time = grown(this.#time, new Float64Array(n));
    this.#where = grown(this.#where, new Float64Array(n));
    this.#previous = grown(this.#previous, new Float64Array(n));
    this.#before = grown(this.#before, new Float32Array(n));
    this.#count = grown(this.#count, new Float32Array(n));
    this.#mappings = grown(this.#mappings, new Float32Array(n));
    this.#cpu = grown(this.#cpu, new Uint16Array(n));
    this.#certainty = grown(this.#certainty, new Uint8Array(n));
  }

  setStack(n: number, stack: Stack): void {
    if (this.#has(n)) this.#stack[n % this.#capacity] = stack;
  }

  get(n: number): LifelineEntry | null {
    if (!this.#has(n)) return null;
    const i = n % this.#capacity;
    const spec = this.#spec[i];
    if (spec === undefined) return null;
    return {
      time: this.#time[i] ?? 0,
      where: this.#where[i] ?? 0,
      cpu: this.#cpu[i] ?? 0,
      task: this.#task[i] ?? noTask,
      spec,
      before: this.#before[i] ?? Number.NaN,
      count: this.#count[i] ?? Number.NaN,
      certainty: CERTAINTIES[this.#certainty[i] ?? 3] ?? "unknown",
      mappings: this.#mappings[i] ?? Number.NaN,
      stack: this.#stack[i] ?? null,
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
    for (let n = last; this.#has(n); n = this.#previous[n % this.#capacity] ?? -1) {
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
    for (let n = last; this.#has(n); ) {
      const entry = this.get(n);
      if (entry === null) break;
      entries.push(entry);
      n = this.#previous[n % this.#capacity] ?? -1;
    }
    return entries.reverse();
  }

  #has(n: number): boolean {
    return n >= 0 && n < this.#next && n >= this.#next - this.#capacity;
  }
}

function grown<T extends Float64Array | Float32Array | Uint16Array | Uint8Array>(old: T, next: T): T {
  next.set(old);
  return next;
}
