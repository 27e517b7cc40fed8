// `pagelife show`: one execution of a scenario, step by step.
import type { Command } from "commander";
import { PagelifeError } from "../../base/errors.ts";
import { changes as allChanges } from "../../changes/kernels.ts";
import { Execution } from "../../explore/execution.ts";
import { confirmToken, formatToken, parseToken } from "../../explore/replay.ts";
import type { Schedule } from "../../explore/schedule.ts";
import type { Change } from "../../kernel/kernel.ts";
import type { Scenario } from "../../kernel/scenario.ts";
import { listSteps } from "../../report/step-list.ts";
import { type Cell, checkCell, kernelLabel, parseKernelLabel, prepareCell } from "../check-cell.ts";
import { drawCell, knownFunctions, recordCell, type Shown } from "../draw-cell.ts";
import { reproduceLine } from "../explain.ts";
import { loadAny } from "../load.ts";
import { parseMemory, parseTlb } from "../options.ts";
import { withRules } from "../rules.ts";
import { isFile, kernelOf, selectChanges, selectKernels, selectScenarios } from "../select.ts";

interface Options {
  readonly kernel?: string;
  readonly with: readonly string[];
  readonly load: readonly string[];
  readonly rule: readonly string[];
  readonly replay?: string;
  readonly tlb?: string;
  readonly memory?: string;
  readonly livelock?: true;
  readonly steps?: true;
}

const collect = (value: string, earlier: readonly string[]): readonly string[] => [...earlier, value];

export function registerShow(program: Command): void {
  program
    .command("show")
    .description("show one execution: the one of a replay token, or the shortest counterexample")
    .argument("[SCENARIO]", "name of the catalogue, or a file of your own; a replay token names its own")
    .option("--kernel <K>", "kernel; the newest, if not given")
    .option("--with <CHANGE>", "change on top: a name, or a file of your own; may be repeated", collect, [])
    .option("--replay <TOKEN>", "repeat the execution of a token, exactly")
    .option("--load <FILE>", "file of your own that a token needs; may be repeated", collect, [])
    .option("--rule <RULE>", "look at this rule and no other; may be repeated", collect, [])
    .option("--tlb <MODEL>", "how TLB flushes treat lockless walkers: ipi or rcu-table-free")
    .option("--memory <MODEL>", "memory model: sc or tso (x86 store buffers)")
    .option("--livelock", "look for a livelock, where nothing else is found")
    .option("--steps", "list every atomic step as well")
    .addHelpText(
      "after",
      `
Examples:
  pagelife show refault-during-wait --kernel v7.2
  pagelife show refault-during-wait --kernel v7.2 --steps
  pagelife show --replay TOKEN                      as a Reproduce: line says`,
    )
    .action(run);
}

async function run(name: string | undefined, options: Options): Promise<void> {
  const { cell, shown, ends } =
    options.replay === undefined ? await search(name, options) : await replay(options.replay, name, options);
  const { finding, loop } = shown;
  const recording = recordCell(cell, shown);
  const out: string[] = [drawCell(cell, shown, recording)];
  if (finding === null) {
    out.push(
      "",
      ends ? " Nothing is wrong at its end." : " It goes on like this; --livelock looks whether for ever.",
    );
  }
  if (options.steps) out.push("", listSteps(recording, knownFunctions(cell)));
  const token = formatToken(
    {
      scenario: cell.scenario.name,
      kernel: kernelLabel(cell),
      changes: cell.changes.map((c) => c.name),
    },
    recording.execution,
    finding,
    loop,
  );
  const files = [
    ...(name !== undefined && isFile(name) ? [name] : []),
    ...options.with.filter(isFile),
    ...options.load,
  ];
  out.push("", ` Reproduce: ${reproduceLine(token, files, options.rule)}`);
  process.stdout.write(`${out.join("\n")}\n`);
}

interface ShownCell {
  readonly cell: Cell;
  readonly shown: Shown;
  /** False if somebody could still go on at its end, and would only go round. */
  readonly ends: boolean;
}

