// Shared memory, and what a thread can do to it. A thread never touches a cell: it yields an
// operation as data and is handed the result, so the engine sees every thread's next move and can
// run a thread again from recorded results without disturbing the world. One yield is one atomic step.
import { PagelifeError } from "../base/errors.ts";
import { identity, type Modelled, type Value } from "./value.ts";

/** One place in shared memory. All that two threads can both see lives in cells, ghost state too. */
export interface Cell<T extends Value = Value> extends Modelled {
  /** Position in the program's memory, in order of creation. */
  readonly id: number;
  /** How the cell is named in a printed execution, e.g. `queue.head`. */
  readonly name: string;
  readonly initial: T;
  /** Ghost state: a note of the model that the modelled system does not have. */
  readonly ghost: boolean;
}

/**
 * How an operation is ordered against the others of its thread, in the Linux kernel's words:
 * `relaxed` as READ_ONCE, `acquire` and `release` as smp_load_acquire and smp_store_release, `full`
 * as a read-modify-write that returns a value. Under sequential consistency all are alike.
 */
export type Order = "relaxed" | "acquire" | "release" | "full";

/** What an atomic step does: from the values of its cells to their next values, and a result. */
export interface Applied<R extends Value = Value> {
  readonly next: readonly Value[];
  readonly result: R;
}

/** A note of the model that changes in the step which it describes. */
export interface GhostUpdate {
  readonly cell: Cell;
  /** The next value of the ghost, from its old one and the result of the step. */
  readonly update: (old: Value, result: Value) => Value;
}

/** Looks into a cell without making a step. Only invariants and conditions of waits may. */
export type See = <T extends Value>(cell: Cell<T>) => T;

/** Why a thread sleeps, so that a state in which nobody can run can be explained. */
export interface Wait {
  /** What the sleeper waits for, as it is printed: `count == 1`. */
  readonly text: string;
  /** Would the sleeper go on if it looked now? True in a dead state: a missed wakeup. */
  readonly condition: (see: See) => boolean;
  /** Ghost goal: what the wait is for. True in a dead state, condition false: a stuck wait. */
  readonly goal?: (see: See) => boolean;
  /** Who or what keeps the condition from being true, for the explanation of a dead state; null if nobody knows. */
  readonly obstacle?: (see: See) => string | null;
  /**
   * Where a wake-up goes to one of several: who was woken in the sleeper's place and made nothing of it, or null.
   * Somebody in a dead state, condition true: a lost exclusive wakeup.
   */
  readonly wokenInstead?: (see: See) => string | null;
}

/** What the step means to the person who reads an execution; it has no effect on the search. */
export interface Note {
  /** What is printed for the step; gets the result. */
  readonly text?: (result: Value) => string;
  /** True for a step that explains nothing: taking a lock, reading a constant. */
  readonly quiet?: boolean;
  /** Events in the vocabulary of recordings (`src/events`); opaque here. */
  readonly event?: (result: Value) => Value;
}

interface Common {
  /** What the thread asked for, where a memory model made this operation of it. */
  readonly asked?: Operation | undefined;
  readonly order: Order;
  readonly ghosts?: readonly GhostUpdate[] | undefined;
  readonly note?: Note | undefined;
  /** True for a step that gets the program further each time: a loop with it in is no livelock. */
  readonly progress?: boolean | undefined;
}

/**
 * What a step waits for that cannot be made: to be woken (`sleep`), for another thread's release (`lock`), to be
 * spawned (`start`: it waits in no sense that could be a finding), or for anything else (`event`).
 */
export type Blocks = "sleep" | "lock" | "start" | "event";

/** One atomic step, asked for by a thread and made by the engine. */
export type Operation =
  | (Common & { readonly op: "read"; readonly cell: Cell })
  | (Common & { readonly op: "write"; readonly cell: Cell; readonly value: Value })
  | (Common & {
      readonly op: "rmw";
      readonly cells: readonly Cell[];
      readonly apply: (...values: never[]) => Applied;
    })
  | (Common & { readonly op: "fence" })
  /** A step that can be made only when `apply` does not return null: a lock, a join, a sleep. */
  | (Common & {
      readonly op: "acquire";
      readonly cells: readonly Cell[];
      /** Further cells of the step, where the value of the first says which. */
      readonly more?: ((first: never) => readonly Cell[]) | undefined;
      readonly apply: (...values: never[]) => Applied | null;
      readonly blocks: Blocks;
      readonly wait?: Wait | undefined;
    });

/** Code that runs between operations; `T` is what it returns. */
export type Code<T = void> = Generator<Operation, T, Value>;

/** Extras of any step: ghost state that changes with it, and what it is called. */
export interface StepOptions {
  readonly order?: Order;
  readonly ghosts?: readonly GhostUpdate[];
  readonly note?: Note;
  /** Says that the step gets the program further each time it is made: a loop with it in is no livelock. */
  readonly progress?: boolean;
}

