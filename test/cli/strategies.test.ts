import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseStrategy } from "../../src/cli/strategies.ts";
import { pagelife } from "./run.ts";

const cell = ["check", "refault-during-wait", "--kernel", "v7.2", "--json"];

/** The verdict record without what may differ: time, and the counts of another strategy. */
function verdict(args: readonly string[]): Record<string, unknown> {
  const { stdout } = pagelife([...cell, ...args]);
  return JSON.parse(stdout.split("\n")[0] ?? "").data;
}

describe("how check searches", () => {
  const { counterexample, property } = verdict([]);

  it.each([
    "stateful",
    "dpor",
    "bounded:1",
    "pct:3",
  ])("%s comes to the same counterexample: the shortest", (strategy) => {
    expect(verdict(["--strategy", strategy])).toMatchObject({ kind: "stuck-wait", property, counterexample });
  });

  it("says what a sampling strategy does not prove", () => {
    const { complete, bound } = verdict(["--strategy", "random:7"]);
    expect(complete).toBe(false);
    expect(bound).not.toBeNull();
  });

  it("gives the same result on two cores", () => {
    const one = verdict(["--strategy", "stateful"]);
    const two = verdict(["--strategy", "stateful", "--jobs", "2"]);
    expect({ ...two, millis: 0 }).toEqual({ ...one, millis: 0 });
  });

  it.each([
    { text: "dijkstra", says: "expected reduced, stateful" },
    { text: "bounded:many", says: "expected reduced, stateful" },
  ])("refuses --strategy $text", ({ text, says }) => {
    expect(() => parseStrategy(text)).toThrow(says);
  });
});

describe("check --livelock", () => {
  const polls = ["--with", "twin/poll-instead-of-sleep"];

  it("finds a loop without progress, whose token shows it again", () => {
    // The one who polls looks at the count, lets go of the lock and takes it again: four steps.
    const found = verdict([...polls, "--livelock"]) as { kind: string; counterexample: { replay: string } };
    expect(found).toMatchObject({
      kind: "livelock",
      property: "punch",
      livelock: true,
      counterexample: { loop: 4, switches: 2 },
    });
    const shown = pagelife(["show", "--replay", found.counterexample.replay]);
    expect(shown).toMatchObject({ status: 0, stderr: "" });
    expect(shown.stdout).toContain("-- from here on again and again:");
    expect(shown.stdout).toContain("*** LIVELOCK: layout-break-returns ***");
  });

  it("is needed for that: without it the loop is one more cycle in the graph of states", () => {
    expect(verdict(polls)).toMatchObject({ verdict: "holds", complete: true, livelock: false });
  });
});

describe("a search with a checkpoint", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "pagelife-"));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it("comes to the same result", () => {
    const file = join(folder, "short");
    const { counterexample } = verdict(["--checkpoint", file]);
    expect(counterexample).toEqual(verdict([]).counterexample);
  });

  it.each([
    { args: ["--resume"], says: "--resume needs --checkpoint FILE" },
    { args: ["--checkpoint", "x", "--resume"], says: "x: no such checkpoint to resume" },
    { args: ["--checkpoint", "x", "--strategy", "dpor"], says: "--checkpoint goes with one scenario" },
    { args: ["--jobs", "2", "--strategy", "dpor"], says: "--jobs goes with the strategies" },
  ])("refuses $args", ({ args, says }) => {
    const { status, stderr } = pagelife([...cell, ...args]);
    expect(status).toBe(2);
    expect(stderr).toContain(says);
  });
});
