// `pagelife check --twins`: a checker that has never been seen to fail has not been tested. Each
// scenario says which changes that break something on purpose it catches, and which survive and why.
import type { KernelVersion } from "../kernel/kernel.ts";
import type { Scenario, Twin } from "../kernel/scenario.ts";
import { type Verdict, verdictText } from "../report/verdict.ts";
import { wrap } from "../report/wrap.ts";
import { type CheckOptions, checkCell } from "./check-cell.ts";
import { exitCode } from "./exit.ts";
import { type SelectedScenario, selectChanges } from "./select.ts";

/** Checks the twins of scenarios, on the kernels that were chosen. */
export async function checkTwins(
  scenarios: readonly SelectedScenario[],
  kernels: readonly KernelVersion[],
  options: CheckOptions,
): Promise<{ readonly text: string; readonly status: number }> {
  const lines: string[] = [];
  let asExpected = 0;
  let unexpected = 0;
  for (const { scenario } of scenarios) {
    for (const twin of scenario.twins ?? []) {
      const kernel = kernels.find((k) => k.release === twin.kernel);
      if (kernel === undefined || options.signal?.aborted) continue;
      const changes = await selectChanges([twin.change]);
      const { verdict } = await checkCell(
        { scenario, kernel, changes, tlb: twin.tlb, memory: "sc" },
        { ...options, livelock: mayLoop(scenario, twin) },
      );
      const otherwise = scenario.expected?.[twin.kernel]?.verdict ?? "holds";
      const good = isAsExpected(twin, verdict, otherwise);
      if (good) asExpected++;
      else unexpected++;
      const model = twin.tlb === undefined ? "" : ` (${twin.tlb})`;
      const what = twin.expect === "survives" ? "survives" : `caught: ${verdictText(verdict)}`;
      const outcome = good ? what : `! ${verdictText(verdict)}, expected ${twin.expect}`;
      lines.push(`${scenario.name}, ${twin.kernel}${model}, ${twin.change}: ${outcome}`);
      lines.push(...wrap(`  ${twin.because}`, 100, "  "));
    }
  }
  const all = asExpected + unexpected;
  lines.push("", `${all} ${all === 1 ? "twin" : "twins"}: ${asExpected} as expected, ${unexpected} not.`);
  return { text: lines.join("\n"), status: unexpected === 0 ? exitCode.holds : exitCode.finding };
}

/** A change that makes a loop without end in one place is looked at for that wherever it is tried. */
const mayLoop = (scenario: Scenario, { change }: Twin): boolean =>
  (scenario.twins ?? []).some((t) => t.change === change && t.expect === "livelock");

/** A twin that survives leaves the verdict of its kernel as it was. */
function isAsExpected({ expect }: Twin, { verdict, kind, complete }: Verdict, otherwise: string): boolean {
  const found = verdict === "violation" ? kind : verdict;
  return complete && found === (expect === "survives" ? otherwise : expect);
}
