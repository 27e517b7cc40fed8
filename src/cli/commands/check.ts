// `pagelife check`: the verdict for each scenario and kernel, and how each finding comes about.
import type { Command } from "commander";
import { PagelifeError } from "../../base/errors.ts";
import { reduced } from "../../explore/reduced.ts";
import { stateful } from "../../explore/stateful.ts";
import type { Progress, Strategy } from "../../explore/strategy.ts";
import { drawMatrix, summarise, summaryText } from "../../report/matrix.ts";
import { twinRecordOf, twinsText } from "../../report/twins.ts";
import { isExpected, SCHEMA_VERSION, type Verdict } from "../../report/verdict.ts";
import { wrap } from "../../report/wrap.ts";
import { sourceOf } from "../cell-program.ts";
import { type Cell, type CheckedCell, checkCell, type MemoryModel } from "../check-cell.ts";
import { checkTwins } from "../check-twins.ts";
import { exitCode } from "../exit.ts";
import { explainCells } from "../explain.ts";
import { Misuse } from "../misuse.ts";
import { parseCount, parseMemory, parseTlb } from "../options.ts";
import { withRules } from "../rules.ts";
import { isFile, selectChanges, selectKernels, selectScenarios } from "../select.ts";
import { checkpointFile, parseStrategy, strategyNames } from "../strategies.ts";

interface Options {
  readonly kernel?: string;
  readonly with: readonly string[];
  readonly rule: readonly string[];
  readonly tlb?: string;
  readonly memory?: string;
  readonly strategy: string;
  readonly livelock?: true;
  readonly jobs: string;
  readonly checkpoint?: string;
  readonly resume?: true;
  readonly json?: true;
  readonly schema?: true;
  readonly twins?: true;
  readonly maxStates: string;
  readonly maxMemory: string;
  readonly budget?: string;
}

/** States that a search may have before it is called inconclusive, unless the user says otherwise. */
const MAX_STATES = 20_000_000;
/** Memory that its states may take, likewise. */
const MAX_MEMORY_MB = 2_000;
const MB = 1_000_000;

const collect = (value: string, earlier: readonly string[]): readonly string[] => [...earlier, value];

export function registerCheck(program: Command): void {
  program
    .command("check")
    .description("explore every interleaving of scenarios; prove each, or show the shortest counterexample")
    .argument(
      "[SCENARIO...]",
      "names of the catalogue, or files of your own (./my-scenario.ts); all, if none",
    )
    .option("--kernel <K,...>", "kernels, comma separated; all, if not given")
    .option("--with <CHANGE>", "change on top: a name, or a file of your own; may be repeated", collect, [])
    .option("--rule <RULE>", "look at this rule and no other; may be repeated", collect, [])
    .option("--tlb <MODEL>", "how TLB flushes treat lockless walkers: ipi or rcu-table-free")
    .option("--memory <MODEL>", "memory model: sc or tso (x86 store buffers)")
    .option("--strategy <NAME>", `how to search: ${strategyNames}`, "reduced")
    .option("--livelock", "look for loops without progress as well, under fairness (takes every state)")
    .option("--jobs <N>", "search on several cores (reduced and stateful)", "1")
    .option("--checkpoint <FILE>", "write a long search of one cell to a file now and then")
    .option("--resume", "go on from the file of --checkpoint")
    .option("--twins", "what each scenario's twins (changes that break something on purpose) come to")
    .option("--json", "one JSON record a line")
    .option("--schema", "print the JSON schema of these records")
    .option("--max-states <N>", "states after which a search is inconclusive", String(MAX_STATES))
    .option("--max-memory <MB>", "memory for states after which it is inconclusive", String(MAX_MEMORY_MB))
    .option("--budget <SECONDS>", "time after which a search is inconclusive")
    .addHelpText(
      "after",
      `
Examples:
  pagelife check                                    the whole catalogue on all kernels
  pagelife check refault-during-wait --kernel v7.2
  pagelife check unpin-vs-punch-hole --kernel v5.18 --with fsdax-wakeup/gup-put
  pagelife check unpin-vs-punch-hole --rule layout-break-returns
  pagelife check ./my-scenario.ts --with ./my-change.ts

Exit status: 0 all holds, or is as expected; 1 a finding, or an unexpected verdict;
2 wrong use; 4 inconclusive.`,
    )
    .action(run);
}

