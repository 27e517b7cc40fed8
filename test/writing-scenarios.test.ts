import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import * as kernel from "../src/kernel/index.ts";
import { kernelInvariants } from "../src/kernel/invariants.ts";
import { kernelLiveness } from "../src/kernel/liveness.ts";
import { pagelife } from "./cli/run.ts";

const root = resolve(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const examples = join(root, "examples");

describe("docs/writing-scenarios.md", () => {
  const shown = [...read("docs/writing-scenarios.md").matchAll(/```ts\n([\s\S]*?)```/g)].map(
    ([, source = ""]) => source,
  );
  const [scenario, change, parts] = shown;

  it("shows a private mapping and what breaks it, as they are in examples/", () => {
    expect(scenario).toBe(read("examples/private-copy.ts"));
    expect(change).toBe(read("examples/zap-private-copies.ts"));
  });

  it("says how to state what is expected, and what must be noticed", () => {
    const folder = mkdtempSync(join(tmpdir(), "pagelife-"));
    const zap = resolve(examples, "zap-private-copies.ts");
    const file = join(folder, "mine.ts");
    writeFileSync(
      file,
      `export { default as zap } from "${zap}";\n${scenario?.replace("});\n", `${parts}});\n`)}`,
    );
    const twins = pagelife(["check", file, "--twins"]);
    const checked = pagelife(["check", file, "--kernel", "v7.2"]);
    writeFileSync(file, readFileSync(file, "utf8").replace('rule: "private-copy', 'rule: "another-copy'));
    const other = pagelife(["check", file, "--twins"]);
    rmSync(folder, { recursive: true });
    expect(twins.stdout).toContain("1 twin: 1 as expected, 0 not.");
    expect(checked.stdout).toContain("a private copy is no page of the file");
    expect(other.status).toBe(1);
    expect(other.stdout).toContain("! private-copy-is-there, expected assertion another-copy-is-there");
  });

  it("says of them what is found", () => {
    const check = ["check", "./private-copy.ts", "--kernel", "v7.2"];
    expect(pagelife(check, examples).status).toBe(0);
    const { stdout, status } = pagelife([...check, "--with", "./zap-private-copies.ts"], examples);
    expect(status).toBe(1);
    expect(stdout).toContain("private-copy-is-there");
  });
});

it("docs/writing-scenarios.md shows examples/counts.mjs, and what it prints", () => {
  const text = read("docs/writing-scenarios.md");
  const counts = join(examples, "counts.mjs");
  expect(text).toContain(`\`\`\`js\n${readFileSync(counts, "utf8")}\`\`\``);
  const { stdout, stderr } = spawnSync(process.execPath, [counts], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(text).toContain(`$ node examples/counts.mjs\n${stdout}\`\`\``);
});

it("docs/functions.md has every value that pagelife/kernel exports and that is no rule", () => {
  const text = read("docs/functions.md");
  const rules = [
    "kernelInvariants",
    "kernelLiveness",
    ...Object.entries(kernel).flatMap(([name, v]) => (isRule(v) ? [name] : [])),
  ];
  const missing = Object.keys(kernel).filter((name) => !rules.includes(name) && !text.includes(`\`${name}`));
  expect(missing).toEqual([]);
});

it("docs/invariants.md says under which name each rule is imported", () => {
  const text = read("docs/invariants.md");
  for (const [name, value] of Object.entries(kernel)) {
    if (isRule(value)) expect(text).toContain(`## ${value.name}\n\n\`${name}\`.`);
  }
});

const all: readonly { readonly name: string }[] = [...kernelInvariants, ...kernelLiveness];

const isRule = (value: unknown): value is (typeof all)[number] => all.includes(value as (typeof all)[number]);
