// Is what a user declares a scenario, or a change? Types say so to who runs a type checker; files are run
// without one, and what is misspelt would otherwise be left out silently.
import { didYouMean } from "../base/did-you-mean.ts";
import { PagelifeError } from "../base/errors.ts";
import type { Change } from "./kernel.ts";
import type { Scenario } from "./scenario.ts";

const scenarioKeys: readonly (keyof Scenario)[] = [
  "name",
  "question",
  "claim",
  "closed",
  "setup",
  "threads",
  "invariants",
  "tlb",
  "geometry",
  "expected",
  "twins",
];
const threadKeys = ["title", "cpu", "mm", "run"];
const changeKeys: readonly (keyof Change)[] = [
  "name",
  "subject",
  "source",
  "about",
  "onto",
  "after",
  "functions",
  "adds",
];

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === "string" && value !== "";

function require(condition: unknown, detail: string): asserts condition {
  if (!condition) throw new PagelifeError("PL208", detail);
}

function requireKeys(what: string, fields: Fields, known: readonly string[]): void {
  for (const key of Object.keys(fields)) {
    require(known.includes(key), `${what} has no part "${key}".${didYouMean(key, known)}`);
  }
}

/** @throws {@link PagelifeError} PL208 if a part is missing, wrong or not known. */
export function wellFormedScenario(s: Scenario): Scenario {
  const fields: unknown = s;
  require(isFields(
    fields,
  ), "a scenario is an object: scenario({ name, question, setup, threads, invariants })");
  require(isText(fields.name), "a scenario has no name");
  const what = `scenario ${fields.name}`;
  requireKeys(what, fields, scenarioKeys);
  require(isText(fields.question), `${what} has no question: say in one sentence what it asks`);
  require(typeof fields.setup === "function", `${what} has no setup: a generator function *setup(k) {...}`);
  const { threads, invariants, tlb, geometry } = fields;
  require(isFields(threads) && Object.keys(threads).length > 0, `${what} has no threads`);
  for (const [name, thread] of Object.entries(threads)) requireThread(`thread ${name} of ${what}`, thread);
  require(Array.isArray(invariants), `${what} has no invariants: a list of rules`);
  for (const rule of invariants) requireRule(what, rule);
  require(tlb === undefined ||
    tlb === "ipi" ||
    tlb === "rcu-table-free", `${what}: tlb is ipi or rcu-table-free`);
  require(geometry === undefined ||
    isGeometry(geometry), `${what}: geometry is { PTRS_PER_PTE, PTRS_PER_PMD }, powers of 2`);
  return s;
}

const isGeometry = (g: unknown): boolean =>
  isFields(g) &&
  [g.PTRS_PER_PTE, g.PTRS_PER_PMD].every(
    (n) => typeof n === "number" && n >= 1 && Number.isInteger(Math.log2(n)),
  );

function requireThread(what: string, thread: unknown): void {
  require(isFields(thread), `${what} is not { title, cpu, mm, *run(k, w) {...} }`);
  requireKeys(what, thread, threadKeys);
  require(isText(thread.title), `${what} has no title`);
  require(typeof thread.cpu === "number", `${what} has no cpu: the number of the one it runs on`);
  require(typeof thread.run === "function", `${what} has no run: a generator function *run(k, w) {...}`);
  const { mm } = thread;
  require(mm === undefined ||
    typeof mm ===
      "function", `${what}: mm is not a function; write mm: ({ mm }) => mm, which takes it from what setup returns`);
}

function requireRule(what: string, rule: unknown): void {
  const shown = isText(rule) ? `"${rule}"` : String(rule);
  require(isFields(rule) &&
    isText(rule.name) &&
    typeof rule.check ===
      "function", `${what}: ${shown} among its invariants is not a rule; rules are imported from pagelife/kernel, noWarning for one`);
  const { at } = rule;
  require(at === undefined ||
    at === "end" ||
    at ===
      "every-state", `${what}: the rule ${rule.name} is to be looked at "${String(at)}"; expected every-state or end`);
}

/** @throws {@link PagelifeError} PL208 if a part is missing, wrong or not known. */
export function wellFormedChange(c: Change): Change {
  const fields: unknown = c;
  require(isFields(fields), "a change is an object: change({ name, subject, source, functions })");
  require(isText(fields.name), "a change has no name");
  const what = `change ${fields.name}`;
  requireKeys(what, fields, changeKeys);
  require(isText(fields.subject), `${what} has no subject`);
  require(isText(fields.source), `${what} has no source`);
  require(isFields(fields.functions), `${what} has no functions: { *folio_put(k, folio) {...} }`);
  for (const functions of [fields.functions, fields.adds ?? {}]) {
    require(isFields(functions), `${what}: adds is not an object of functions`);
    for (const [name, f] of Object.entries(functions)) {
      require(typeof f === "function", `${what}: ${name} is not a function`);
    }
  }
  for (const key of ["onto", "after"]) {
    const list = fields[key] ?? [];
    require(Array.isArray(list) && list.every(isText), `${what}: ${key} is not a list of names`);
  }
  return c;
}
