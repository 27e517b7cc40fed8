// Writes the generated documents. Run by `npm run docs`, after `npm run build`; a test says when one is stale.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { errorCodes } from "../dist/base/errors.js";
import { traceJsonSchema } from "../dist/report/trace-schema.js";
import { checkSchema } from "../dist/report/verdict-schema.js";
import { fidelity } from "./fidelity.mjs";
import { findings } from "./findings.mjs";
import { functionsDocument } from "./functions.mjs";
import { invariants } from "./invariants.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The generated documents by path, as they should read. */
export function generated() {
  const rows = Object.entries(errorCodes).map(([code, e]) => `| ${code} | ${e.meaning} | ${e.remedy} |`);
  return {
    "docs/errors.md": [
      "# Errors",
      "",
      "Generated from `src/base/errors.ts`. PL1xx: command line and files; PL2xx: scenarios, threads and",
      "replay; PL3xx: kernels and changes; PL4xx: recordings; PL5xx: the lab.",
      "",
      "| code | meaning | what to do |",
      "| --- | --- | --- |",
      ...rows,
      "",
    ].join("\n"),
    "docs/functions.md": functionsDocument(),
    "docs/fidelity.md": fidelity(`${root}src`),
    "docs/findings.md": findings(),
    "docs/invariants.md": invariants(`${root}src`),
    "docs/check-schema.json": `${JSON.stringify(checkSchema(), null, 2)}\n`,
    "docs/trace-schema.json": `${JSON.stringify(traceJsonSchema(), null, 2)}\n`,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of Object.entries(generated())) {
    let before = "";
    try {
      before = readFileSync(root + path, "utf8");
    } catch {
      // It is written for the first time.
    }
    if (before !== text) writeFileSync(root + path, text);
  }
}
