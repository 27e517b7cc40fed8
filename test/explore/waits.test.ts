// What is said of a state in which nobody can run: design by cases, each with the smallest program that shows it.
import { describe, expect, it } from "vitest";
import { type Cell, type Code, cell, rmw, type See, sleep, write } from "../../src/explore/access.ts";
import { bounded } from "../../src/explore/bounded.ts";
import { dpor } from "../../src/explore/dpor.ts";
import { explore } from "../../src/explore/explore.ts";
import { plain } from "../../src/explore/plain.ts";
import type { Program } from "../../src/explore/program.ts";
import { reduced } from "../../src/explore/reduced.ts";
import { stateful } from "../../src/explore/stateful.ts";

interface Waiter {
  readonly name: string;
  /** Who was woken in its place. */
  readonly instead: string | null;
  readonly [field: string]: string | null;
}

interface World {
  /** Units that can be taken. */
  readonly units: Cell<number>;
  readonly queue: Cell<readonly Waiter[]>;
  readonly woken: Readonly<Record<string, Cell<boolean>>>;
}

const setup = (): World => ({
  units: cell("units", 0),
  queue: cell<readonly Waiter[]>("queue", []),
  woken: { a: cell("a.woken", false), b: cell("b.woken", false) },
});

/** Waits, as an exclusive waiter, until there is a unit. */
function* waitForUnit({ units, queue, woken }: World, name: string): Code {
  const own = woken[name] as Cell<boolean>;
  yield* rmw([queue], (q: readonly Waiter[]) => ({ next: [[...q, { name, instead: null }]], result: null }));
  yield* sleep(own, {
    text: "a unit",
    condition: (see: See) => see(units) > 0,
    wokenInstead: (see: See) => see(queue).find((w) => w.name === name)?.instead ?? null,
  });
}

/** Wakes the first of the queue, if there is one. */
function* wakeNext({ queue, woken }: World): Code {
  yield* rmw(
    [queue, ...Object.values(woken)],
    ([first, ...rest]: readonly Waiter[], ...flags: boolean[]) => ({
      next: [
        rest.map((w) => ({ ...w, instead: first?.name ?? null })),
        ...Object.keys(woken).map((name, i) => flags[i] === true || name === first?.name),
      ],
      result: null,
    }),
  );
}

/** Puts a unit there, and wakes one who waits. */
function* give(world: World): Code {
  yield* rmw([world.units], (n: number) => ({ next: [n + 1], result: null }));
  yield* wakeNext(world);
}

/** @param passesOn Whether a waiter who has no use for the unit wakes the next. */
const pool = (passesOn: boolean): Program<World> => ({
  name: "pool",
  setup,
  threads: {
    *a(world) {
      yield* waitForUnit(world, "a");
      if (passesOn) yield* wakeNext(world);
    },
    *b(world) {
      yield* waitForUnit(world, "b");
      if (passesOn) yield* wakeNext(world);
    },
    give,
  },
});

describe("a state in which nobody can run", () => {
  const strategies = [plain, stateful, reduced, dpor, bounded(9)];

  it("is a lost exclusive wakeup where the one who was woken woke nobody", () => {
    // Missed as well: a waiter that comes after the unit finds nobody to wake it.
    for (const strategy of strategies) {
      const { search } = explore(pool(false), { strategy });
      expect(search.findings.map((f) => f.finding.kind)).toEqual(["missed-wakeup", "lost-exclusive-wakeup"]);
    }
  });

  it("says who was woken", () => {
    // Either may be; of two sentences the first in the alphabet is kept.
    const found = explore(pool(false)).search.findings.at(-1)?.finding;
    expect(found?.detail).toBe(
      "a waits for ever for a unit: it is so, but b was woken in its place and woke nobody",
    );
  });

  it("is only a missed wakeup where each passes it on: the unit came before the waiter", () => {
    for (const strategy of strategies) {
      const { search } = explore(pool(true), { strategy });
      expect(search.findings.map((f) => f.finding.kind)).toEqual(["missed-wakeup"]);
    }
  });

  it("is a stuck wait where the goal is reached and the condition cannot come true, else a deadlock", () => {
    const sleeper = (goal: boolean): Program<{ x: Cell<number>; woken: Cell<boolean> }> => ({
      name: "sleeper",
      setup: () => ({ x: cell("x", 0), woken: cell("woken", false) }),
      threads: {
        *sleeps({ x, woken }) {
          yield* sleep(woken, {
            text: "x is 2",
            condition: (see) => see(x) === 2,
            goal: (see) => goal && see(x) === 1,
          });
        },
        *writes({ x }) {
          yield* write(x, 1);
        },
      },
    });
    for (const strategy of strategies) {
      expect(explore(sleeper(true), { strategy }).kind).toBe("stuck-wait");
      expect(explore(sleeper(false), { strategy }).kind).toBe("deadlock");
    }
  });
});