async function run(names: string[], options: Options): Promise<void> {
  const out = (text: string): void => {
    process.stdout.write(`${text}\n`);
  };
  if (options.schema) {
    const { checkSchema } = await import("../../report/verdict-schema.ts");
    out(JSON.stringify(checkSchema(), null, 2));
    return;
  }
  const start = performance.now();
  const { rule: rules } = options;
  const scenarios = (await selectScenarios(names)).map((s) => ({
    ...s,
    scenario: withRules(s.scenario, rules),
  }));
  const changes = await selectChanges(options.with);
  const kernels = selectKernels(options.kernel, changes);
  const tlb = parseTlb(options.tlb);
  const memory = parseMemory(options.memory);
  const jobs = parseCount("--jobs", options.jobs);
  const strategy = strategyOf(options, scenarios.length * kernels.length);
  const checkpoints =
    options.checkpoint === undefined ? null : checkpointFile(options.checkpoint, options.resume === true);
  const bounds = {
    maxStates: parseCount("--max-states", options.maxStates),
    maxBytes: parseCount("--max-memory", options.maxMemory) * MB,
    livelock: options.livelock === true,
    ...(options.budget === undefined ? {} : { maxMillis: parseCount("--budget", options.budget) * 1000 }),
  };

  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.once("SIGINT", interrupt);
  if (options.twins) {
    const twins = await checkTwins(scenarios, kernels, { ...bounds, signal: stop.signal });
    const status = twins.every((t) => t.asExpected) ? exitCode.holds : exitCode.finding;
    process.exitCode = stop.signal.aborted ? exitCode.interrupted : status;
    if (options.json) for (const twin of twins) out(JSON.stringify(twinRecordOf(twin)));
    else out(twinsText(twins));
    return;
  }
  const checked: CheckedCell[] = [];
  const misuse = new Misuse();
  for (const { scenario, file } of scenarios) {
    for (const kernel of kernels) {
      if (stop.signal.aborted) break;
      const cell: Cell = { scenario, kernel, changes, tlb, memory };
      const where = `${scenario.name} on ${kernel.release}`;
      showProgress(where);
      const onProgress = (p: Progress): void => {
        if (process.stderr.isTTY) showProgress(`${where}: ${progressText(p, start)}`);
      };
      const parallel =
        jobs === 1 && checkpoints === null
          ? {}
          : {
              parallel: {
                source: sourceOf(cell, file, options.with, rules),
                jobs,
                strategy: strategy === stateful ? ("stateful" as const) : ("reduced" as const),
                ...(checkpoints && { checkpoints }),
              },
            };
      const search = { ...bounds, ...parallel, strategy, signal: stop.signal, onProgress };
      const done = await checkCell(cell, search).catch((error: unknown) => {
        if (!(error instanceof PagelifeError)) throw error;
        misuse.add(error, scenario.name, kernel.release);
        return null;
      });
      if (done === null) continue;
      checked.push(done);
      if (options.json) {
        out(JSON.stringify({ type: "verdict", schemaVersion: SCHEMA_VERSION, data: done.verdict }));
      }
    }
  }
  showProgress("");
  const verdicts = checked.map((c) => c.verdict);
  process.off("SIGINT", interrupt);
  if (verdicts.length === 0) misuse.assertNone();
  const status = stop.signal.aborted ? exitCode.interrupted : statusOf(verdicts);
  const summary = summarise(verdicts, status, Math.round(performance.now() - start));
  process.exitCode = status;
  if (options.json) {
    out(JSON.stringify({ type: "summary", schemaVersion: SCHEMA_VERSION, data: summary }));
    misuse.assertNone();
    return;
  }
  out(drawMatrix(verdicts));
  out(`\n${wrap(summaryText(summary, verdicts), 100, "").join("\n")}`);
  const explained = names.length > 0 ? checked : checked.filter((c) => needsExplaining(c.verdict));
  const changeFiles = options.with.filter(isFile);
  const filesOf = ({ cell }: CheckedCell): string[] => {
    const file = scenarios.find((s) => s.scenario === cell.scenario)?.file ?? null;
    return [...(file === null ? [] : [file]), ...changeFiles];
  };
  if (explained.length > 0) out(`\n${explainCells(explained, filesOf, rules)}`);
  if (names.length === 0) out(`\n${hint(verdicts)}`);
  out(`\n${coverage(memory)}${options.livelock ? `\n${FAIRNESS}` : ""}`);
  // What was found elsewhere has been printed; an error decides how the command ends.
  misuse.assertNone();
}

