// The cells of the subsystem, and operations under way on them: generators that are run one at a time, each
// until it ends or sleeps.
import { Arena, type Cell, type Code, fail } from "../explore/access.ts";
import { type Frame, running } from "../explore/frames.ts";
import { perform } from "../explore/operation.ts";
import { Interner, type Value } from "../explore/value.ts";

/** The length from which a list is one of blocks. */
const LONG = 64;

/** Steps after which an operation counts as a loop without end; on 512 pages one takes some ten thousand. */
const STEP_LIMIT = 300_000;

/** The rule that an operation which goes on and on breaks. */
export const OPERATION_ENDS = "operation-ends";

export class Machine {
  readonly #arena = new Arena();
  readonly #memory: Value[] = [];
  readonly #interner = new Interner();
  readonly #onChange: (name: string, value: Value) => void;

  /** @param onChange Told of every write that changes a cell, with the cell's name. */
  constructor(onChange: (name: string, value: Value) => void = () => {}) {
    this.#onChange = onChange;
  }

  /** Makes cells and objects; the subsystem lets that happen within setup only. */
  within<T>(body: () => T): T {
    const made = this.#arena.within(body);
    this.#fill();
    return made;
  }

  #fill(): void {
    const { cells } = this.#arena;
    for (let i = this.#memory.length; i < cells.length; i++) {
      this.#memory.push(this.#canonical(cells[i]?.initial));
    }
  }

  /**
   * Values that are written alike are one value, as in a search. Lists of blocks are not worth the time: nobody
   * compares two of them.
   */
  #canonical(value: Value): Value {
    return Array.isArray(value) && value.length > LONG ? value : this.#interner.canonical(value);
  }

  see<T extends Value>(cell: Cell<T>): T {
    return this.#memory[cell.id] as T;
  }

  start<T>(body: Code<T>): Activity<T> {
    return { body, turn: null, stack: [], result: null };
  }

  /**
   * Runs an activity until it ends or cannot go on. Returns true if it made a step.
   *
   * @throws Failure if it goes on without end.
   */
  advance<T>(activity: Activity<T>): boolean {
    let moved = false;
    for (let steps = 0; activity.result === null; steps++) {
      if (steps > STEP_LIMIT) fail(OPERATION_ENDS, "an operation goes on and on");
      if (activity.turn === null) {
        this.#resume(activity, undefined);
        continue;
      }
      const done = perform(activity.turn, this.#memory);
      if (done === null) break;
      for (const { cell, value } of done.writes) this.#write(cell, this.#canonical(value));
      moved = true;
      this.#resume(activity, this.#canonical(done.result));
    }
    return moved;
  }

  #write(cell: number, value: Value): void {
    if (value !== this.#memory[cell]) this.#onChange(this.#arena.cells[cell]?.name ?? "", value);
    this.#memory[cell] = value;
  }

  #resume<T>(activity: Activity<T>, result: Value): void {
    const outer = { ...running };
    running.stack = activity.stack;
    running.listener = null;
    try {
      const step = this.#arena.within(() => activity.body.next(result));
      this.#fill();
      if (step.done) activity.result = step.value;
      else activity.turn = step.value;
    } finally {
      running.stack = outer.stack;
      running.listener = outer.listener;
    }
  }
}

/** An operation that has begun. */
export interface Activity<T = number> {
  readonly body: Code<T>;
  turn: Parameters<typeof perform>[0] | null;
  readonly stack: Frame[];
  /** What it returned, once it has ended: an errno, of an operation of a program. */
  result: T | null;
}
