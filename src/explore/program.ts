// A program to explore: shared cells, threads over them, and what must hold. Setup runs once, alone;
// from then on its objects never change and all that does is in cells.
import { isAbsolute } from "node:path";
import { PagelifeError } from "../base/errors.ts";
import { Arena, type Cell, type Code, type Operation, type See } from "./access.ts";
import { errorOf } from "./error-of.ts";
import { neverRan, running } from "./frames.ts";
import type { WatchedLiveness } from "./liveness.ts";
import { perform } from "./operation.ts";
import { runTask, type Task } from "./task.ts";
import { mayComeOfForgotten, Unstarted } from "./unstarted.ts";
import { identity, type Value } from "./value.ts";

/** A rule over the cells that must hold in every state. */
export interface Invariant<W> {
  /** The rule, in kebab-case: `no-pin-on-free-block`. */
  readonly name: string;
  /** `end`: only looked at where nobody can run any more. Every state, if not given. */
  readonly at?: "every-state" | "end";
  /** Pure; sees cells through `see` only. @returns null, or one sentence with the numbers in it. */
  readonly check: (world: W, see: See) => string | null;
}

/** A thread, and what it is called in diagrams. */
export interface Thread<W> {
  /** Column heading of a diagram; the thread's name if not given. */
  readonly title?: string;
  readonly body: (world: W) => Code<unknown>;
  /** What says when it begins and that it has ended. It begins at once, if not given. */
  readonly task?: (world: W) => Task;
}

/** A closed world: what it does not do does not happen. */
export interface Program<W> {
  readonly name: string;
  /** Makes all cells and objects. May be a generator, whose operations are made at once, in order. */
  readonly setup: () => W | Code<W>;
  readonly threads: Readonly<Record<string, Thread<W> | ((world: W) => Code<unknown>)>>;
  readonly invariants?: readonly Invariant<W>[];
  /** What waits and loops without end are called by. They are found without, too. */
  readonly liveness?: readonly WatchedLiveness[];
}

/** A program after its setup: the same every time, so that executions can be repeated. */
export interface Prepared {
  readonly name: string;
  /** What setup made; threads and invariants have it already. */
  readonly world: unknown;
  readonly cells: readonly Cell[];
  /** What each cell holds when the threads start. */
  readonly memory: readonly Value[];
  readonly threads: readonly PreparedThread[];
  readonly invariants: readonly PreparedInvariant[];
  readonly liveness: readonly WatchedLiveness[];
}

export interface PreparedThread {
  readonly name: string;
  readonly title: string;
  readonly start: () => Code<unknown>;
  /** What a memory model makes of each operation that the thread asks for. */
  readonly translate?: (op: Operation) => Operation;
  /** True for a thread of the machine and not of the program: it is never waited for. */
  readonly hidden?: boolean;
}

export interface PreparedInvariant {
  readonly name: string;
  readonly at: "every-state" | "end";
  readonly check: (see: See) => string | null;
}

const isGenerator = <W>(made: W | Code<W>): made is Code<W> =>
  typeof made === "object" && made !== null && Symbol.iterator in made && "next" in made && "throw" in made;

/**
 * Runs the setup of a program.
 *
 * @throws {@link PagelifeError} PL208 if the program has no threads, or if setup would wait.
 */
export function prepare<W>(program: Program<W>): Prepared {
  const { name } = program;
  const arena = new Arena();
  const memory: Value[] = [];
  const world = arena.within(() => runSetup(program, arena, memory));
  fillMemory(memory, arena.cells);

  const threads = Object.entries(program.threads).map(([threadName, thread]): PreparedThread => {
    const { title, body, task }: Partial<Thread<W>> & Pick<Thread<W>, "body"> =
      typeof thread === "function" ? { body: thread } : thread;
    const run = (): Code<unknown> => body(world);
    const taskBody = { [identity]: `thread ${threadName}`, run };
    const start = (): Code<unknown> => (task === undefined ? run() : runTask(task(world), taskBody));
    return { name: threadName, title: title ?? threadName, start };
  });
  if (threads.length === 0) throw new PagelifeError("PL208", `${name} has no threads`);
  const invariants = (program.invariants ?? []).map((i) => ({
    name: i.name,
    at: i.at ?? "every-state",
    check: (see: See) => i.check(world, see),
  }));
  const { liveness = [] } = program;
  return { name, world, cells: arena.cells, memory, threads, invariants, liveness };
}

/** Cells made since the last look hold their initial values. */
function fillMemory(memory: Value[], cells: readonly Cell[]): void {
  for (let i = memory.length; i < cells.length; i++) memory.push(cells[i]?.initial);
}

/** Runs setup; an error in it is of the user's code, and says where. */
function runSetup<W>(program: Program<W>, arena: Arena, memory: Value[]): W {
  const { name } = program;
  const unstarted = new Unstarted();
  const outer = { ...running };
  Object.assign(running, { stack: [], unstarted });
  try {
    const made = program.setup();
    const world = isGenerator(made) ? runAlone(made, arena, memory, name) : made;
    unstarted.assertNone(neverRan);
    return world;
  } catch (error) {
    if (mayComeOfForgotten(error)) unstarted.assertNone(neverRan);
    throw errorOf(`setup of ${name}`, error, null);
  } finally {
    Object.assign(running, outer);
  }
}

/** Where the user's code of setup stands: ` (at FILE:LINE)`. */
function whereSetupStands(): string {
  const own = running.stack.findLast(({ site }) => site !== null && isAbsolute(site.file));
  return own?.site ? ` (at ${own.site.file}:${own.site.line})` : "";
}

/** Steps after which setup counts as a loop without end. */
const SETUP_LIMIT = 1_000_000;

function runAlone<W>(setup: Code<W>, arena: Arena, memory: Value[], name: string): W {
  let turn = setup.next();
  for (let steps = 0; !turn.done; steps++) {
    if (steps > SETUP_LIMIT) {
      throw new PagelifeError("PL208", `setup of ${name} goes on without end${whereSetupStands()}`);
    }
    fillMemory(memory, arena.cells);
    const done = perform(turn.value, memory);
    if (done === null) {
      throw new PagelifeError(
        "PL208",
        `setup of ${name} would wait for ever: nobody else runs yet${whereSetupStands()}`,
      );
    }
    for (const { cell, value } of done.writes) memory[cell] = value;
    turn = setup.next(done.result);
  }
  return turn.value;
}
