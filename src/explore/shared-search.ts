// What the workers of one search share, all of it in shared memory: the set of states, the tables of
// chunks, states that nobody works on, and the journal of what was learned. Whoever learns an edge does
// so under a lock and notes it; everybody else learns it from the journal, in the same order. So value,
// node and edge have the same number in every worker, and rows mean the same to all.
import type { Edge } from "./automaton.ts";
import type { IntList } from "./int-list.ts";
import { type SharedRows, sharedRows, TableFull } from "./shared-table.ts";
import type { Space } from "./space.ts";

/** States handed from worker to worker at a time. */
const BATCH = 64;
/** A worker with more states than this gives half of them away while few are on offer. */
const PLENTY = 4;
const JOURNAL = 1 << 23;
/** One entry of the journal is shorter. */
const MAX_ENTRY = 1 << 12;
const QUEUE = 1 << 16;

/** Words of the control block. */
const LOCK = 0;
const JOURNAL_LENGTH = 1;
const QUEUED = 2;
const IDLE = 3;
const STOP = 4;
const WAKE = 5;
const PAUSE = 6;
const COUNTS = 8;

/** Sent to the workers when they begin. */
export interface SharedMemory {
  readonly jobs: number;
  /** What the states may take. */
  readonly maxBytes: number;
  readonly control: SharedArrayBuffer;
  readonly journal: SharedArrayBuffer;
  readonly queue: SharedArrayBuffer;
  readonly states: SharedRows;
  readonly chunks: readonly SharedRows[];
}

/** @param maxBytes What the states may take. */
export function shareMemory(space: Space, jobs: number, maxBytes: number): SharedMemory {
  const { packing } = space;
  const chunkRows = packing.chunk === 1 ? 0 : packing.chunks;
  const journal = new SharedArrayBuffer(JOURNAL * 4);
  new Int32Array(journal).set(space.journal);
  const control = new SharedArrayBuffer(4096);
  new Int32Array(control)[JOURNAL_LENGTH] = space.journal.length;
  return {
    jobs,
    maxBytes,
    control,
    journal,
    queue: new SharedArrayBuffer(QUEUE * 4),
    // A slot takes 8 bytes, and up to 3.2 slots come on a row.
    states: sharedRows(packing.width, Math.floor(maxBytes / (packing.width * 4 + 26))),
    chunks: Array.from({ length: chunkRows }, () => sharedRows(packing.chunk, 1 << 18)),
  };
}

/** One party's hold on the shared memory. */
export class Shared {
  readonly memory: SharedMemory;
  readonly #control: Int32Array;
  readonly #journal: Int32Array;
  readonly #queue: Int32Array;

  #learnFromOthers: () => void = () => {};

  constructor(memory: SharedMemory) {
    this.memory = memory;
    this.#control = new Int32Array(memory.control);
    this.#journal = new Int32Array(memory.journal);
    this.#queue = new Int32Array(memory.queue);
  }

