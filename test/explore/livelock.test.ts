import { describe, expect, it } from "vitest";
import { type Cell, type Code, cell, read, rmw, write } from "../../src/explore/access.ts";
import { explore } from "../../src/explore/explore.ts";
import { findLivelock } from "../../src/explore/livelock.ts";
import { type Program, prepare } from "../../src/explore/program.ts";
import { formatSchedule } from "../../src/explore/schedule.ts";

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

/** Takes its own lock, tries the other's, gives its own back and begins anew. */
function* polite({ locks }: Two, me: number): Code {
  const [own, other] = [locks[me] as Cell<number>, locks[1 - me] as Cell<number>];
  for (;;) {
    const got = yield* rmw([own], (n: number) => ({ next: [1], result: n === 0 }));
    if (!got) continue;
    const both = yield* rmw([other], (n: number) =>
      n === 0 ? { next: [1], result: true } : { next: [n], result: false },
    );
    if (both) break;
    yield* write(own, 0);
  }
  yield* write(other, 0);
  yield* write(own, 0);
}

describe("livelock, if every thread that can go on gets its turn", () => {
  it("is not a loop that another thread ends", () => {
    expect(findLivelock(prepare(spinner(true)))).toMatchObject({ livelock: null, complete: true });
    // The plain search over states ends as well: the loop is one state.
    expect(explore(spinner(true))).toMatchObject({ verdict: "holds" });
  });

  it("is a loop that nobody ends", () => {
    const { livelock } = findLivelock(prepare(spinner(false)));
    expect(livelock?.threads).toEqual(["spins"]);
    expect(livelock?.detail).toBe(
      "spins can go round for ever in 1 states, though every thread gets its turn",
    );
  });

  it("is two threads that undo each other's work", () => {
    const program: Program<Two> = {
      name: "after-you",
      setup: () => ({ locks: [cell("a", 0), cell("b", 0)] }),
      threads: { a: (w: Two) => polite(w, 0), b: (w: Two) => polite(w, 1) },
    };
    const { livelock } = findLivelock(prepare(program));
    expect(livelock?.threads).toEqual(["a", "b"]);
    expect(formatSchedule(livelock?.stem ?? [])).toBe("");
  });
});
