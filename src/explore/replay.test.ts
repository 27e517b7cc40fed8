import { describe, expect, it } from "vitest";
import { acquire, type Cell, cell, fail, read, rmw, write } from "./access.ts";
import { runSchedule } from "./execution.ts";
import { type Prepared, type Program, prepare } from "./program.ts";
import { confirmToken, formatToken, parseToken } from "./replay.ts";
import { parseSchedule } from "./schedule.ts";

interface World {
  readonly lock: Cell<number>;
  readonly other: Cell<number>;
  readonly list: Cell<readonly { readonly at: number }[]>;
}

/** Two locks in two orders, and a list that grows under both. */
function program(lockName = "lock"): Prepared {
  const made: Program<World> = {
    name: "p",
    setup: () => ({
      lock: cell(lockName, 0),
      other: cell("other", 0),
      list: cell<readonly { at: number }[]>("list", []),
    }),
    threads: {
      *a({ lock, other, list }) {
        yield* acquire([lock], (n: number) => (n === 0 ? { next: [1], result: null } : null));
        yield* acquire([other], (n: number) => (n === 0 ? { next: [1], result: null } : null));
        yield* rmw([list], (l: World["list"]["initial"]) => ({
          next: [[...l, { at: 1 }]],
          result: l.length,
        }));
        yield* write(other, 0);
        yield* write(lock, 0);
      },
      *b({ lock, other, list }) {
        const before = yield* read(list);
        yield* acquire([other], (n: number) => (n === 0 ? { next: [1], result: null } : null));
        yield* acquire([lock], (n: number) => (n === 0 ? { next: [1], result: null } : null));
        const after = yield* read(list);
        if (after !== before) fail("stable", `the list has ${after.length}`);
        yield* write(lock, 0);
        yield* write(other, 0);
      },
    },
    invariants: [{ name: "short", check: ({ list }, see) => (see(list).length > 5 ? "long" : null) }],
  };
  return prepare(made);
}

/** Repeats a token, and says what it shows. */
function replay(prepared: Prepared, text: string): string {
  const token = parseToken(text);
  const finding = confirmToken(token, runSchedule(prepared, token.schedule));
  return finding === null ? "completed" : `${finding.kind}: ${finding.detail}`;
}

describe("a replay token", () => {
  // Written by the version of the commit "Share the world of a pinned file between the two scenarios that begin with
  // it": what a token rests on must stay, whatever else becomes of the engine.
  const OLD = {
    completed: "1:s:v1:one+two:a5b6:831c59e44c0cde",
    deadlock: "1:s:v1:one+two:ab2:dff61f8c24ddf8",
    failure: "1:s:v1:one+two:ba5b3:f2fcc2f1b4e151",
  };

  it("of an older version shows what it showed then", () => {
    expect(replay(program(), OLD.completed)).toBe("completed");
    expect(replay(program(), OLD.deadlock)).toBe("deadlock: nobody can go on: a for other, b for lock");
    expect(replay(program(), OLD.failure)).toBe("assertion: the list has 1");
  });

  it("is written as it was then", () => {
    const subject = { scenario: "s", kernel: "v1", changes: ["one", "two"] };
    const token = (schedule: string): string => {
      const execution = runSchedule(program(), parseSchedule(schedule));
      return formatToken(subject, execution, execution.findings()[0] ?? null);
    };
    expect([token("a5b6"), token("ab2"), token("ba5b3")]).toEqual(Object.values(OLD));
  });

  it("names what it was found in", () => {
    expect(parseToken(OLD.deadlock)).toMatchObject({
      scenario: "s",
      kernel: "v1",
      changes: ["one", "two"],
      schedule: [0, 1, 1],
      loop: null,
    });
  });

  it("is refused, with a code, where it is not of the program as it is now", () => {
    const of = (prepared: Prepared, token: string) => () => replay(prepared, token);
    // Another cell in one step; another step; another outcome; a step that cannot be made; no token at all.
    expect(of(program("mutex"), OLD.completed)).toThrow(/^PL202: the steps differ/);
    expect(of(program(), OLD.failure.replace("ba5b3", "ba5b2"))).toThrow(/^PL202: the outcome differs/);
    expect(of(program(), OLD.completed.replace("a5b6", "a3b6"))).toThrow(
      /^PL202: step 5 resumes "b", which cannot run there \(runnable: a\)/,
    );
    expect(of(program(), OLD.completed.replace(/^1/, "9"))).toThrow(
      /^PL202: .* is not a replay token of format 1 or 2/,
    );
    expect(of(program(), OLD.completed.replace("a5b6", "a5!"))).toThrow(/^PL202: "a5!" is not a schedule/);
  });
});
