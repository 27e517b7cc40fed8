// `pagelife show`: one execution of a scenario, step by step.
import type { Command } from "commander";
import { PagelifeError } from "../../base/errors.ts";
import { changes as allChanges } from "../../changes/kernels.ts";
import { Execution } from "../../explore/execution.ts";
import type { Finding } from "../../explore/outcome.ts";
import { confirmToken, formatToken, parseToken } from "../../explore/replay.ts";
import { countSwitches, type Schedule } from "../../explore/schedule.ts";
import { type Change, functionsOf } from "../../kernel/kernel.ts";
import type { Scenario } from "../../kernel/scenario.ts";
import { drawDiagram } from "../../report/diagram.ts";
import { record } from "../../report/recording.ts";
import { listSteps } from "../../report/step-list.ts";
import { type Cell, checkCell, kernelLabel, parseKernelLabel, prepareCell } from "../check-cell.ts";
import { loadAny } from "../load.ts";
import { buildKernel, selectChanges, selectKernels, selectScenarios } from "../select.ts";
import { parseMemory, parseTlb } from "./check.ts";

interface Options {
  readonly kernel?: string;
  readonly with: readonly string[];
  readonly load: readonly string[];
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
  const { cell, schedule, loop, finding } =
    options.replay === undefined ? await search(name, options) : await replay(options.replay, name, options);
  const version = buildKernel(cell.kernel, cell.changes);
  const recording = record(prepareCell(cell), [...schedule, ...(loop ?? [])]);
  const { execution } = recording;
  const table = functionsOf(version);
  const label = kernelLabel(cell);
  const changes = cell.changes.map((c) => c.name);
  const out: string[] = [
    drawDiagram(recording, finding, {
      subject: [label, ...changes].join("+"),
      switches: countSwitches(schedule),
      loopFrom: loop === null ? null : schedule.length,
      shows: (f) => table.has(f),
    }),
  ];
  if (finding === null) out.push("", " Nothing is wrong at its end.");
  if (options.steps) out.push("", listSteps(recording));
  const token = formatToken(
    { scenario: cell.scenario.name, kernel: label, changes },
    execution,
    finding,
    loop,
  );
  const files = [
    ...(name?.endsWith(".ts") ? [name] : []),
    ...options.with.filter((w) => w.endsWith(".ts")),
    ...options.load,
  ];
  const load = files.map((f) => ` --load ${f}`).join("");
  out.push("", ` Reproduce: pagelife show${load} --replay ${token}`);
  process.stdout.write(`${out.join("\n")}\n`);
}

interface Shown {
  readonly cell: Cell;
  readonly schedule: Schedule;
  /** What comes after it again and again, for a livelock. */
  readonly loop: Schedule | null;
  readonly finding: Finding | null;
}

/** The shortest counterexample; where there is none, an execution in which nobody is interrupted. */
async function search(name: string | undefined, options: Options): Promise<Shown> {
  if (name === undefined) {
    throw new PagelifeError("PL101", "name a scenario, or give --replay TOKEN; `pagelife list scenarios`");
  }
  const [selected] = await selectScenarios([name]);
  const changes = await selectChanges(options.with);
  const kernel = selectKernels(options.kernel, changes).at(-1);
  if (selected === undefined || kernel === undefined) throw new PagelifeError("PL101", `no scenario ${name}`);
  const cell: Cell = {
    scenario: selected.scenario,
    kernel,
    changes,
    tlb: parseTlb(options.tlb),
    memory: parseMemory(options.memory),
  };
  const { exploration } = await checkCell(cell, { livelock: options.livelock === true });
  const found = exploration?.counterexample;
  if (found) return { cell, schedule: found.schedule, loop: found.loop, finding: found.finding };
  return { cell, schedule: uninterrupted(cell), loop: null, finding: null };
}

/** Each thread runs as far as it can before the next gets its turn. */
function uninterrupted(cell: Cell): Schedule {
  const execution = new Execution(prepareCell(cell));
  const schedule: number[] = [];
  for (let thread = execution.enabled()[0]; thread !== undefined; thread = execution.enabled()[0]) {
    while (execution.enabled().includes(thread)) {
      execution.step(thread);
      schedule.push(thread);
    }
  }
  return schedule;
}

async function replay(text: string, name: string | undefined, options: Options): Promise<Shown> {
  const token = parseToken(text);
  const loaded = await Promise.all(options.load.map(loadAny));
  const ownScenarios = loaded.flatMap((l) => l.scenarios);
  const ownChanges = [...loaded.flatMap((l) => l.changes), ...(await selectChanges(options.with))];
  const scenario = await scenarioOf(token.scenario, name, ownScenarios);
  const { release, tlb, memory } = parseKernelLabel(token.kernel);
  const kernel = selectKernels(release)[0];
  if (kernel === undefined) throw new PagelifeError("PL101", `no kernel ${release}`);
  const changes = token.changes.map((n) => changeOf(n, ownChanges));
  const cell: Cell = { scenario, kernel, changes, tlb, memory };
  const { schedule, loop } = token;
  const { execution } = record(prepareCell(cell), [...schedule, ...(loop ?? [])]);
  return { cell, schedule, loop, finding: confirmToken(token, execution) };
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
