// Programs that are the same for every peer: N threads make K increments of one counter, in several ways, and
// the fib_bench of the SV-COMP benchmarks, which GenMC and Nidhugg are timed on.
import { acquire, cell, read, rmw, write } from "../../dist/explore/index.js";
import { instrument } from "../../dist/explore/instrument/instrument.js";

// As a user's file: instrumented when it is loaded.
const source = `
const threads = (n, body) => Object.fromEntries(Array.from({ length: n }, (_, i) => ["t" + i, body]));

const increments = (n, k) => ({
  name: "increments-" + n + "-" + k,
  setup: () => cell("count", 0),
  threads: threads(n, function* (count) {
    for (let i = 0; i < k; i++) {
      const seen = yield* read(count);
      yield* write(count, seen + 1);
    }
  }),
});

const lockedIncrements = (n, k) => ({
  name: "locked-increments-" + n + "-" + k,
  setup: () => ({ lock: cell("lock", 0), count: cell("count", 0), tally: cell("tally", 0) }),
  threads: threads(n, function* ({ lock, count, tally }) {
    for (let i = 0; i < k; i++) {
      yield* acquire([lock], (held) => (held === 0 ? { next: [1], result: null } : null));
      const seen = yield* read(count);
      yield* write(count, seen + 1);
      yield* write(lock, 0);
      yield* rmw([tally], (t) => ({ next: [(t + 1) % 3], result: null }));
    }
  }),
});

const lostUpdate = (n, k) => ({
  name: "lost-update-" + n + "-" + k,
  setup: () => ({ count: cell("count", 0), done: cell("done", 0) }),
  threads: threads(n, function* ({ count, done }) {
    for (let i = 0; i < k; i++) {
      const seen = yield* read(count);
      yield* write(count, seen + 1);
    }
    yield* rmw([done], (d) => ({ next: [d + 1], result: null }));
  }),
  invariants: [{
    name: "no-lost-update",
    check: ({ count, done }, see) => see(done) === n && see(count) < n * k ? see(count) + " of " + n * k : null,
  }],
});

const fibBench = (n) => ({
  name: "fib_bench-" + n,
  setup: () => [cell("i", 1), cell("j", 1)],
  threads: {
    a: function* ([i, j]) {
      for (let k = 0; k < n; k++) {
        const own = yield* read(i);
        const other = yield* read(j);
        yield* write(i, own + other);
      }
    },
    b: function* ([i, j]) {
      for (let k = 0; k < n; k++) {
        const own = yield* read(j);
        const other = yield* read(i);
        yield* write(j, own + other);
      }
    },
    look: function* ([i, j]) {
      yield* read(i);
      yield* read(j);
    },
  },
});

return { fibBench, increments, lockedIncrements, lostUpdate };`;

const { code } = instrument(source, { file: "bench/explore/increments.mjs" });
export const { fibBench, increments, lockedIncrements, lostUpdate } = new Function(
  "acquire",
  "cell",
  "read",
  "rmw",
  "write",
  code,
)(acquire, cell, read, rmw, write);