/** Reads a cell: one atomic step. */
export function* read<T extends Value>(cell: Cell<T>, options?: StepOptions): Code<T> {
  return (yield {
    op: "read",
    cell,
    order: options?.order ?? "relaxed",
    ghosts: options?.ghosts,
    note: options?.note,
    progress: options?.progress,
  }) as T;
}

/** Writes a cell: one atomic step. */
export function* write<T extends Value>(cell: Cell<T>, value: T, options?: StepOptions): Code {
  yield {
    op: "write",
    cell,
    value,
    order: options?.order ?? "relaxed",
    ghosts: options?.ghosts,
    note: options?.note,
    progress: options?.progress,
  };
}

/** Reads and writes several cells as one atomic step. Fully ordered unless told otherwise. */
export function* rmw<R extends Value>(
  cells: readonly Cell[],
  apply: (...values: never[]) => Applied<R>,
  options?: StepOptions,
): Code<R> {
  return (yield {
    op: "rmw",
    cells,
    apply,
    order: options?.order ?? "full",
    ghosts: options?.ghosts,
    note: options?.note,
    progress: options?.progress,
  }) as R;
}

/** Orders what comes before against what comes after; touches no cell. */
export function* fence(order: Order = "full"): Code {
  yield { op: "fence", order };
}

/**
 * Waits until `apply` gives a result, and makes that step: taking a lock is one guarded step. `wait` says what stands in
 * the way, where that is not all of the cells.
 */
export function* acquire<R extends Value>(
  cells: readonly Cell[],
  apply: (...values: never[]) => Applied<R> | null,
  options?: StepOptions & { readonly blocks?: Exclude<Blocks, "sleep">; readonly wait?: Wait },
): Code<R> {
  return (yield {
    op: "acquire",
    cells,
    apply,
    blocks: options?.blocks ?? "lock",
    wait: options?.wait,
    order: options?.order ?? "acquire",
    ghosts: options?.ghosts,
    note: options?.note,
    progress: options?.progress,
  }) as R;
}

/**
 * Sleeps until another thread sets `woken`, and clears it. Sleeping is not a guard on the data that
 * the sleeper waits for: `wait` says what that is, for the case that nobody ever wakes it.
 */
export function* sleep(woken: Cell<boolean>, wait: Wait, options?: StepOptions): Code {
  yield {
    op: "acquire",
    cells: [woken],
    apply: wakeIfWoken,
    blocks: "sleep",
    wait,
    order: options?.order ?? "full",
    ghosts: options?.ghosts,
    note: options?.note,
    progress: options?.progress,
  };
}

const wakeIfWoken = (woken: boolean): Applied<null> | null =>
  woken ? { next: [false], result: null } : null;

/** A finding made by the thread itself: what a WARN or BUG of the modelled code says. */
export class Failure extends Error {
  readonly property: string;

  /** @param property The rule that was broken, in kebab-case. */
  constructor(property: string, detail: string) {
    super(detail);
    this.name = "Failure";
    this.property = property;
  }
}

/** Ends the execution with a finding: `property` was broken here. */
export function fail(property: string, detail: string): never {
  throw new Failure(property, detail);
}

// Cells and modelled objects are made while setup runs, and only then.
let arena: Arena | null = null;

/** What setup has made so far. */
export class Arena {
  readonly cells: Cell[] = [];
  readonly #counts = new Map<string, number>();

  /** The next index of a kind of object. */
  next(kind: string): number {
    const n = this.#counts.get(kind) ?? 0;
    this.#counts.set(kind, n + 1);
    return n;
  }

  /** Runs `body` with `cell` and `modelled` adding to this arena. */
  within<T>(body: () => T): T {
    const outer = arena;
    arena = this;
    try {
      return body();
    } finally {
      arena = outer;
    }
  }
}

function currentArena(what: string): Arena {
  if (arena === null) {
    throw new PagelifeError(
      "PL210",
      `${what} is made here, and only setup makes things: do it there, and return them`,
    );
  }
  return arena;
}

/** Makes a cell. Only in setup. */
export function cell<T extends Value>(name: string, initial: T): Cell<T> {
  return makeCell(name, initial, false);
}

/** Makes a cell for ghost state: a note of the model, which the modelled system does not have. */
export function ghostCell<T extends Value>(name: string, initial: T): Cell<T> {
  return makeCell(name, initial, true);
}

function makeCell<T extends Value>(name: string, initial: T, ghost: boolean): Cell<T> {
  const { cells } = currentArena(`cell ${name}`);
  const made: Cell<T> = { [identity]: `@${cells.length}`, id: cells.length, name, initial, ghost };
  cells.push(made as unknown as Cell);
  return made;
}

/** Makes an object of the modelled system, known by (kind, index) in order of creation. Only in setup. */
export function modelled<T extends object>(kind: string, fields: T): T & Modelled {
  return Object.assign(fields, { [identity]: `${kind}${currentArena(`object of kind ${kind}`).next(kind)}` });
}
