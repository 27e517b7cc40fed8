// Programs whose number of Mazurkiewicz traces is published or was counted by other tools: the oracle of
// `dpor.ts`. One step is one access; making and joining threads adds no traces, so all threads are there
// from the start.
import { acquire, type Cell, type Code, cell, read, rmw, write } from "../../src/explore/access.ts";
import type { Program } from "../../src/explore/program.ts";

/** A program with its number of traces and where that is from. */
export interface Counted {
  readonly name: string;
  readonly traces: number;
  readonly source: string;
  readonly program: Program<Memory>;
}

interface Memory {
  readonly x: readonly Cell<number>[];
}
type Body = (memory: Memory) => Code<unknown>;

const at = (memory: Memory, i: number): Cell<number> => memory.x[i] as Cell<number>;

function program(name: string, cells: number, bodies: readonly Body[]): Program<Memory> {
  return {
    name,
    setup: () => ({ x: Array.from({ length: cells }, (_, i) => cell(`x${i}`, 0)) }),
    threads: Object.fromEntries(bodies.map((body, i) => [`t${i}`, body])),
  };
}

const times = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));

// Steps.

function* fetchAdd(c: Cell<number>): Code<number> {
  return yield* rmw([c], (n: number) => ({ next: [n + 1], result: n }));
}
function* compareAndSwap(c: Cell<number>, from: number, to: number): Code<boolean> {
  return yield* rmw([c], (n: number) =>
    n === from ? { next: [to], result: true } : { next: [n], result: false },
  );
}
function* lock(c: Cell<number>): Code {
  yield* acquire([c], (held: number) => (held === 0 ? { next: [1], result: null } : null));
}
function* unlock(c: Cell<number>): Code {
  yield* write(c, 0);
}

/** Straight-line code as text: `Wx` writes, `Rx` reads, cells are letters. */
export function straight(name: string, text: string): Program<Memory> {
  const threads = text.split("|").map((t) => t.trim().split(/\s+/));
  const letters = [...new Set(threads.flat().map((a) => a.slice(1)))];
  return program(
    name,
    letters.length,
    threads.map(
      (accesses, t) =>
        function* straightLine(memory): Code {
          for (let i = 0; i < accesses.length; i++) {
            const access = accesses[i] as string;
            const c = at(memory, letters.indexOf(access.slice(1)));
            if (access.startsWith("W")) yield* write(c, t * 100 + i + 1);
            else yield* read(c);
          }
        },
    ),
  );
}

// Families.

const readers = (n: number): Program<Memory> =>
  straight(`readers(${n})`, ["Wx", ...times(n, () => "Rx")].join("|"));

const lastzero = (n: number): Program<Memory> =>
  program(`lastzero(${n})`, n + 1, [
    function* lastZero(memory): Code {
      let i = n;
      while ((yield* read(at(memory, i))) !== 0) i--;
    },
    ...times(
      n,
      (j): Body =>
        function* writer(memory): Code {
          const left = yield* read(at(memory, j));
          yield* write(at(memory, j + 1), left + 1);
        },
    ),
  ]);

const indexer = (n: number): Program<Memory> =>
  program(
    `indexer(${n})`,
    128,
    times(
      n,
      (tid): Body =>
        function* index(memory): Code {
          for (let m = 0; m < 4; m++) {
            const w = m * 11 + tid;
            let h = (w * 7) % 128;
            for (;;) {
              const swapped = yield* compareAndSwap(at(memory, h), 0, w);
              if (swapped) break;
              h = (h + 1) % 128;
            }
          }
        },
    ),
  );

const BLOCKS = 26;
const INODES = 32;

/** Cells: locks of inodes, inodes, locks of blocks, blocks. */
const filesystem = (n: number): Program<Memory> =>
  program(
    `filesystem(${n})`,
    2 * INODES + 2 * BLOCKS,
    times(
      n,
      (tid): Body =>
        function* create(memory): Code {
          const i = tid % INODES;
          yield* lock(at(memory, i));
          const inode = yield* read(at(memory, INODES + i));
          if (inode === 0) {
            let b = (i * 2) % BLOCKS;
            for (;;) {
              yield* lock(at(memory, 2 * INODES + b));
              const busy = yield* read(at(memory, 2 * INODES + BLOCKS + b));
              if (busy === 0) {
                yield* write(at(memory, 2 * INODES + BLOCKS + b), 1);
                yield* write(at(memory, INODES + i), b + 1);
                yield* unlock(at(memory, 2 * INODES + b));
                break;
              }
              yield* unlock(at(memory, 2 * INODES + b));
              b = (b + 1) % BLOCKS;
            }
          }
          yield* unlock(at(memory, i));
        },
    ),
  );

