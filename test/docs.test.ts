import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { changes } from "../src/changes/kernels.ts";

const root = resolve(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(resolve(root, path), "utf8");

// Built by `npm test` before the tests run; in a process of its own, since dist/ is instrumented already.
const script = `import { generated } from "./scripts/docs.mjs"; process.stdout.write(JSON.stringify(generated()))`;
const run = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
  cwd: root,
  encoding: "utf8",
  maxBuffer: 1 << 26,
});
const generated: Record<string, string> = JSON.parse(
  run.stdout || `{"failed": ${JSON.stringify(run.stderr)}}`,
);

describe("generated documents are fresh; `npm run docs` writes them", () => {
  it.each(Object.entries(generated))("%s", (path, text) => {
    expect(read(path)).toBe(text);
  });
});

it("docs/functions.md says of every range whether its end is part of it", () => {
  const rows = read("docs/functions.md").split(/^(?=- `)/m);
  const silent = rows.filter((row) => /^- `[^`]*\bend: number/.test(row) && !row.includes("`end` is"));
  expect(silent).toEqual([]);
});

it("docs/writing-scenarios.md names changes that there are for what is known already", () => {
  const [, section = ""] = read("docs/writing-scenarios.md").split("### What is known already");
  const named = [...section.matchAll(/`([\w/-]+)` \|$/gm)].map(([, name]) => name);
  expect(named.length).toBeGreaterThan(2);
  expect(changes.map((c) => c.name)).toEqual(expect.arrayContaining(named));
});
