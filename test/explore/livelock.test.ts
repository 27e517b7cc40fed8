import { describe, expect, it } from "vitest";
import { acquire, type Cell, type Code, cell, read, rmw, write } from "../../src/explore/access.ts";
import { runSchedule } from "../../src/explore/execution.ts";
import { explore } from "../../src/explore/explore.ts";
import { findLivelock, livelockOf } from "../../src/explore/livelock.ts";
import { type Program, prepare } from "../../src/explore/program.ts";
import { confirmToken, formatToken, parseToken } from "../../src/explore/replay.ts";
import { formatLoop, parseLoop } from "../../src/explore/schedule.ts";

const spinner = (writer: boolean): Program<{ flag: Cell<number> }> => ({
  name: "spinner",
  setup: () => ({ flag: cell("flag", 0) }),
  threads: {
    *spins({ flag }) {
      while ((yield* read(flag)) === 0);
    },
    *other({ flag }) {
      yield* write(flag, writer ? 1 : 0);
    },
  },
});

interface Two {
  readonly locks: readonly Cell<number>[];
}

/** Takes its own lock, tries the other's, gives its own back and begins anew; which `counts` as progress, or not. */
function* polite({ locks }: Two, me: number, counts: boolean): Code {
  const [own, other] = [locks[me] as Cell<number>, locks[1 - me] as Cell<number>];
  for (;;) {
    const got = yield* rmw([own], (n: number) => ({ next: [1], result: n === 0 }));
    if (!got) continue;
    const both = yield* rmw([other], (n: number) =>
      n === 0 ? { next: [1], result: true } : { next: [n], result: false },
    );
    if (both) break;
    yield* write(own, 0, { progress: counts });
  }
  yield* write(other, 0);
  yield* write(own, 0);
}

const afterYou = (counts: boolean): Program<Two> => ({
  name: "after-you",
  setup: () => ({ locks: [cell("a", 0), cell("b", 0)] }),
  threads: { a: (w: Two) => polite(w, 0, counts), b: (w: Two) => polite(w, 1, counts) },
});

describe("livelock, if every thread that can go on gets its turn", () => {
  it("is not a loop that another thread ends", () => {
    expect(findLivelock(prepare(spinner(true)))).toMatchObject({ counterexample: null, bound: null });
    // The plain search over states ends as well: the loop is one state.
    expect(explore(spinner(true), { livelock: true })).toMatchObject({ verdict: "holds" });
  });

  it("is a loop that nobody ends", () => {
    const { verdict, kind, property, counterexample } = explore(spinner(false), { livelock: true });
    expect({ verdict, kind, property }).toEqual({
      verdict: "violation",
      kind: "livelock",
      property: "spins",
    });
    // The other thread must have ended, or weak fairness would make it go on.
    expect(formatLoop(counterexample?.schedule ?? [], counterexample?.loop ?? null)).toBe("b~a");
    expect(counterexample?.shortest).toBe(true);
    expect(counterexample?.finding.detail).toBe(
      "spins goes round for ever in 1 step, though every thread that can go on gets its turn",
    );
    expect(explore(spinner(false))).toMatchObject({ verdict: "holds" });
  });

  it("is two threads that undo each other's work", () => {
    const { counterexample } = findLivelock(prepare(afterYou(false)));
    expect(counterexample?.finding.threads).toEqual([0, 1]);
    // From the start: both take their own, both see the other's held, both give their own back.
    expect(counterexample?.schedule).toEqual([]);
    expect(new Set(counterexample?.loop)).toEqual(new Set([0, 1]));
  });

  it("is no loop that makes progress each time, as the program says", () => {
    expect(findLivelock(prepare(afterYou(true)))).toMatchObject({ counterexample: null });
  });

  it("is found on a machine with store buffers, whose stores reach memory in the end", () => {
    expect(explore(spinner(true), { livelock: true, memory: "tso" })).toMatchObject({ verdict: "holds" });
    expect(explore(spinner(false), { livelock: true, memory: "tso" })).toMatchObject({ kind: "livelock" });
  });

  it("is unknown where a bound was reached", () => {
    expect(findLivelock(prepare(afterYou(false)), { maxStates: 5 })).toMatchObject({
      counterexample: null,
      bound: "states: 5",
    });
  });
});

