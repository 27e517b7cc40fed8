import { describe, expect, it } from "vitest";
import { acquire, type Cell, type Code, cell, read, sleep, write } from "../../src/explore/access.ts";
import { explore } from "../../src/explore/explore.ts";
import type { WatchedLiveness } from "../../src/explore/liveness.ts";
import { plain } from "../../src/explore/plain.ts";
import type { Program } from "../../src/explore/program.ts";

function* lock(mutex: Cell<boolean>): Code {
  yield* acquire([mutex], (held: boolean) => (held ? null : { next: [true], result: null }), {
    blocks: "lock",
  });
}

/** Sleeps until somebody wakes it, which nobody does. */
function* waits(woken: Cell<boolean>): Code {
  yield* sleep(woken, { text: "the end", condition: () => true });
}

interface World {
  readonly mutex: Cell<boolean>;
  readonly woken: Cell<boolean>;
}

function* holdsAndWaits({ mutex, woken }: World): Code {
  yield* lock(mutex);
  yield* waits(woken);
}

function* gives({ mutex }: World): Code {
  yield* lock(mutex);
  yield* write(mutex, false);
}

const sleeper = (...liveness: WatchedLiveness[]): Program<World> => ({
  name: "sleeper",
  setup: () => ({ mutex: cell("mutex", false), woken: cell("woken", false) }),
  threads: { holdsAndWaits },
  liveness,
});

/** Two that wait for each other: one sleeps with the lock that the other wants. */
const pair = (...liveness: WatchedLiveness[]): Program<World> => ({
  ...sleeper(...liveness),
  name: "pair",
  threads: {
    *waiter({ mutex, woken }: World) {
      yield* lock(mutex);
      yield* sleep(woken, { text: "gives", condition: () => false });
    },
    gives,
  },
});

const watched = (name: string, ...functions: string[]): WatchedLiveness => ({
  name,
  functions,
  watched: true,
});
const unwatched = (name: string, ...functions: string[]): WatchedLiveness => ({
  name,
  functions,
  watched: false,
});

describe("a promise that a call returns", () => {
  it("gives a wait without end its name; one that no promise is about is found without", () => {
    const { search } = explore(sleeper(watched("wait-returns", "waits")));
    expect(search.findings.map((f) => f.finding)).toMatchObject([
      { kind: "missed-wakeup", liveness: ["wait-returns"] },
    ]);
    const [bare] = explore(sleeper(watched("other-returns", "other"))).search.findings;
    expect(bare?.finding).toMatchObject({ kind: "missed-wakeup" });
    expect(bare?.finding.liveness).toBeUndefined();
  });

  it("is that of the innermost call", () => {
    const outer = watched("all-returns", "holdsAndWaits");
    const named = (...liveness: WatchedLiveness[]): unknown =>
      explore(sleeper(...liveness)).search.findings[0]?.finding.liveness;
    expect(named(outer)).toEqual(["all-returns"]);
    expect(named(outer, watched("wait-returns", "waits"))).toEqual(["wait-returns"]);
  });

  it("is not asked for where it is left out: then the wait is no finding, whoever searches", () => {
    const program = sleeper(unwatched("wait-returns", "waits"));
    expect(explore(program)).toMatchObject({ verdict: "holds" });
    expect(explore(program, { strategy: plain })).toMatchObject({ verdict: "holds" });
  });

  it("is one of several in a deadlock, which is found if any of them is asked for", () => {
    const ofBoth = (...liveness: WatchedLiveness[]): unknown =>
      explore(pair(...liveness)).search.findings.find((f) => f.finding.threads.length === 2)?.finding
        .liveness;
    expect(ofBoth(watched("a", "waiter"), watched("b", "gives"))).toEqual(["a", "b"]);
    expect(ofBoth(unwatched("a", "waiter"), watched("b", "gives"))).toEqual(["b"]);
    expect(explore(pair(unwatched("a", "waiter"), unwatched("b", "gives")))).toMatchObject({
      verdict: "holds",
    });
  });
});

describe("a loop without end", () => {
  function* polls(flag: Cell<number>): Code {
    while ((yield* read(flag)) === 0);
  }
  const spinner = (...liveness: WatchedLiveness[]): Program<{ flag: Cell<number>; done: Cell<number> }> => ({
    name: "spinner",
    setup: () => ({ flag: cell("flag", 0), done: cell("done", 0) }),
    threads: {
      *spins({ flag, done }) {
        yield* write(done, 0);
        yield* polls(flag);
      },
    },
    liveness,
  });

  it("breaks the promise of the call that the thread does not get out of", () => {
    const { counterexample } = explore(spinner(watched("poll-returns", "polls")), { livelock: true });
    expect(counterexample?.finding).toMatchObject({ kind: "livelock", liveness: ["poll-returns"] });
  });

  it("is passed over where nobody asks for that promise, and another loop is found instead", () => {
    expect(explore(spinner(unwatched("poll-returns", "polls")), { livelock: true })).toMatchObject({
      verdict: "holds",
    });
    const two = spinner(unwatched("poll-returns", "polls"));
    const program: typeof two = {
      ...two,
      threads: {
        *either({ flag, done }) {
          if ((yield* read(done)) === 0) yield* polls(flag);
          else for (;;) yield* write(done, 1);
        },
        *other({ done }) {
          yield* write(done, 1);
        },
      },
    };
    const { counterexample } = explore(program, { livelock: true });
    expect(counterexample?.finding).toMatchObject({ kind: "livelock", property: "either" });
    expect(counterexample?.finding.liveness).toBeUndefined();
  });

  it("breaks no promise of a call that it gets out of and makes anew", () => {
    const again: Program<{ flag: Cell<number> }> = {
      name: "again",
      setup: () => ({ flag: cell("flag", 1) }),
      threads: {
        *calls({ flag }) {
          for (;;) {
            yield* polls(flag);
            yield* write(flag, 1);
          }
        },
      },
      liveness: [unwatched("poll-returns", "polls")],
    };
    const { counterexample } = explore(again, { livelock: true });
    expect(counterexample?.finding).toMatchObject({ kind: "livelock", property: "calls" });
  });
});