const coverage = (memory: MemoryModel): string =>
  `Explored: ${memory === "tso" ? "interleavings on x86 store buffers," : "sequentially consistent interleavings"} at the granularity of docs/fidelity.md, which also\n` +
  "says what the subsystem leaves out. A scenario is a closed world: what no thread does does not happen.";

const FAIRNESS =
  "Livelocks were looked for, where nothing else was found: a thread that can go on all the time does so some time,\n" +
  "and one that waits for a lock which is free again and again gets it.";

/** Points from the matrix to one finding: of the newest kernel, the one with the fewest switches. */
function hint(verdicts: readonly Verdict[]): string {
  const found = verdicts.filter((v) => v.verdict === "violation");
  const waits = found.filter((v) => v.kind === "stuck-wait");
  const newest = (waits.length > 0 ? waits : found).at(-1)?.kernel;
  const [shown] = (waits.length > 0 ? waits : found)
    .filter((v) => v.kernel === newest)
    .sort((a, b) => (a.counterexample?.switches ?? 0) - (b.counterexample?.switches ?? 0));
  if (shown === undefined) return "";
  return `How it comes about: pagelife show ${shown.scenario} --kernel ${shown.kernel}`;
}

function statusOf(verdicts: readonly Verdict[]): number {
  const bad = verdicts.some((v) =>
    isExpected(v) === null
      ? v.verdict === "violation"
      : isExpected(v) === false && v.verdict !== "inconclusive",
  );
  if (bad) return exitCode.finding;
  return verdicts.some((v) => v.verdict === "inconclusive") ? exitCode.inconclusive : exitCode.holds;
}

/** The strategy that the options name; those that cannot go together are refused. */
function strategyOf(options: Options, cells: number): Strategy {
  if (options.twins && options.with.length > 0) {
    throw new PagelifeError("PL105", "--twins takes each scenario's own changes; leave --with out");
  }
  const strategy = parseStrategy(options.strategy);
  if (options.twins && options.rule.length > 0) {
    throw new PagelifeError("PL105", "--twins says what each scenario's own rules catch; leave --rule out");
  }
  const several = options.jobs !== "1";
  if (several && !overStates(strategy)) {
    throw new PagelifeError("PL105", `--jobs goes with the strategies reduced and stateful`);
  }
  if (options.resume && options.checkpoint === undefined) {
    throw new PagelifeError("PL105", "--resume needs --checkpoint FILE");
  }
  if (options.checkpoint !== undefined && (!overStates(strategy) || cells !== 1)) {
    throw new PagelifeError(
      "PL105",
      "--checkpoint goes with one scenario on one kernel, and the strategies reduced and stateful",
    );
  }
  return strategy;
}

const overStates = (strategy: Strategy): boolean => strategy === reduced || strategy === stateful;

/** States, rate and queue of a search that takes its time. */
function progressText({ states, steps, queue, bytes }: Progress, start: number): string {
  const rate = Math.round((states / (performance.now() - start)) * 1000);
  const n = (x: number): string => x.toLocaleString("en");
  return `${n(states)} states, ${n(rate)}/s, ${n(steps)} steps, ${n(queue)} queued, ${n(Math.round(bytes / MB))} MB`;
}

function showProgress(text: string): void {
  if (!process.stderr.isTTY) return;
  process.stderr.write(`\r\u001b[K${text}`);
}

/** In the matrix of many cells only what nobody expects is explained. */
const needsExplaining = (v: Verdict): boolean =>
  isExpected(v) === false ||
  (isExpected(v) === null && v.verdict !== "holds" && v.verdict !== "not-applicable");
