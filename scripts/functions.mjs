// docs/functions.md: what an author of scenarios and changes can call, from the declarations that the
// build leaves in dist. Part of `npm run docs`.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { signature, summary, tags } from "./declarations.mjs";
import { importedNames } from "./exports.mjs";

const dist = fileURLToPath(new URL("../dist", import.meta.url));

/** A doc comment and the function below it, on however many lines. */
const FUNCTION =
  /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?export declare function (\w+)\(([^;]*?)\): ([^;]+);/g;

/** The document as it should read. */
export function functionsDocument() {
  const out = [
    "# Functions of the kernel",
    "",
    "Generated from the declarations. A scenario or change calls them through its kernel, which is the",
    "first parameter and is left out here: `yield* k.touch(mm, 0, true)`. `Code<T>` is a generator that",
    "returns a `T`: call it with `yield*`. What is modelled of each, and what is left out, is in",
    "[fidelity.md](fidelity.md). What is no function of the kernel is imported:",
    "[setup](#what-setup-makes-things-with), [constants](#constants), [helpers](#helpers-for-threads-changes-and-rules);",
    "[what is read](#what-is-read) of pages, entries and files. A range goes from `first` to before `end`, or from `start` to",
    "`end`, the last: each function says which.",
    "",
    ...importedNames(dist),
  ];
  const files = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((f) =>
    /^(kernel|changes)\/.*\.d\.ts$/.test(f),
  );
  for (const file of files.sort()) {
    const text = readFileSync(join(dist, file), "utf8");
    const table = new Set([...text.matchAll(/^\s+(\w+): typeof \1;$/gm)].map(([, name]) => name));
    const rows = [...text.matchAll(FUNCTION)].filter(([, , name]) => table.has(name));
    if (rows.length === 0) continue;
    out.push(`## src/${file.replace(/\.d\.ts$/, ".ts")}`, "");
    for (const [, comment, name, params, result] of rows) {
      const own = params
        .replace(/\s+/g, " ")
        .replace(/^ ?_?k: Kernel,? ?/, "")
        .replace(/,? $/, "");
      const about = [summary(comment), ...tags(comment)].filter((line) => line !== "");
      out.push(`- \`${signature(name, `(${own}): ${result}`)}\``, ...about.map((line) => `  ${line}`));
    }
    out.push("");
  }
  return out.join("\n");
}
