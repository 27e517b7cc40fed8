// One cell of the matrix: a scenario on a kernel, searched, and its verdict as data.
import { PagelifeError } from "../base/errors.ts";
import type { CheckpointOptions } from "../explore/checkpoint.ts";
import { runSchedule } from "../explore/execution.ts";
import { type ConcludeOptions, conclude, type Exploration } from "../explore/explore.ts";
import { searchParallel } from "../explore/parallel.ts";
import type { Prepared } from "../explore/program.ts";
import { prepare } from "../explore/program.ts";
import type { ProgramSource } from "../explore/program-source.ts";
import { reduced, type StatesStrategy } from "../explore/reduced.ts";
import { formatToken } from "../explore/replay.ts";
import type { Progress, SearchResult, Strategy } from "../explore/strategy.ts";
import { underTso } from "../explore/tso.ts";
import type { Change, KernelVersion } from "../kernel/kernel.ts";
import { type Expectation, programOf, type Scenario } from "../kernel/scenario.ts";
import type { TlbModel } from "../kernel/world.ts";
import type { Verdict } from "../report/verdict.ts";
import { buildKernel } from "./select.ts";

export interface Cell {
  readonly scenario: Scenario;
  readonly kernel: KernelVersion;
  readonly changes: readonly Change[];
  readonly tlb: TlbModel | undefined;
  readonly memory: MemoryModel;
}

/** `sc`: sequential consistency; `tso`: the store buffers of x86. */
export type MemoryModel = "sc" | "tso";

export interface CheckedCell {
  readonly cell: Cell;
  readonly verdict: Verdict;
  /** Null where the scenario does not apply to the kernel. */
  readonly exploration: Exploration | null;
}

/** What a token calls a kernel and its machine: `v6.12`, `v6.12@ipi`, `v6.12@tso`. */
export function kernelLabel({ kernel, tlb, scenario, memory }: Cell): string {
  const model = modelOf({ tlb, scenario });
  const unusual = [...(model === "rcu-table-free" ? [] : [model]), ...(memory === "sc" ? [] : [memory])];
  return [kernel.release, ...unusual].join("@");
}

/** What a token calls a kernel and its machine, taken apart. */
export function parseKernelLabel(label: string): { release: string; tlb: TlbModel; memory: MemoryModel } {
  const [release = "", ...unusual] = label.split("@");
  return {
    release,
    tlb: unusual.includes("ipi") ? "ipi" : "rcu-table-free",
    memory: unusual.includes("tso") ? "tso" : "sc",
  };
}

/** The program of a cell, its setup run. */
export function prepareCell({ scenario, kernel, changes, tlb, memory }: Cell): Prepared {
  const prepared = prepare(programOf(scenario, buildKernel(kernel, changes), { tlb }));
  return memory === "tso" ? underTso(prepared) : prepared;
}

const modelOf = ({ tlb, scenario }: Pick<Cell, "tlb" | "scenario">): TlbModel =>
  tlb ?? scenario.tlb ?? "rcu-table-free";

/** What the catalogue expects of a cell; null where it says nothing. */
function expectation({ scenario, kernel, changes, tlb, memory }: Cell): Expectation | null {
  const key = [kernel.release, ...changes.map((c) => c.name)].join("+");
  if (memory !== "sc") return null;
  if (tlb !== undefined && tlb !== (scenario.tlb ?? "rcu-table-free")) return null;
  return scenario.expected?.[key] ?? null;
}

/** A scenario that expects a livelock of some kernel asks whether there is one on every kernel. */
const asksForLivelock = ({ expected }: Scenario): boolean =>
  Object.values(expected ?? {}).some((e) => e.verdict === "livelock");

export interface CheckOptions extends ConcludeOptions {
  readonly strategy?: Strategy;
  /** Searches on several cores, or with checkpoints: by the program's name. */
  readonly parallel?: {
    readonly source: ProgramSource;
    readonly jobs: number;
    readonly strategy: StatesStrategy;
    readonly checkpoints?: CheckpointOptions;
  };
  /** Told now and then how far the search has come. */
  readonly onProgress?: (progress: Progress) => void;
}

/**
 * Explores a cell. Lets others have the event loop now and then, so that Ctrl-C is heard.
 *
 * @throws {@link PagelifeError} PL2xx, with the cell in which it came up, for what the user's code does wrong.
 */
