import { describe, expect, it } from "vitest";
import { acquire, type Cell, cell, read, rmw, write } from "../../src/explore/access.ts";
import { type CheckpointStore, withCheckpoints } from "../../src/explore/checkpoint.ts";
import { type Program, prepare } from "../../src/explore/program.ts";
import { reduced } from "../../src/explore/reduced.ts";
import type { SearchResult } from "../../src/explore/strategy.ts";

interface World {
  readonly lock: Cell<number>;
  /** Many cells, so that states are packed in chunks. */
  readonly cells: readonly Cell<number>[];
}

const program = (name = "long", threads = 3): Program<World> => ({
  name,
  setup: () => ({ lock: cell("lock", 0), cells: Array.from({ length: 20 }, (_, i) => cell(`c${i}`, 0)) }),
  threads: Object.fromEntries(
    Array.from({ length: threads }, (_, t) => [
      `t${t}`,
      function* body({ lock, cells }: World) {
        for (let i = 0; i < 3; i++) {
          const count = yield* read(cells[15] as Cell<number>);
          yield* write(cells[15] as Cell<number>, count + 1);
        }
        for (let i = 2; i < 4; i++) {
          yield* acquire([lock], (held: number) => (held === 0 ? { next: [1], result: null } : null));
          const seen = yield* read(cells[i] as Cell<number>);
          yield* write(cells[i] as Cell<number>, seen + 1);
          yield* write(lock, 0);
          yield* rmw([cells[10] as Cell<number>], (n: number) => ({ next: [(n + t + 1) % 5], result: null }));
        }
      },
    ]),
  ),
  invariants: [
    { name: "at-most-two", check: ({ cells }, see) => (see(cells[3] as Cell<number>) > 2 ? "three" : null) },
  ],
});

class Kept implements CheckpointStore {
  readonly writes: Uint8Array[] = [];
  readonly #first: Uint8Array | null;

  constructor(first: Uint8Array | null = null) {
    this.#first = first;
  }

  read(): Uint8Array | null {
    return this.#first;
  }

  write(bytes: Uint8Array): void {
    this.writes.push(Uint8Array.from(bytes));
  }
}

const compare = ({ bytes: _, ...rest }: SearchResult): unknown => rest;

describe("a search that is killed", () => {
  it("ends with the same result from whichever checkpoint it goes on", () => {
    const whole = reduced.search(prepare(program()), {});
    expect(whole).toMatchObject({ complete: true });
    const kept = new Kept();
    expect(compare(withCheckpoints({ store: kept, everyMillis: 0 }).search(prepare(program()), {}))).toEqual(
      compare(whole),
    );
    expect(kept.writes.length).toBeGreaterThan(2);
    const some = kept.writes.filter((_, i) => i % Math.ceil(kept.writes.length / 4) === 0);
    for (const bytes of some) {
      const resumed = withCheckpoints({ store: new Kept(bytes), everyMillis: 1e9 }).search(
        prepare(program()),
        {},
      );
      expect(compare(resumed)).toEqual(compare(whole));
    }
  });

  it("is refused a checkpoint that is damaged, or of another program", () => {
    const kept = new Kept();
    withCheckpoints({ store: kept, everyMillis: 0 }).search(prepare(program()), {});
    const bytes = kept.writes[0] as Uint8Array;
    const damaged = Uint8Array.from(bytes);
    damaged[damaged.length - 5] = (damaged[damaged.length - 5] as number) ^ 1;
    const goOn = (from: Uint8Array, name: string) => () =>
      withCheckpoints({ store: new Kept(from), everyMillis: 0 }).search(prepare(program(name)), {});
    expect(goOn(damaged, "long")).toThrow(/PL202: the checkpoint is damaged/);
    expect(goOn(bytes.slice(0, 20), "long")).toThrow(/PL202: the checkpoint is damaged/);
    expect(goOn(bytes, "other")).toThrow(/PL202: the checkpoint is of another program than other/);
  });
});
