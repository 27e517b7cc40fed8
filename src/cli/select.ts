// From names on the command line to scenarios, kernels and changes.

import { didYouMean } from "../base/did-you-mean.ts";
import { PagelifeError } from "../base/errors.ts";
import { changes as allChanges, kernels as allKernels } from "../changes/kernels.ts";
import { type Change, type KernelVersion, withChanges } from "../kernel/kernel.ts";
import type { Scenario } from "../kernel/scenario.ts";
import { catalogue } from "../scenarios/catalogue.ts";
import { loadChanges, loadScenarios } from "./load.ts";

/** A scenario, and where it comes from: null for the catalogue. */
export interface SelectedScenario {
  readonly scenario: Scenario;
  readonly file: string | null;
  /** Changes that the file exports beside it. */
  readonly changes: readonly Change[];
}

/** True for an argument that names a file and not a scenario or change. */
export const isFile = (argument: string): boolean => /\.[cm]?[jt]s$|^\.{0,2}\//.test(argument);

/** The scenarios that arguments name; all of the catalogue if there are none. */
export async function selectScenarios(names: readonly string[]): Promise<SelectedScenario[]> {
  if (names.length === 0) return catalogue.map((scenario) => ({ scenario, file: null, changes: [] }));
  const found: SelectedScenario[] = [];
  const without: PagelifeError[] = [];
  for (const name of names) {
    if (!isFile(name)) {
      found.push({ scenario: byName("scenario", catalogue, (s) => s.name, name), file: null, changes: [] });
      continue;
    }
    try {
      const { scenarios, changes } = await loadScenarios(name);
      for (const scenario of scenarios) assertKnownKernels(scenario);
      found.push(...scenarios.map((scenario) => ({ scenario, file: name, changes })));
    } catch (error) {
      if (!(error instanceof PagelifeError) || error.code !== "PL104") throw error;
      without.push(error);
    }
  }
  // Of `./mine/*.ts` some may be what the others import.
  const [first] = without;
  if (found.length === 0 && first !== undefined) throw first;
  for (const error of without) process.stderr.write(`pagelife: left out: ${error.message}\n`);
  return found;
}

/** What is said of a kernel that there is not would be left out silently. */
function assertKnownKernels({ name, onto = [], expected = {}, twins = [] }: Scenario): void {
  for (const release of onto) kernelOf(release, `scenario ${name} is for ${release}: `);
  for (const kernel of Object.keys(expected)) kernelNamed(kernel, `scenario ${name} expects something: `);
  for (const twin of twins) kernelNamed(twin.kernel, `twin ${twin.change} of scenario ${name}: `);
}

/** The release and the changes on top of `v5.18` or `v5.18+fsdax-wakeup/gup-put`. */
export function kernelNamed(name: string, why = ""): { kernel: KernelVersion; changes: string[] } {
  const [release = "", ...changes] = name.split("+");
  return { kernel: kernelOf(release, why), changes };
}

/** The kernel of that release. */
export const kernelOf = (release: string, why = ""): KernelVersion =>
  byName("kernel", allKernels, (k) => k.release, release, why);

/** The kernels of `--kernel`, comma separated; if not given, all that the changes go onto. */
export function selectKernels(
  option: string | undefined,
  changes: readonly Change[] = [],
): readonly KernelVersion[] {
  if (option === undefined) {
    const fits = (k: KernelVersion): boolean => changes.every((c) => c.onto?.includes(k.release) ?? true);
    const found = allKernels.filter(fits);
    if (found.length > 0) return found;
    const names = changes.map((c) => `${c.name} (onto ${c.onto?.join(", ") ?? "any"})`).join(" and ");
    throw new PagelifeError("PL303", `no kernel takes all of these changes: ${names}`);
  }
  return option.split(",").map((name) => kernelOf(name));
}

/** The changes of `--with`: names, of those of the catalogue and `own`, and files of the user's. */
export async function selectChanges(
  options: readonly string[],
  own: readonly Change[] = [],
): Promise<Change[]> {
  const found: Change[] = [];
  for (const name of options.flatMap((o) => o.split(","))) {
    if (isFile(name)) found.push(...(await loadChanges(name)).map((c) => assertUnique(c, name)));
    else found.push(byName("change", [...allChanges, ...own], (c) => c.name, name));
  }
  for (const { name, after = [] } of found) {
    for (const below of after) {
      const why = `${name} goes after "${below}": `;
      byName("change", [...allChanges, ...found.filter((c) => c.name !== name)], (c) => c.name, below, why);
    }
  }
  return found;
}

function assertUnique(c: Change, file: string): Change {
  if (!allChanges.some(({ name }) => name === c.name)) return c;
  throw new PagelifeError("PL208", `${file}: there is a change "${c.name}" already; give yours another name`);
}

/** A kernel with changes on top. */
export const buildKernel = (version: KernelVersion, changes: readonly Change[]): KernelVersion =>
  withChanges(version, changes);

function byName<T>(kind: string, all: readonly T[], nameOf: (t: T) => string, name: string, why = ""): T {
  const found = all.find((t) => nameOf(t) === name);
  if (found !== undefined) return found;
  const hint = didYouMean(name, all.map(nameOf));
  throw new PagelifeError(
    "PL101",
    `${why}no ${kind} is called "${name}".${hint} \`pagelife list ${kind}s\` prints those there are.`,
  );
}