export async function checkCell(cell: Cell, options: CheckOptions): Promise<CheckedCell> {
  try {
    const { onto } = cell.scenario;
    if (onto !== undefined && !onto.includes(cell.kernel.release)) {
      return notApplicable(cell, options, `the scenario is for ${onto.join(", ")}`);
    }
    return await explore(cell, options);
  } catch (error) {
    if (error instanceof PagelifeError && error.code === "PL304") {
      return notApplicable(cell, options, error.detail);
    }
    if (!(error instanceof PagelifeError) || !error.code.startsWith("PL2")) throw error;
    const where = `${cell.scenario.name} on ${kernelLabel(cell)}`;
    throw new PagelifeError(error.code, `${error.detail} [${where}]`, { cause: error });
  }
}

/** What a verdict says of its cell. */
const aboutCell = (cell: Cell, { livelock }: CheckOptions) => {
  const expected = expectation(cell);
  return {
    scenario: cell.scenario.name,
    kernel: cell.kernel.release,
    with: cell.changes.map((c) => c.name),
    tlb: modelOf(cell),
    memory: cell.memory,
    expected: expected?.verdict ?? null,
    expectedRule: expected?.rule ?? null,
    livelock: livelock === true,
  };
};

/** A cell that is not searched, and why. */
function notApplicable(cell: Cell, options: CheckOptions, detail: string | null): CheckedCell {
  const none = { kind: null, property: null, liveness: [], also: [], bound: null, counterexample: null };
  const nothing = {
    complete: true,
    bytes: null,
    states: 0,
    executions: 0,
    steps: 0,
    millis: 0,
    strategy: "none",
  };
  const about = aboutCell(cell, options);
  return {
    cell,
    verdict: { ...about, verdict: "not-applicable", detail, ...none, ...nothing },
    exploration: null,
  };
}

async function explore(cell: Cell, asked: CheckOptions): Promise<CheckedCell> {
  const start = performance.now();
  const { scenario } = cell;
  const options = { ...asked, livelock: asked.livelock === true || asksForLivelock(scenario) };
  const about = aboutCell(cell, options);
  if (about.expected === "not-applicable") return notApplicable(cell, options, null);
  const prepared = prepareCell(cell);
  let exploration = conclude(prepared, await search(prepared, options), options);
  // Where no execution comes to an end, nothing has been shown to hold: somebody goes round for ever.
  const endless = exploration.verdict === "holds" && exploration.search.executions === 0;
  if (endless && !options.livelock) {
    const all = { ...options, livelock: true };
    exploration = conclude(prepared, await search(prepared, all), all);
  }
  const { verdict, kind, property, search: searched, counterexample } = exploration;
  let shortest: Verdict["counterexample"] = null;
  if (counterexample !== null) {
    const { steps, switches, preemptions, schedule, loop, finding } = counterexample;
    const subject = { scenario: scenario.name, kernel: kernelLabel(cell), changes: about.with };
    const execution = runSchedule(prepared, [...schedule, ...(loop ?? [])]);
    const replay = formatToken(subject, execution, finding, loop);
    shortest = { steps, switches, preemptions, loop: loop?.length ?? null, replay };
  }
  const { complete, bound, states, executions, steps, strategy } = searched;
  const finding = counterexample?.finding ?? searched.findings[0]?.finding;
  return {
    cell,
    exploration,
    verdict: {
      ...about,
      verdict,
      kind,
      property,
      liveness: [...(finding?.liveness ?? [])],
      detail: finding?.detail ?? null,
      also: searched.findings
        .map((f) => ({ kind: f.finding.kind, property: f.finding.property }))
        .filter((f) => f.kind !== kind || f.property !== property),
      livelock: options.livelock || endless,
      strategy,
      complete,
      bound,
      bytes: searched.bytes ?? null,
      states,
      executions,
      steps,
      millis: Math.round((performance.now() - start) * 10) / 10,
      counterexample: shortest,
    },
  };
}

async function search(prepared: Prepared, options: CheckOptions): Promise<SearchResult> {
  const { parallel, onProgress } = options;
  if (parallel !== undefined) {
    const { source, ...how } = parallel;
    return searchParallel(source, { ...options, ...how, ...(onProgress && { onProgress }) });
  }
  const strategy = options.strategy ?? reduced;
  if (strategy.start === undefined) return strategy.search(prepared, options);
  const run = strategy.start(prepared, options);
  while (run.advance()) {
    options.onProgress?.(run.progress());
    await new Promise((resolve) => setImmediate(resolve));
  }
  return run.result();
}
