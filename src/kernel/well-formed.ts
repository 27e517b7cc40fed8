// Is what a user declares a scenario, or a change? Types say so to who runs a type checker; files are run
// without one, and what is misspelt would otherwise be left out silently.
import { didYouMean } from "../base/did-you-mean.ts";
import { PagelifeError } from "../base/errors.ts";
import { type FindingKind, findingKinds } from "../explore/outcome.ts";
import type { Change } from "./kernel.ts";
import type { Scenario, Twin } from "./scenario.ts";

const scenarioKeys: readonly (keyof Scenario)[] = [
  "name",
  "question",
  "claim",
  "closed",
  "setup",
  "threads",
  "onto",
  "invariants",
  "liveness",
  "tlb",
  "geometry",
  "expected",
  "twins",
];
const threadKeys = ["title", "cpu", "mm", "run"];
const twinKeys: readonly (keyof Twin)[] = ["change", "kernel", "tlb", "expect", "rule", "because"];
const verdicts: readonly (FindingKind | "holds" | "not-applicable")[] = [
  "holds",
  "not-applicable",
  ...findingKinds,
];
const changeKeys: readonly (keyof Change)[] = [
  "name",
  "subject",
  "source",
  "about",
  "onto",
  "after",
  "functions",
  "adds",
  "brings",
];

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
/** Commands, lists and replay tokens are made of names. */
const isName = (value: string): boolean => /^[\w./-]+$/.test(value);

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
  require(isName(fields.name), `${what}: its name is no word that a command can take, like a-vs-b`);
  requireKeys(what, fields, scenarioKeys);
  require(isText(fields.question), `${what} has no question: say in one sentence what it asks`);
  require(typeof fields.setup === "function", `${what} has no setup: a generator function *setup(k) {...}`);
  const { threads, invariants, tlb, geometry } = fields;
  require(isFields(threads) && Object.keys(threads).length > 0, `${what} has no threads`);
  for (const [name, thread] of Object.entries(threads)) requireThread(`thread ${name} of ${what}`, thread);
  require(Array.isArray(invariants), `${what} has no invariants: a list of rules`);
  for (const rule of invariants) requireRule(what, rule);
  requireLiveness(what, fields.liveness ?? []);
  requireTlb(what, tlb);
  requireNames(what, "onto", fields.onto ?? []);
  require(geometry === undefined ||
    isGeometry(geometry), `${what}: geometry is { PTRS_PER_PTE, PTRS_PER_PMD }, powers of 2`);
  const { expected = {}, twins = [] } = fields;
  require(isFields(expected), `${what}: expected is not an object: { "v7.2": { verdict, because } }`);
  for (const [kernel, expectation] of Object.entries(expected)) {
    const of = `${what}: what is expected of ${kernel}`;
    require(isFields(expectation), `${of} is not { verdict, because }`);
    requireKeys(of, expectation, ["verdict", "rule", "because"]);
    requireVerdict(of, expectation.verdict, verdicts);
  }
  require(Array.isArray(twins), `${what}: twins is not a list`);
  for (const twin of twins) requireTwin(what, twin);
  return s;
}

function requireVerdict(what: string, verdict: unknown, known: readonly string[]): void {
  require(isText(verdict) &&
    known.includes(verdict), `${what} is "${String(verdict)}"; expected one of ${known.join(", ")}`);
}

function requireTwin(what: string, twin: unknown): void {
  require(isFields(twin) &&
    isText(twin.change) &&
    isText(
      twin.kernel,
    ), `${what}: a twin is { change, kernel, expect, because }: the name of a change, and of a kernel`);
  const which = `${what}: its twin ${twin.change}`;
  requireKeys(which, twin, twinKeys);
  requireTlb(which, twin.tlb);
  requireVerdict(`${which}: what is expected`, twin.expect, ["survives", ...findingKinds]);
}

function requireTlb(what: string, tlb: unknown): void {
  require(tlb === undefined ||
    tlb === "ipi" ||
    tlb === "rcu-table-free", `${what}: tlb is ipi or rcu-table-free`);
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

function requireLiveness(what: string, liveness: unknown): void {
  require(Array.isArray(liveness), `${what}: liveness is a list of promises: [unpinReturns]`);
  for (const l of liveness) {
    const shown = isText(l) ? `"${l}"` : String(l);
    require(isFields(l) &&
      isText(l.name) &&
      Array.isArray(
        l.functions,
      ), `${what}: ${shown} in its liveness is no promise, { name, functions }; promises are imported from pagelife/kernel, unpinReturns for one`);
  }
}

/** @throws {@link PagelifeError} PL208 if a part is missing, wrong or not known. */
export function wellFormedChange(c: Change): Change {
  const fields: unknown = c;
  require(isFields(fields), "a change is an object: change({ name, subject, source, functions })");
  require(isText(fields.name), "a change has no name");
  const what = `change ${fields.name}`;
  require(isName(fields.name), `${what}: its name is no word that a command can take, like fsdax/my-remedy`);
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
  for (const key of ["onto", "after", "brings"]) requireNames(what, key, fields[key] ?? []);
  return c;
}

function requireNames(what: string, key: string, list: unknown): void {
  require(Array.isArray(list) && list.every(isText), `${what}: ${key} is not a list of names`);
}
