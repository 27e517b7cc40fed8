import { describe, expect, it } from "vitest";
import { fixedPrograms } from "../../src/conformance/fixed-programs.ts";
import type { Change } from "../../src/kernel/kernel.ts";
import { differing } from "./fixtures.ts";
import { wrongOneBased, wrongZeroBased } from "./wrong-changes.ts";

// What the lab is for: who changes the subsystem and is wrong is told so by a real kernel. The runs are those of the
// fixtures, so no guest is needed, and the fixed programs alone must do.
const each = (run: string, wrong: readonly Change[]) =>
  wrong.map((change) => ({ run, subject: change.subject, change }));

describe("a wrong change is caught by the fixed programs", () => {
  it.each([
    ...each("seed-1.6.12.json.gz", wrongOneBased),
    ...each("seed-1.7.x.json.gz", wrongZeroBased),
  ])("$run: $subject", ({ run, change }) => {
    expect(differing(run, [change], { programs: fixedPrograms.length, first: true })).toHaveLength(1);
  });
});
