import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { searchTraces } from "../../src/explore/dpor.ts";
import { prepare } from "../../src/explore/program.ts";
import { countedPrograms, largeCountedPrograms, straight } from "./counted-programs.ts";

describe("optimal DPOR runs as many executions as there are traces", () => {
  it.each(countedPrograms)("$name: $traces", ({ program, traces }) => {
    const { result, blocked } = searchTraces(prepare(program), {});
    expect({ executions: result.executions, blocked }).toEqual({ executions: traces, blocked: 0 });
  });

  it.runIf(process.env.DEEP === "1").each(largeCountedPrograms)(
    "$name: $traces",
    ({ program, traces }) => {
      const { result, blocked } = searchTraces(prepare(program), {});
      expect({ executions: result.executions, blocked }).toEqual({ executions: traces, blocked: 0 });
    },
    300_000,
  );
});

describe("the generated litmus tests of Nidhugg", () => {
  const shapes = readFileSync(new URL("nidhugg-litmus.txt", import.meta.url), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [traces, shape = "", names = ""] = line.split("\t");
      return { traces: Number(traces), shape, names: names.split(" ") };
    });

  it(`have the published number of traces: ${shapes.flatMap((s) => s.names).length} tests of ${shapes.length} shapes`, () => {
    const wrong: string[] = [];
    for (const { traces, shape, names } of shapes) {
      const { result, blocked } = searchTraces(prepare(straight(shape, shape)), {});
      if (result.executions !== traces || blocked !== 0) {
        wrong.push(
          `${names[0]} ${shape}: ${result.executions} executions, ${traces} published, ${blocked} blocked`,
        );
      }
    }
    expect(wrong).toEqual([]);
  });
});
