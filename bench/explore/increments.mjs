// N threads make K increments of one counter that are not atomic: the same program for every peer.
import { cell, read, write } from "../../dist/explore/index.js";
import { instrument } from "../../dist/explore/instrument/instrument.js";

const source = `
export const program = (threads, n) => ({
  name: "increments-" + threads + "-" + n,
  setup: () => cell("count", 0),
  threads: Object.fromEntries(Array.from({ length: threads }, (_, i) => ["t" + i, function* (count) {
    for (let k = 0; k < n; k++) {
      const seen = yield* read(count);
      yield* write(count, seen + 1);
    }
  }])),
});`;
const { code } = instrument(source, { file: "bench/explore/increments.js" });
const make = new Function(
  "cell",
  "read",
  "write",
  `${code.replace("export const program =", "const program =")}; return program;`,
);

/** The program for our engine. */
export const increments = make(cell, read, write);

/** The same for Spin: one read and one write are one step each, and ends are as in ours. */
export const promela = (threads, n) => `
byte count;
active [${threads}] proctype inc() {
  byte seen; byte k;
  ${Array.from({ length: n }, () => `seen = count; count = seen + 1;`).join("\n  ")}
}
`;