  get journalLength(): number {
    return Atomics.load(this.#control, JOURNAL_LENGTH);
  }

  get stopped(): boolean {
    return Atomics.load(this.#control, STOP) !== 0;
  }

  /** True if all must come to rest for a moment, with what they have in hand. */
  get paused(): boolean {
    return Atomics.load(this.#control, PAUSE) !== 0;
  }

  pause(): void {
    Atomics.store(this.#control, PAUSE, 1);
    this.#wakeAll();
  }

  /** After a pause; nobody is at work. */
  goOn(): void {
    Atomics.store(this.#control, PAUSE, 0);
    Atomics.store(this.#control, IDLE, 0);
  }

  /** Ends the search of all workers soon. */
  stop(): void {
    Atomics.store(this.#control, STOP, 1);
    this.#wakeAll();
  }

  /** Before a search begins; nobody is at work. */
  reset(): void {
    for (const word of [QUEUED, IDLE, STOP, PAUSE]) Atomics.store(this.#control, word, 0);
    this.#control.fill(0, COUNTS);
  }

  /** States that nobody works on; only while nobody is at work. */
  queued(): Int32Array {
    return this.#queue.slice(0, Atomics.load(this.#control, QUEUED));
  }

  /** Adds to counters that the main thread shows: steps, ends and states in hand of one worker. */
  report(worker: number, steps: number, ends: number, queue: number): void {
    const at = COUNTS + 4 * worker;
    this.#control[at] = steps % 0x40000000;
    this.#control[at + 1] = Math.floor(steps / 0x40000000);
    this.#control[at + 2] = ends;
    this.#control[at + 3] = queue;
  }

  /** What all workers reported. */
  reported(): { steps: number; ends: number; queue: number } {
    const sum = { steps: 0, ends: 0, queue: Atomics.load(this.#control, QUEUED) };
    for (let w = 0; w < this.memory.jobs; w++) {
      const at = COUNTS + 4 * w;
      sum.steps += (this.#control[at] ?? 0) + (this.#control[at + 1] ?? 0) * 0x40000000;
      sum.ends += this.#control[at + 2] ?? 0;
      sum.queue += this.#control[at + 3] ?? 0;
    }
    return sum;
  }

  /** Learns what the others have learned. @returns the length of the journal up to which it did. */
  catchUp(space: Space, from: number): number {
    const to = this.journalLength;
    space.catchUp(this.#journal, from, to);
    return to;
  }

  /** Makes a space learn through the journal. */
  connect(space: Space): void {
    let known = this.catchUp(space, 0);
    this.#learnFromOthers = () => {
      known = this.catchUp(space, known);
    };
    space.learn = (thread, node, row): Edge | null => {
      this.#lock();
      try {
        known = this.catchUp(space, known);
        const edge = space.threads[thread]?.known(node, row);
        if (edge !== undefined) return edge;
        if (known > JOURNAL - MAX_ENTRY) throw new TableFull();
        const before = space.journal.length;
        const learned = space.learnHere(thread, node, row);
        for (let i = before; i < space.journal.length; i++)
          this.#journal[known++] = space.journal[i] as number;
        Atomics.store(this.#control, JOURNAL_LENGTH, known);
        return learned;
      } finally {
        this.#unlock();
      }
    };
  }

  #lock(): void {
    while (Atomics.compareExchange(this.#control, LOCK, 0, 1) !== 0) Atomics.wait(this.#control, LOCK, 1, 1);
  }

  #unlock(): void {
    Atomics.store(this.#control, LOCK, 0);
    Atomics.notify(this.#control, LOCK, 1);
  }

  #wakeAll(): void {
    Atomics.add(this.#control, WAKE, 1);
    Atomics.notify(this.#control, WAKE);
  }

  /** Gives states away while few are on offer: the oldest, which have most behind them. */
  giveAway(waiting: IntList): void {
    if (waiting.length < PLENTY || Atomics.load(this.#control, QUEUED) >= 2 * this.memory.jobs) return;
    this.#lock();
    const queued = Atomics.load(this.#control, QUEUED);
    const count = Math.min(waiting.length >> 1, BATCH, QUEUE - queued);
    this.#queue.set(waiting.takeFirst(count), queued);
    Atomics.store(this.#control, QUEUED, queued + count);
    this.#unlock();
    this.#wakeAll();
  }

  /** Waits for states to work on. @returns false once nobody has any, or the search was stopped. */
  take(waiting: IntList): boolean {
    Atomics.add(this.#control, IDLE, 1);
    for (;;) {
      const wake = Atomics.load(this.#control, WAKE);
      if (this.stopped || this.paused) return false;
      this.#lock();
      const queued = Atomics.load(this.#control, QUEUED);
      const count = Math.min(queued, BATCH, Math.ceil(queued / 2));
      for (let i = 1; i <= count; i++) waiting.push(this.#queue[queued - i] as number);
      Atomics.store(this.#control, QUEUED, queued - count);
      if (count > 0) Atomics.sub(this.#control, IDLE, 1);
      const idle = Atomics.load(this.#control, IDLE);
      this.#unlock();
      if (count > 0) {
        // Whoever gave these states may know nodes that are new here.
        this.#learnFromOthers();
        return true;
      }
      if (idle === this.memory.jobs) {
        this.#wakeAll();
        return false;
      }
      Atomics.wait(this.#control, WAKE, wake, 100);
    }
  }
}