/** The shortest counterexample; where there is none, an execution in which nobody is interrupted. */
async function search(name: string | undefined, options: Options): Promise<ShownCell> {
  if (name === undefined) {
    throw new PagelifeError("PL101", "name a scenario, or give --replay TOKEN; `pagelife list scenarios`");
  }
  const loaded = await Promise.all(options.load.map(loadAny));
  const own = loaded.flatMap((l) => l.changes);
  const named = loaded.flatMap((l) => l.scenarios).find((s) => s.name === name) ?? (await onlyOne(name));
  const scenario = withRules(named, options.rule);
  const changes = await selectChanges(options.with, own);
  const kernel = selectKernels(options.kernel, changes).at(-1);
  if (kernel === undefined) throw new PagelifeError("PL101", `no kernel ${options.kernel}`);
  const cell: Cell = {
    scenario,
    kernel,
    changes,
    tlb: parseTlb(options.tlb),
    memory: parseMemory(options.memory),
  };
  const { exploration } = await checkCell(cell, { livelock: options.livelock === true });
  if (exploration?.counterexample) return { cell, shown: exploration.counterexample, ends: true };
  const { schedule, ends } = uninterrupted(cell);
  return { cell, shown: { schedule, loop: null, finding: null }, ends };
}

/** The scenario of that name, or of that file, which must have one alone. */
async function onlyOne(name: string): Promise<Scenario> {
  const [selected, ...more] = await selectScenarios([name]);
  if (selected !== undefined && more.length === 0) return selected.scenario;
  const names = [selected, ...more].map((s) => s?.scenario.name);
  throw new PagelifeError(
    "PL101",
    `${name} exports several scenarios (${names.join(", ")}); say which: pagelife show ${names[0]} --load ${name}`,
  );
}

/** An execution in which nobody is interrupted, and whether it comes to an end. */
interface Uninterrupted {
  readonly schedule: Schedule;
  readonly ends: boolean;
}

/** Each thread runs as far as it can before the next gets its turn; one that goes round lets the others have theirs. */
function uninterrupted(cell: Cell): Uninterrupted {
  const execution = new Execution(prepareCell(cell));
  const schedule: number[] = [];
  const seen = new Set([execution.state()]);
  const goesRound = new Set<number>();
  for (;;) {
    const able = execution.enabled();
    const thread = able.find((t) => !goesRound.has(t));
    if (thread === undefined) return { schedule, ends: able.length === 0 };
    while (execution.enabled().includes(thread)) {
      execution.step(thread);
      schedule.push(thread);
      const state = execution.state();
      if (seen.has(state)) {
        goesRound.add(thread);
        break;
      }
      seen.add(state);
      goesRound.clear();
    }
  }
}

async function replay(text: string, name: string | undefined, options: Options): Promise<ShownCell> {
  const token = parseToken(text);
  const loaded = await Promise.all(options.load.map(loadAny));
  const ownScenarios = loaded.flatMap((l) => l.scenarios);
  const ownChanges = [...loaded.flatMap((l) => l.changes), ...(await selectChanges(options.with))];
  const scenario = withRules(await scenarioOf(token.scenario, name, ownScenarios), options.rule);
  const { release, tlb, memory } = parseKernelLabel(token.kernel);
  const changes = token.changes.map((n) => changeOf(n, ownChanges));
  const cell: Cell = { scenario, kernel: kernelOf(release), changes, tlb, memory };
  const { schedule, loop } = token;
  const { execution } = recordCell(cell, { schedule, loop, finding: null });
  return { cell, shown: { schedule, loop, finding: confirmToken(token, execution) }, ends: true };
}

async function scenarioOf(
  wanted: string,
  name: string | undefined,
  own: readonly Scenario[],
): Promise<Scenario> {
  const found = own.find((s) => s.name === wanted);
  if (found !== undefined) return found;
  const [selected] = await selectScenarios([name ?? wanted]);
  if (selected === undefined || selected.scenario.name !== wanted) {
    throw new PagelifeError("PL202", `the token is of scenario ${wanted}, not of ${name}`);
  }
  return selected.scenario;
}

function changeOf(name: string, own: readonly Change[]): Change {
  const found = [...own, ...allChanges].find((c) => c.name === name);
  if (found !== undefined) return found;
  throw new PagelifeError("PL101", `the token needs the change "${name}"; give its file with --load`);
}
