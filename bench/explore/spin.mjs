// Runs Spin on a model: `spin -a`, gcc, and the verifier that comes out, as Spin's manual says to for speed.
// Where Spin or gcc is not installed (Debian: apt-get install spin gcc), all of it says so and does nothing.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const works = (command, ...args) => spawnSync(command, args).status === 0;

/** Null where Spin can be run, else what is missing. */
export const spinMissing =
  works("spin", "-V") && works("gcc", "--version") ? null : "spin and gcc are not both installed";

/** Visits every state: no liveness, no bounds checks, no partial-order reduction, optimised. */
export const EVERY_STATE = ["-O3", "-DSAFETY", "-DNOREDUCE", "-DNOBOUNDCHECK"];
/** As who wants a verdict soon runs it: with the reduction, and not optimised, which would take longer than it saves
 * on a small model. */
export const SOON = ["-O0", "-DSAFETY"];

/**
 * Verifies a model.
 *
 * @param flags     For the compiler: {@link EVERY_STATE}, {@link SOON}.
 * @param tableBits Size of the table of states, as a power of two; Spin does best with about twice the states. Its
 *                  own choice, if not given.
 * @returns states, whether an error was found, and milliseconds of the verifier alone and of all of it.
 */
export function runSpin(model, { flags, tableBits = null }) {
  const dir = mkdtempSync(join(tmpdir(), "pagelife-bench-"));
  const run = (command, ...args) => {
    const done = spawnSync(command, args, { cwd: dir, encoding: "utf8" });
    if (done.status !== 0) throw new Error(`${command} failed: ${done.stdout}${done.stderr}`);
    return done.stdout;
  };
  try {
    writeFileSync(join(dir, "model.pml"), model);
    const start = performance.now();
    run("spin", "-a", "model.pml");
    run("gcc", ...flags, "-o", "pan", "pan.c");
    const compiled = performance.now();
    const out = run("./pan", "-m100000", ...(tableBits === null ? [] : [`-w${tableBits}`]));
    const done = performance.now();
    const stored = /([\d.e+]+) states, stored/.exec(out)?.[1];
    const error = /pan:\d+: (.*?)(?: \(at depth|\n)/.exec(out)?.[1] ?? null;
    return { states: Number(stored), error, search: done - compiled, total: done - start };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
