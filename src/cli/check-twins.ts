// `pagelife check --twins`: a checker that has never been seen to fail has not been tested. Each
// scenario says which changes that break something on purpose it catches, and which survive and why.
import type { KernelVersion } from "../kernel/kernel.ts";
import type { Scenario, Twin } from "../kernel/scenario.ts";
import type { CheckedTwin } from "../report/twins.ts";
import { breaks, type Verdict } from "../report/verdict.ts";
import { type CheckOptions, checkCell } from "./check-cell.ts";
import { kernelNamed, type SelectedScenario, selectChanges } from "./select.ts";

/** Checks the twins of scenarios, on the kernels that were chosen. */
export async function checkTwins(
  scenarios: readonly SelectedScenario[],
  kernels: readonly KernelVersion[],
  options: CheckOptions,
): Promise<CheckedTwin[]> {
  const checked: CheckedTwin[] = [];
  for (const { scenario, changes: own } of scenarios) {
    for (const twin of scenario.twins ?? []) {
      const { kernel, changes: below } = kernelNamed(twin.kernel);
      if (!kernels.includes(kernel) || options.signal?.aborted) continue;
      const changes = await selectChanges([...below, twin.change], own);
      const { verdict } = await checkCell(
        { scenario, kernel, changes, tlb: twin.tlb, memory: "sc" },
        { ...options, livelock: mayLoop(scenario, twin) },
      );
      const otherwise = scenario.expected?.[twin.kernel]?.verdict ?? "holds";
      checked.push({
        scenario: scenario.name,
        twin,
        verdict,
        asExpected: isAsExpected(twin, verdict, otherwise),
      });
    }
  }
  return checked;
}

/** A change that makes a loop without end in one place is looked at for that wherever it is tried. */
const mayLoop = (scenario: Scenario, { change }: Twin): boolean =>
  (scenario.twins ?? []).some((t) => t.change === change && t.expect === "livelock");

/** A twin that survives leaves the verdict of its kernel as it was. */
function isAsExpected({ expect, rule }: Twin, v: Verdict, otherwise: string): boolean {
  const found = v.verdict === "violation" ? v.kind : v.verdict;
  return v.complete && found === (expect === "survives" ? otherwise : expect) && breaks(v, rule ?? null);
}