const popl: Program<Memory> = program("popl-example", 3, [
  function* p(m): Code {
    yield* write(at(m, 0), 1);
  },
  function* q(m): Code {
    yield* write(at(m, 1), 1);
  },
  function* r(m): Code {
    const y = yield* read(at(m, 1));
    if (y === 0) yield* write(at(m, 2), 1);
  },
  function* s(m): Code {
    const z = yield* read(at(m, 2));
    if (z !== 1) return;
    const y = yield* read(at(m, 1));
    if (y === 0) yield* write(at(m, 0), 2);
  },
]);

/** N threads with a fetch-and-add on each of some cells. */
const atomicIncrements = (name: string, cells: number, n: number): Program<Memory> =>
  program(
    `${name}(${n})`,
    cells,
    times(
      n,
      (): Body =>
        function* add(m): Code {
          for (let c = 0; c < cells; c++) yield* fetchAdd(at(m, c));
        },
    ),
  );

const increments = (n: number, k: number): Program<Memory> =>
  program(
    `incn(${n},${k})`,
    1,
    times(
      n,
      (): Body =>
        function* inc(m): Code {
          for (let i = 0; i < k; i++) {
            const seen = yield* read(at(m, 0));
            yield* write(at(m, 0), seen + 1);
          }
        },
    ),
  );

const cas = (n: number): Program<Memory> =>
  program(
    `cas(${n})`,
    1,
    times(
      n,
      (t): Body =>
        function* swap(m): Code {
          yield* compareAndSwap(at(m, 0), 0, t + 1);
        },
    ),
  );

const casrot = (n: number): Program<Memory> =>
  program(
    `casrot(${n})`,
    1,
    times(
      n,
      (t): Body =>
        function* swap(m): Code {
          yield* compareAndSwap(at(m, 0), t, t + 1);
        },
    ),
  );

const casw = (n: number): Program<Memory> =>
  program(
    `casw(${n})`,
    1,
    times(
      n,
      (t): Body =>
        function* swap(m): Code {
          yield* compareAndSwap(at(m, 0), 0, 1);
          yield* write(at(m, 0), t + 3);
        },
    ),
  );

const wcas = (n: number): Program<Memory> =>
  program(`wcas(${n})`, 1, [
    function* writer(m): Code {
      yield* write(at(m, 0), 2);
    },
    ...times(
      n,
      (): Body =>
        function* swap(m): Code {
          yield* compareAndSwap(at(m, 0), 2, 3);
        },
    ),
  ]);

/** The first cell is the lock. */
const lockedIncrements = (name: string, cells: number, n: number): Program<Memory> =>
  program(
    `${name}(${n})`,
    cells + 1,
    times(
      n,
      (): Body =>
        function* inc(m): Code {
          yield* lock(at(m, 0));
          for (let c = 1; c <= cells; c++) {
            const seen = yield* read(at(m, c));
            yield* write(at(m, c), seen + 1);
          }
          yield* unlock(at(m, 0));
        },
    ),
  );

const fibonacci = (n: number): Program<Memory> =>
  program(`fib_bench(${n})`, 2, [
    ...times(
      2,
      (t): Body =>
        function* add(m): Code {
          for (let i = 0; i < n; i++) {
            const own = yield* read(at(m, t));
            const other = yield* read(at(m, 1 - t));
            yield* write(at(m, t), own + other);
          }
        },
    ),
    function* look(m): Code {
      yield* read(at(m, 0));
      yield* read(at(m, 1));
    },
  ]);

/** Philosophers of a kind: each takes two locks, in an order of its own or all in one. */
const mutexOrder = (n: number, sameOrder: boolean): Program<Memory> =>
  program(
    sameOrder ? `mutex_order(${n})` : `mutex_deadlock(${n})`,
    n,
    times(
      n,
      (t): Body =>
        function* both(m): Code {
          const [a, b] = sameOrder ? [0, 1] : [t, (t + 1) % n];
          yield* lock(at(m, a));
          yield* lock(at(m, b));
          yield* unlock(at(m, b));
          yield* unlock(at(m, a));
        },
    ),
  );

const factorial = (n: number): number => (n <= 1 ? 1 : n * factorial(n - 1));
const family = (
  source: string,
  make: (n: number) => Program<Memory>,
  counts: Readonly<Record<number, number>>,
): Counted[] =>
  Object.entries(counts).map(([n, traces]) => {
    const made = make(Number(n));
    return { name: made.name, traces, source, program: made };
  });
