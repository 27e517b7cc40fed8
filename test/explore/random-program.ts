// Small random programs over a few cells, with everything that a program can do: reads, writes,
// read-modify-writes, locks, sleeps and wakes of one or all, spawn and join, failures, bounded retries,
// invariants over one cell or two.
import fc from "fast-check";
import {
  acquire,
  type Cell,
  type Code,
  cell,
  fail,
  modelled,
  read,
  rmw,
  sleep,
  write,
} from "../../src/explore/access.ts";
import type { Invariant, Program, Thread } from "../../src/explore/program.ts";
import { join, spawn, type Task, task } from "../../src/explore/task.ts";
import type { Modelled } from "../../src/explore/value.ts";

/** One instruction; `c` names a data cell, `l` a lock. */
export type Instruction =
  | { readonly do: "read"; readonly c: number }
  | { readonly do: "write"; readonly c: number; readonly value: number }
  | { readonly do: "store"; readonly c: number }
  | { readonly do: "add"; readonly c: number }
  | { readonly do: "cas"; readonly c: number; readonly old: number; readonly value: number }
  | { readonly do: "lock" | "unlock"; readonly l: number }
  | { readonly do: "sleep" }
  | { readonly do: "wake-one" | "wake-all" }
  | { readonly do: "spawn" | "join" }
  /** Reads until it sees the value: a loop without end, if it never comes. */
  | { readonly do: "spin-until"; readonly c: number; readonly value: number }
  | { readonly do: "fail-if"; readonly value: number }
  | { readonly do: "skip-unless"; readonly value: number }
  | { readonly do: "retry-unless"; readonly value: number };

export interface Sketch {
  readonly threads: readonly (readonly Instruction[])[];
  /** The last thread is a task, which the others may spawn and join; else it begins with them. */
  readonly task: boolean;
  readonly rules: readonly {
    readonly a: number;
    readonly x: number;
    readonly b: number;
    readonly y: number;
  }[];
}

const CELLS = 3;
const LOCKS = 2;

const data = fc.nat(CELLS - 1);
const value = fc.nat(2);
const instruction: fc.Arbitrary<Instruction> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("read" as const), c: data }) },
  { weight: 7, arbitrary: fc.record({ do: fc.constant("write" as const), c: data, value }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("store" as const), c: data }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("add" as const), c: data }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cas" as const), c: data, old: value, value }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom("lock" as const, "unlock" as const), l: fc.nat(LOCKS - 1) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("sleep" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("wake-one" as const, "wake-all" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("spawn" as const, "spawn" as const, "join" as const) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("fail-if" as const), value }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("skip-unless" as const), value }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("retry-unless" as const), value }) },
);

const spin: fc.Arbitrary<Instruction> = fc.record({ do: fc.constant("spin-until" as const), c: data, value });

/**
 * @param length Instructions in a thread, at most.
 * @param spins  Whether there may be loops without end, which only a search that keeps states ends on.
 */
export const sketch = (threads: number, length: number, spins = false): fc.Arbitrary<Sketch> =>
  fc.record({
    threads: fc.array(
      fc.array(spins ? fc.oneof({ weight: 9, arbitrary: instruction }, spin) : instruction, {
        minLength: 1,
        maxLength: length,
      }),
      {
        minLength: 2,
        maxLength: threads,
      },
    ),
    task: fc.boolean(),
    rules: fc.array(
      // Over two cells, one of which often still has its first value: the order of two stores decides.
      fc.record({ a: data, x: fc.nat(1), b: data, y: fc.constantFrom(0, 0, 1, 2) }),
      { maxLength: 3 },
    ),
  });

interface World {
  readonly data: readonly Cell<number>[];
  readonly locks: readonly Cell<number>[];
  readonly queue: Cell<readonly number[]>;
  readonly woken: readonly Cell<boolean>[];
  readonly child: Task;
  readonly scripts: readonly (Modelled & { readonly steps: readonly Instruction[] })[];
}

