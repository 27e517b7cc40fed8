import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

// A search in a process of its own, killed with SIGKILL again and again. What decides when is how far the
// search has come, never a clock: after a checkpoint, in the middle of writing one, or after some progress.
const built = (path: string): URL => new URL(`../../dist/${path}`, import.meta.url);
const programs = new URL("../../bench/explore/increments.mjs", import.meta.url).href;

interface Task {
  readonly strategy: "reduced" | "stateful";
  readonly program: string;
  readonly args: readonly number[];
}

interface Kill {
  /** `interrupted` is Ctrl-C: the search ends by itself, and what it knows is written then and only then. */
  readonly when: "written" | "half-written" | "progressed" | "interrupted";
  /** The how-manieth time. */
  readonly at: number;
}

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pagelife-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** @returns what the search printed; null if it was killed or interrupted. */
function search(task: Task, jobs: number, file: string, kill: Kill | null): unknown {
  const script = `
    import { writeFileSync } from "node:fs";
    import { exploreParallel } from ${JSON.stringify(built("explore/index.js").href)};
    import { checkpointFile } from ${JSON.stringify(built("cli/strategies.js").href)};
    const { file, resume, kill, jobs, task } = JSON.parse(process.argv[1]);
    let left = kill?.at;
    const dieAt = (when) => {
      if (kill?.when === when && --left === 0) process.kill(process.pid, "SIGKILL");
    };
    const { store, everyMillis } = checkpointFile(file, resume, kill?.when === "interrupted" ? 1e9 : 0);
    const stop = new AbortController();
    const deadly = {
      read: () => store.read(),
      write(bytes) {
        if (kill?.when === "half-written") writeFileSync(file + ".new", bytes.subarray(0, bytes.length / 2));
        dieAt("half-written");
        store.write(bytes);
        dieAt("written");
      },
    };
    const source = { module: ${JSON.stringify(programs)}, export: task.program, args: task.args };
    const { verdict, property, counterexample, search } = await exploreParallel(source, {
      jobs,
      strategy: task.strategy,
      aloneSteps: 1000,
      checkpoints: { store: deadly, everyMillis },
      signal: stop.signal,
      onProgress() {
        dieAt("progressed");
        if (kill?.when === "interrupted" && --left === 0) stop.abort();
      },
    });
    const { complete, bound, states, steps, executions } = search;
    if (bound !== "interrupted") console.log(JSON.stringify({ verdict, property, counterexample, complete, states, steps, executions }));`;
  const told = JSON.stringify({ file, resume: existsSync(file), kill, jobs, task });
  const done = spawnSync(process.execPath, ["--input-type=module", "-e", script, told], { encoding: "utf8" });
  if (done.stderr !== "") throw new Error(done.stderr);
  if (done.signal === "SIGKILL" || done.stdout === "") return null;
  return JSON.parse(done.stdout);
}

describe.runIf(existsSync(fileURLToPath(built("explore/index.js"))))("a search that is killed", () => {
  it.each<{ task: Task; jobs: readonly number[] }>([
    { task: { strategy: "stateful", program: "increments", args: [3, 4] }, jobs: [1] },
    { task: { strategy: "reduced", program: "lockedIncrements", args: [4, 4] }, jobs: [1, 2] },
    { task: { strategy: "reduced", program: "lostUpdate", args: [3, 3] }, jobs: [2, 1] },
    { task: { strategy: "stateful", program: "increments", args: [3, 5] }, jobs: [2, 3] },
  ])("$task.strategy $task.program on $jobs core(s): ends with the same result", ({ task, jobs }) => {
    const whole = search(task, 1, join(folder, "none"), null);
    rmSync(join(folder, "none"), { force: true });
    const file = join(folder, `${task.program}-${jobs.join("")}`);
    const kinds = ["written", "half-written", "progressed"] as const;
    let result: unknown = null;
    let killed = 0;
    for (;;) {
      // Later each time, so that the search comes to its end.
      const kill: Kill = { when: kinds[killed % kinds.length] as Kill["when"], at: 1 + 8 * killed };
      result = search(task, jobs[killed % jobs.length] as number, file, kill);
      if (result !== null) break;
      killed++;
    }
    expect(killed).toBeGreaterThan(0);
    expect(result).toEqual(whole);
  });

  it.each([1, 2])("goes on from where Ctrl-C interrupted it, on %i core(s)", (jobs) => {
    const task: Task = { strategy: "stateful", program: "increments", args: [3, 4] };
    const whole = search(task, 1, join(folder, "none"), null) as { states: number };
    rmSync(join(folder, "none"), { force: true });
    const file = join(folder, `interrupted${jobs}`);
    expect(search(task, jobs, file, { when: "interrupted", at: 1 })).toBeNull();
    expect(existsSync(file)).toBe(true);
    expect(search(task, jobs, file, null)).toEqual(whole);
  });

  it("is refused a checkpoint that is cut short, or of another search", () => {
    const task: Task = { strategy: "stateful", program: "increments", args: [3, 4] };
    const file = join(folder, "cut");
    expect(search(task, 1, file, { when: "written", at: 3 })).toBeNull();
    const resume =
      (t: Task): (() => unknown) =>
      () =>
        search(t, 1, file, null);
    expect(resume({ ...task, args: [3, 5] })).toThrow(/PL202: the checkpoint is of another program/);
    expect(resume({ ...task, strategy: "reduced" })).toThrow(/PL202: the checkpoint is of a stateful search/);
    truncateSync(file, readFileSync(file).length - 100);
    expect(resume(task)).toThrow(/PL202: the checkpoint is damaged/);
  });
});
