import { describe, expect, it } from "vitest";
import { cell, read } from "./access.ts";
import { prepare } from "./program.ts";
import { countSwitches, formatLoop, formatSchedule, parseLoop, parseSchedule } from "./schedule.ts";
import { Space } from "./space.ts";

describe("a schedule", () => {
  it.each([
    { schedule: [], text: "" },
    { schedule: [0], text: "a" },
    { schedule: [0, 0, 1, 0], text: "a2ba" },
    { schedule: [25, 26, 51, 51], text: "zAZ2" },
  ])("$text is written in runs and read again", ({ schedule, text }) => {
    expect(formatSchedule(schedule)).toBe(text);
    expect(parseSchedule(text)).toEqual(schedule);
  });

  it("may end in a loop", () => {
    expect(formatLoop([0, 1], [2, 2])).toBe("ab~c2");
    expect(parseLoop("ab~c2")).toEqual({ schedule: [0, 1], loop: [2, 2] });
    expect(parseLoop("ab")).toEqual({ schedule: [0, 1], loop: null });
  });

  it.each(["1", "a-b", "a b", "a99999999", "a~", "a~b~c"])("is not %j", (text) => {
    expect(() => parseLoop(text)).toThrow("PL202");
  });

  it("counts changes of the running thread; the start of the first is none", () => {
    expect(countSwitches([])).toBe(0);
    expect(countSwitches([1, 1, 0, 1])).toBe(2);
  });

  it("is of at most 31 threads: more are refused, and not confused", () => {
    const threads = (n: number) => ({
      name: "crowd",
      setup: () => cell("x", 0),
      threads: Object.fromEntries(
        Array.from({ length: n }, (_, i) => [
          `t${i}`,
          function* look(x: ReturnType<typeof cell<number>>) {
            yield* read(x);
          },
        ]),
      ),
    });
    expect(new Space(prepare(threads(31))).threads.length).toBe(31);
    expect(() => new Space(prepare(threads(32)))).toThrow("PL208: crowd has 32 threads");
  });
});
