import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Cell, type Code, cell, read, write } from "../../src/explore/access.ts";
import { audit } from "../../src/explore/audit.ts";
import { type Program, prepare } from "../../src/explore/program.ts";
import { program, sketch } from "./random-program.ts";

const seed = Number(process.env.SEED ?? 20261121);

/** State that no key can show: what design.md forbids. */
let runs = 0;

describe(`the audit (SEED=${seed})`, () => {
  it("finds nothing in random programs, whose state is all in cells and locals", () => {
    let compared = 0;
    fc.assert(
      fc.property(sketch(3, 4), (s) => {
        compared += audit(prepare(program(s)), { maxStates: 2000 });
      }),
      { seed, numRuns: 60 },
    );
    expect(compared).toBeGreaterThan(30);
  });

  it("finds a thread that keeps state in a variable of its module", () => {
    const forgetful: Program<Cell<number>> = {
      name: "forgetful",
      setup: () => cell("a", 0),
      threads: {
        *one(a): Code {
          const seen = yield* read(a);
          runs += 1;
          yield* write(a, seen < 9 ? 3 : 4);
          // The same operation on the same cell, so that a search does not notice when it runs the thread again.
          if (runs % 3 === 0) yield* write(a, 5);
          else yield* write(a, 6);
        },
        *two(a): Code {
          yield* write(a, 1);
          yield* write(a, 2);
        },
      },
    };
    expect(() => audit(prepare(forgetful))).toThrow(/PL206: thread one: after/);
  });
});
