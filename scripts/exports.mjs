// The part of docs/functions.md about what a file imports from `pagelife/kernel`: what setup makes things with,
// constants, and helpers for threads and changes. From the declarations of what src/kernel/index.ts exports.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { signature, summary, tags } from "./declarations.mjs";
import { shapes } from "./shapes.mjs";

const EXPORT = /^export (\*|\{[^}]*\}) from "(\.[^"]+)\.ts";/gm;
const DECLARATION =
  /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?export declare (?:function (\w+)(?:<[^(]*>)?\(|const (\w+)\b)([\s\S]*?);\s*(?=\n(?:export|import|declare|\/\*\*)|$)/g;

/** The names between the braces of an export that are values. */
const valuesOf = (braces) =>
  braces
    .slice(1, -1)
    .split(",")
    .map((n) => n.trim())
    .filter((n) => n !== "" && !n.startsWith("type "));

/** Everything that `pagelife/kernel` exports and that is no rule, by file. */
function exported(dist) {
  const index = readFileSync(join(dist, "kernel/index.d.ts"), "utf8");
  return [...index.matchAll(EXPORT)]
    .filter(([, , path]) => path !== "./invariants")
    .flatMap(([, what, path]) => {
      const text = readFileSync(join(dist, "kernel", `${path}.d.ts`), "utf8");
      const names = what === "*" ? null : valuesOf(what);
      return [...text.matchAll(DECLARATION)]
        .map(([, comment, fn, constant, rest]) => ({
          path,
          name: fn ?? constant,
          comment,
          type: fn === undefined ? rest.replace(/^: (?:<\w+>)?/, "") : `(${rest}`,
        }))
        .filter(({ name }) => names === null || names.includes(name));
    });
}

const isSetup = ({ path }) => path === "./setup" || path === "./setup-device";
const isFunction = ({ type }) => type.startsWith("(");
const isConstant = ({ name, type }) => /^[A-Z][A-Z0-9_]+$/.test(name) && !isFunction({ type });

/** The lines of the document. */
export function importedNames(dist) {
  const all = exported(dist);
  const rows = (chosen, about) =>
    chosen.flatMap((d) => [
      `- \`${signature(d.name, d.type)}\``,
      ...about(d.comment)
        .filter((line) => line !== "")
        .map((line) => `  ${line}`),
    ]);
  const helpers = all.filter((d) => !isSetup(d) && isFunction(d));
  const constants = all.filter(isConstant).map(({ name }) => `\`${name}\``);
  return [
    "## To be imported from `pagelife/kernel`",
    "",
    "These are no functions of the kernel: import them, and give them the kernel yourself, `mountDax(k, 1)`. What",
    "returns a `Code` is called with `yield*`, here too. The rules are in [invariants.md](invariants.md).",
    "",
    "### What setup makes things with",
    "",
    ...rows(
      all.filter((d) => isSetup(d) && isFunction(d)),
      (comment) => [summary(comment), ...tags(comment)],
    ),
    "",
    "### Constants",
    "",
    `${constants.join(", ")}.`,
    "",
    ...shapes(dist),
    "### Helpers for threads, changes and rules",
    "",
    ...rows(helpers, (comment) => [summary(comment)]),
    "",
  ];
}
