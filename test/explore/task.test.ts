import { describe, expect, it } from "vitest";
import { type Cell, cell, fail, read, write } from "../../src/explore/access.ts";
import { bounded } from "../../src/explore/bounded.ts";
import { dpor } from "../../src/explore/dpor.ts";
import { type Exploration, explore } from "../../src/explore/explore.ts";
import { plain } from "../../src/explore/plain.ts";
import type { Program } from "../../src/explore/program.ts";
import { reduced } from "../../src/explore/reduced.ts";
import { stateful } from "../../src/explore/stateful.ts";
import { join, spawn, type Task, task } from "../../src/explore/task.ts";

interface World {
  readonly child: Task;
  readonly x: Cell<number>;
}

type Parent = Extract<Program<World>["threads"][string], (world: World) => unknown>;

/** A parent, and a child that doubles what it finds. */
const family = (parent: Parent): Program<World> => ({
  name: "family",
  setup: () => ({ child: task("child"), x: cell("x", 0) }),
  threads: {
    parent,
    child: {
      task: ({ child }) => child,
      *body({ x }) {
        yield* write(x, 2 * (yield* read(x)));
      },
    },
  },
});

function everywhere(program: Program<World>): Exploration[] {
  const found = [plain, stateful, reduced, dpor, bounded(9)].map((strategy) =>
    explore(program, { strategy }),
  );
  return [...found, explore(program, { memory: "tso" })];
}

describe("a task", () => {
  it("sees what was done before it was spawned, and what it did is seen where it was joined", () => {
    const program = family(function* parent({ child, x }) {
      yield* write(x, 3);
      yield* spawn(child);
      yield* join(child);
      const seen = yield* read(x);
      if (seen !== 6) fail("in-order", `x is ${seen}`);
    });
    for (const { verdict, search } of everywhere(program)) {
      expect(verdict).toBe("holds");
      // Nothing runs beside anything else: there is one trace. (With store buffers, the stores may commit late.)
      if (search.strategy === "dpor") expect(search.executions).toBe(1);
    }
  });

  it("runs beside its parent until it is joined", () => {
    const program = family(function* parent({ child, x }) {
      yield* spawn(child);
      yield* write(x, 3);
      yield* join(child);
      const seen = yield* read(x);
      if (seen === 0) fail("lost", "the child doubled 0 after the parent stored 3");
    });
    for (const { kind, property, counterexample } of everywhere(program)) {
      expect({ kind, property }).toEqual({ kind: "assertion", property: "lost" });
      // spawn | child begins, reads 0 | the parent stores | the child stores 0 and ends | join, look
      if (counterexample?.steps === 8) expect(counterexample.schedule).toEqual([0, 1, 1, 0, 1, 1, 0, 0]);
    }
  });

  it("that is never spawned is waited for by nobody but who joins it", () => {
    function* idle(): Generator<never, void, never> {}
    for (const { verdict } of everywhere(family(idle))) expect(verdict).toBe("holds");
    const joins = family(function* parent({ child }) {
      yield* join(child);
    });
    for (const { kind, search } of everywhere(joins)) {
      expect(kind).toBe("deadlock");
      expect(search.findings[0]?.finding.detail).toBe("nobody can go on: parent for child.ended");
    }
  });

  it("is spawned once", () => {
    const twice = family(function* parent({ child }) {
      yield* spawn(child);
      yield* spawn(child);
    });
    for (const { property } of everywhere(twice)) expect(property).toBe("spawned-once");
  });
});