const classic = (name: string, traces: number, text: string): Counted => ({
  name,
  traces,
  source: "GenMC",
  program: straight(name, text),
});

/** Small enough for every run of the tests. */
export const countedPrograms: readonly Counted[] = [
  ...family("GenMC, Nidhugg", readers, { 2: 4, 6: 64, 8: 256, 10: 1024, 13: 8192 }),
  ...family("GenMC, Nidhugg", lastzero, { 1: 2, 2: 5, 3: 12, 4: 28, 5: 64, 10: 3328 }),
  ...family("GenMC, Nidhugg", indexer, { 12: 8, 13: 64 }),
  ...family("GenMC", indexer, { 15: 4096 }),
  ...family("Concuerror", filesystem, { 14: 2, 16: 8, 18: 32, 19: 64 }),
  { name: "popl-example", traces: 5, source: "Concuerror", program: popl },
  ...family("GenMC", (n) => atomicIncrements("ainc", 1, n), { 2: 2, 3: 6, 4: 24, 5: 120, 6: 720, 7: 5040 }),
  ...family("GenMC", (n) => atomicIncrements("binc", 2, n), { 2: 4, 3: 36, 4: 576 }),
  ...family("GenMC", (n) => atomicIncrements("cinc", 3, n), { 2: 8, 3: 216, 4: 13824 }),
  ...[2, 3, 4].map((n): Counted => {
    const text = times(n, () => "Rx Wx").join("|");
    return {
      name: `rw(${n})`,
      traces: factorial(n) ** 2,
      source: "GenMC",
      program: straight(`rw(${n})`, text),
    };
  }),
  ...family("GenMC", cas, { 2: 2, 3: 3, 4: 4, 5: 5 }),
  ...family("GenMC", casrot, { 2: 2, 3: 5, 4: 14, 5: 43, 6: 144, 7: 523, 8: 2048, 9: 8597 }),
  ...family("GenMC", casw, { 2: 6, 3: 66, 4: 1200, 5: 32880 }),
  ...family("GenMC", wcas, { 2: 5, 3: 13, 4: 33, 5: 81, 6: 193, 7: 449, 8: 1025, 9: 2305 }),
  ...family("GenMC", (n) => lockedIncrements("lockinc", 1, n), { 2: 2, 3: 6, 4: 24, 5: 120 }),
  ...family("GenMC", (n) => lockedIncrements("lock2inc", 2, n), { 2: 2, 3: 6, 4: 24, 5: 120 }),
  ...family("GenMC, Nidhugg", (k) => increments(2, k), { 3: 328, 4: 3334, 5: 34904 }),
  ...family("GenMC, Nidhugg", (n) => increments(n, 2), { 3: 7134 }),
  ...family("Nidhugg", fibonacci, { 1: 11, 2: 140 }),
  ...family("Nidhugg", (n) => mutexOrder(n, true), { 2: 2, 3: 6 }),
  ...family("Nidhugg", (n) => mutexOrder(n, false), { 2: 3 }),
  classic("SB", 3, "Wx Ry|Wy Rx"),
  classic("MP", 3, "Wx Wy|Ry Rx"),
  classic("LB", 3, "Rx Wy|Ry Wx"),
  classic("S", 3, "Wx Wy|Ry Wx"),
  classic("2+2W", 3, "Wx Wy|Wy Wx"),
  classic("CoRW", 3, "Rx Wx|Wx"),
  classic("CoWR", 3, "Wx Rx|Wx"),
  classic("CoRR", 6, "Wx Wx|Rx Rx"),
  classic("IRIW", 15, "Wx|Wy|Rx Ry|Ry Rx"),
  classic("ISA2", 7, "Wx Wy|Ry Wz|Rz Rx"),
  classic("RWC", 7, "Wx|Rx Ry|Wy Rx"),
  classic("WRC", 7, "Wx|Rx Wy|Ry Rx"),
  classic("LB3", 7, "Rx Wy|Ry Wz|Rz Wx"),
  classic("W+RRR+W", 20, "Wx|Rx Rx Rx|Wx"),
  classic("W+W+W+RRRR", 210, "Wx|Wx|Wx|Rx Rx Rx Rx"),
];

/** Those that take a second or more; `DEEP=1` runs them. */
export const largeCountedPrograms: readonly Counted[] = [
  ...family("GenMC", lastzero, { 15: 147456 }),
  ...family("GenMC", (k) => increments(2, k), { 6: 372436 }),
  ...family("GenMC", fibonacci, { 5: 218243 }),
];
