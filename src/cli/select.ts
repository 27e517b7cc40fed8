// From names on the command line to scenarios, kernels and changes.

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
}

/** True for an argument that names a file and not a scenario or change. */
const isFile = (argument: string): boolean => /\.[cm]?[jt]s$|^\.{0,2}\//.test(argument);

/** The scenarios that arguments name; all of the catalogue if there are none. */
export async function selectScenarios(names: readonly string[]): Promise<SelectedScenario[]> {
  if (names.length === 0) return catalogue.map((scenario) => ({ scenario, file: null }));
  const found: SelectedScenario[] = [];
  for (const name of names) {
    if (isFile(name)) {
      found.push(...(await loadScenarios(name)).map((scenario) => ({ scenario, file: name })));
      continue;
    }
    found.push({ scenario: byName("scenario", catalogue, (s) => s.name, name), file: null });
  }
  return found;
}

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
  return option.split(",").map((name) => byName("kernel", allKernels, (k) => k.release, name));
}

/** The changes of `--with`: names, and files of the user's. */
export async function selectChanges(options: readonly string[]): Promise<Change[]> {
  const found: Change[] = [];
  for (const name of options.flatMap((o) => o.split(","))) {
    if (isFile(name)) found.push(...(await loadChanges(name)));
    else found.push(byName("change", allChanges, (c) => c.name, name));
  }
  return found;
}

/** A kernel with changes on top. */
export const buildKernel = (version: KernelVersion, changes: readonly Change[]): KernelVersion =>
  withChanges(version, changes);

function byName<T>(kind: string, all: readonly T[], nameOf: (t: T) => string, name: string): T {
  const found = all.find((t) => nameOf(t) === name);
  if (found !== undefined) return found;
  const close = all
    .map(nameOf)
    .map((n) => ({ n, d: distance(n, name) }))
    .sort((a, b) => a.d - b.d)[0];
  const hint = close !== undefined && close.d <= 4 ? ` Did you mean ${close.n}?` : "";
  throw new PagelifeError(
    "PL101",
    `no ${kind} is called "${name}".${hint} \`pagelife list ${kind}s\` prints those there are.`,
  );
}

/** Levenshtein's distance, for suggestions. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
