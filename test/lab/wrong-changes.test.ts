import { describe, expect, it } from "vitest";
import { fixedPrograms } from "../../src/conformance/fixed-programs.ts";
import { differing } from "./fixtures.ts";
import { type Wrong, wrongOneBased, wrongZeroBased } from "./wrong-changes.ts";

// What the lab is for: who changes the subsystem and is wrong is told so by a real kernel. The runs are those of the
// fixtures, so no guest is needed, and the fixed programs alone must do.
const each = (run: string, wrong: readonly Wrong[]) =>
  wrong.map(({ change, caughtBy }) => ({ run, subject: change.subject, change, caughtBy }));

describe("a wrong change is caught by a fixed program", () => {
  it.each([
    ...each("seed-1.6.12.json.gz", wrongOneBased),
    ...each("seed-1.7.x.json.gz", wrongZeroBased),
  ])("$run: $subject, by $caughtBy", ({ run, change, caughtBy }) => {
    expect(fixedPrograms.map((p) => p.name)).toContain(caughtBy);
    expect(differing(run, [change], { program: caughtBy })).toHaveLength(1);
    expect(differing(run, [], { program: caughtBy })).toEqual([]);
  });
});
