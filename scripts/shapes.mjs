// The part of docs/functions.md about what is read in rules and threads: the fields of structs, from the declarations.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { summary } from "./declarations.mjs";

/** The structs by their file. */
const STRUCTS = {
  "mm_types.d.ts": ["Page", "Pte", "MmStruct", "VmArea"],
  "swapops.d.ts": ["SwpEntry"],
  "dax.d.ts": ["DaxEntry"],
  "fs.d.ts": ["Inode", "AddressSpace", "SuperBlock"],
};

const FIELD = /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?^ {4}readonly (\w+): ([^;{]+);/gm;

/** The fields of an interface; what two have in common is said of the first. */
function rows(text, name) {
  const [, body = ""] =
    new RegExp(`^export interface ${name}\\b[^{]*\\{\\n([\\s\\S]*?)\\n\\}`, "m").exec(text) ?? [];
  return [...body.matchAll(FIELD)].map(([, comment, field, type]) => {
    const flat = type.replace(/\s+/g, " ").replaceAll("|", "\\|");
    return `| \`${field}\` | \`${flat}\` | ${summary(comment).replaceAll("|", "\\|")} |`;
  });
}

/** The lines of the document. */
export function shapes(dist) {
  const out = [
    "### What is read",
    "",
    "In a thread, `const n = yield* READ_ONCE(page._refcount)` reads a `Cell`; in a rule, `see(page._refcount)` does. What",
    "is no cell is a plain field. Values are plain data: `pte?.pfn`. `page.folio` has the words of the page, and the page.",
    "",
  ];
  for (const [file, names] of Object.entries(STRUCTS)) {
    const text = readFileSync(join(dist, "kernel/include/linux", file), "utf8");
    for (const name of names) {
      out.push(`#### ${name}`, "", "| field | type | |", "| --- | --- | --- |", ...rows(text, name), "");
    }
  }
  return out;
}