describe("a replay token of a livelock", () => {
  const subject = { scenario: "s", kernel: "k", changes: [] };
  const prepared = prepare(spinner(false));
  const tokenOf = (text: string): string => {
    const { schedule, loop } = parseLoop(text);
    const execution = runSchedule(prepared, [...schedule, ...(loop ?? [])]);
    return formatToken(subject, execution, livelockOf(prepared, schedule, loop ?? []), loop);
  };
  const replay = (token: string): unknown => {
    const { schedule, loop, ...rest } = parseToken(token);
    return confirmToken({ schedule, loop, ...rest }, runSchedule(prepared, [...schedule, ...(loop ?? [])]));
  };

  it("repeats the way and one turn of the loop", () => {
    expect(tokenOf("b~a")).toMatch(/^2:s:k:-:b~a:[0-9a-f]{14}$/);
    expect(replay(tokenOf("b~a"))).toEqual(livelockOf(prepared, [1], [0]));
  });

  it("is refused where the loop does not lead back, or is not fair", () => {
    // The other thread could go on all the time, and never does.
    expect(() => replay(tokenOf("~a"))).toThrow(/PL202: the outcome differs/);
    expect(() => replay(tokenOf("~ab"))).toThrow(/PL202: the outcome differs/);
    expect(() => parseToken("2:s:k:-:b~:ca06e4e8ffb985")).toThrow(/PL202/);
    expect(() => parseToken("2:s:k:-:b~a~a:ca06e4e8ffb985")).toThrow(/PL202/);
  });
});

it("says so where setup itself goes on without end", () => {
  const program: Program<{ flag: Cell<number> }> = {
    ...spinner(false),
    *setup() {
      const flag = cell("flag", 0);
      while ((yield* read(flag)) === 0);
      return { flag };
    },
  };
  expect(() => prepare(program)).toThrow(
    /PL208: setup of spinner goes on without end \(at .*livelock\.test\.ts:129\)/,
  );
});

describe("a thread that waits for a lock", () => {
  interface Lock {
    readonly mutex: Cell<boolean>;
    readonly done: Cell<boolean>;
  }
  const take = function* (mutex: Cell<boolean>, blocks: "lock" | "event"): Code {
    yield* acquire([mutex], (held: boolean) => (held ? null : { next: [true], result: null }), { blocks });
  };
  /** One takes a lock and drops it again and again, until the other has had it once. */
  const oneAndOther = (blocks: "lock" | "event"): Program<Lock> => ({
    name: "one-and-other",
    setup: () => ({ mutex: cell("mutex", false), done: cell("done", false) }),
    threads: {
      *again({ mutex, done }) {
        while (!(yield* read(done))) {
          yield* take(mutex, "lock");
          yield* write(mutex, false);
        }
      },
      *once({ mutex, done }) {
        yield* take(mutex, blocks);
        yield* write(done, true);
        yield* write(mutex, false);
      },
    },
  });

  it("gets it some time, where it is free again and again: locks have queues", () => {
    expect(explore(oneAndOther("lock"), { livelock: true })).toMatchObject({ verdict: "holds" });
  });

  it("may starve where it waits for anything else that comes and goes", () => {
    expect(explore(oneAndOther("event"), { livelock: true })).toMatchObject({ kind: "livelock" });
  });

  it("is told in a token, too: a loop that passes it over is refused", () => {
    const prepared = prepare(oneAndOther("event"));
    const { counterexample } = explore(oneAndOther("event"), { livelock: true });
    const { schedule = [], loop = null, finding = null } = counterexample ?? {};
    const subject = { scenario: "s", kernel: "k", changes: [] };
    const run = (p: typeof prepared) => runSchedule(p, [...schedule, ...(loop ?? [])]);
    const token = parseToken(formatToken(subject, run(prepared), finding, loop));
    expect(confirmToken(token, run(prepared))).toMatchObject({ kind: "livelock" });
    expect(() => confirmToken(token, run(prepare(oneAndOther("lock"))))).toThrow(
      /PL202: the outcome differs/,
    );
  });
});