function* run(world: World, thread: number): Code {
  const script = world.scripts[thread] as World["scripts"][number];
  let seen = 0;
  let retries = 1;
  // Two threads may spawn the task, which is a finding; one of them does it once.
  let spawned = false;
  for (let at = 0; at < script.steps.length; at++) {
    const step = script.steps[at] as Instruction;
    switch (step.do) {
      case "read":
        seen = yield* read(world.data[step.c] as Cell<number>);
        break;
      case "write":
        yield* write(world.data[step.c] as Cell<number>, step.value);
        break;
      case "store":
        yield* write(world.data[step.c] as Cell<number>, seen);
        break;
      case "add":
        seen = yield* rmw([world.data[step.c] as Cell<number>], (n: number) => ({
          next: [(n + 1) % 3],
          result: n,
        }));
        break;
      case "cas": {
        const { old, value: next } = step;
        const swapped = yield* rmw([world.data[step.c] as Cell<number>], (n: number) =>
          n === old ? { next: [next], result: true } : { next: [n], result: false },
        );
        seen = swapped ? 1 : 0;
        break;
      }
      case "lock":
        yield* acquire([world.locks[step.l] as Cell<number>], (held: number) =>
          held === 0 ? { next: [1], result: null } : null,
        );
        break;
      case "unlock":
        yield* write(world.locks[step.l] as Cell<number>, 0);
        break;
      case "sleep": {
        const woken = world.woken[thread] as Cell<boolean>;
        yield* rmw([world.queue], (q: readonly number[]) => ({ next: [[...q, thread]], result: null }));
        yield* sleep(woken, { text: "x", condition: (see) => see(world.data[0] as Cell<number>) === 1 });
        break;
      }
      case "wake-one":
      case "wake-all": {
        const all = step.do === "wake-all";
        yield* rmw([world.queue, ...world.woken], (q: readonly number[], ...woken: boolean[]) => {
          const out = all ? q : q.slice(0, 1);
          return {
            next: [all ? [] : q.slice(1), ...woken.map((w, i) => w || out.includes(i))],
            result: null,
          };
        });
        break;
      }
      case "spawn":
        if (!spawned) yield* spawn(world.child);
        spawned = true;
        break;
      case "join":
        yield* join(world.child);
        break;
      case "spin-until":
        while ((yield* read(world.data[step.c] as Cell<number>)) !== step.value);
        break;
      case "fail-if":
        if (seen === step.value) fail("saw", `saw ${seen}`);
        break;
      case "skip-unless":
        if (seen !== step.value) at++;
        break;
      case "retry-unless":
        if (seen !== step.value && retries > 0) {
          retries--;
          at = -1;
        }
        break;
    }
  }
}

export const program = ({ threads, task: last, rules }: Sketch): Program<World> => ({
  name: "random",
  setup: () => ({
    data: Array.from({ length: CELLS }, (_, i) => cell(`d${i}`, 0)),
    locks: Array.from({ length: LOCKS }, (_, i) => cell(`l${i}`, 0)),
    queue: cell<readonly number[]>("queue", []),
    woken: threads.map((_, i) => cell(`woken${i}`, false)),
    child: task("child"),
    scripts: threads.map((steps) => modelled("script", { steps })),
  }),
  threads: Object.fromEntries(
    threads.map((_, t): [string, Thread<World>] => [
      `t${t}`,
      {
        body: (world) => run(world, t),
        ...(last && t === threads.length - 1 ? { task: ({ child }: World) => child } : {}),
      },
    ]),
  ),
  invariants: rules.map(
    ({ a, x, b, y }, i): Invariant<World> => ({
      name: `rule-${i}`,
      check: (world, see) =>
        see(world.data[a] as Cell<number>) === x + 1 && see(world.data[b] as Cell<number>) === y
          ? `d${a}=${x + 1} and d${b}=${y}`
          : null,
    }),
  ),
});

/** Written so that it can be pasted into a test. */
export const written = (s: Sketch): string => JSON.stringify(s);
