import { describe, expect, it } from "vitest";
import { type Cell, cell, ghostCell, read, write } from "../../src/explore/access.ts";
import { explore } from "../../src/explore/explore.ts";
import { type Prepared, type Program, prepare } from "../../src/explore/program.ts";
import { reduced } from "../../src/explore/reduced.ts";
import { finalStates, stateful } from "../../src/explore/stateful.ts";
import { underTso } from "../../src/explore/tso.ts";
import { litmusProgram, litmusTests } from "./lkmm.ts";

/** What an enumerator of its own would say: states, transitions, final outcomes. */
function counts(prepared: Prepared): number[] {
  const { states, steps } = stateful.search(prepared, {});
  return [states, steps, finalStates(prepared).length];
}

const verdict = (prepared: Prepared): string =>
  reduced.search(prepared, {}).findings.some((f) => f.finding.property === "outcome") ? "Sometimes" : "Never";

describe.each(litmusTests)("$name", (test) => {
  const sc = prepare(litmusProgram(test));
  const tso = underTso(sc);

  it("never under sequential consistency", () => {
    expect(verdict(sc)).toBe("Never");
  });

  it(`${test.tso} under x86-TSO`, () => {
    expect(verdict(tso)).toBe(test.tso);
  });

  it("has the states, transitions and outcomes that another enumerator counted", () => {
    expect({ sc: counts(sc), tso: counts(tso) }).toEqual(test.counts);
  });
});

describe("x86-TSO", () => {
  it("shows three of the twelve tests that the kernel's model allows; the rest need a weaker machine", () => {
    expect(litmusTests).toHaveLength(35);
    expect(litmusTests.filter((t) => t.lkmm === "Sometimes")).toHaveLength(12);
    expect(litmusTests.filter((t) => t.tso === "Sometimes").map((t) => t.name)).toEqual([
      "R+poonceonces",
      "SB+poonceonces",
      "SB+rfionceonce-poonceonces",
    ]);
  });
});

describe("ghost state under x86-TSO", () => {
  interface World {
    readonly x: Cell<number>;
    readonly seen: Cell<number>;
    readonly stored: Cell<boolean>;
  }
  const program: Program<World> = {
    name: "ghosts",
    setup: () => ({ x: cell("x", 0), seen: cell("seen", 0), stored: ghostCell("stored", false) }),
    threads: {
      *writer({ x, seen, stored }) {
        yield* write(x, 1, { ghosts: [{ cell: stored, update: () => true }] });
        yield* write(seen, yield* read(x));
      },
    },
    invariants: [
      {
        name: "the-note-tells-what-memory-holds",
        check: ({ x, stored }, see) => (see(stored) === (see(x) === 1) ? null : "the note is early or late"),
      },
    ],
  };

  it("changes when the store commits, and the thread sees its own store before", () => {
    const { verdict, search, prepared } = explore(program, { memory: "tso", strategy: stateful });
    expect({ verdict, complete: search.complete }).toEqual({ verdict: "holds", complete: true });
    expect(finalStates(prepared)).toEqual(["[1,1,T,[]]"]);
  });
});
