import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as engine from "../../src/explore/index.ts";
import { instrument } from "../../src/explore/instrument/instrument.ts";
import { countedPrograms, largeCountedPrograms } from "../litmus/counted-programs.ts";

const file = new URL("../../docs/explore.md", import.meta.url);
const text = readFileSync(file, "utf8");
const mark = "<!-- counts -->\n";

describe("docs/explore.md", () => {
  const examples = [...text.matchAll(/```ts\n(.*?)```/gs)].map(([, source = ""]) => ({
    name: /name: "(.*)"/.exec(source)?.[1],
    source,
  }));

  it.each(examples)("shows an example that does what it says: $name", async ({ source }) => {
    const said = /console\.log\(.*\n\/\/ (.*)/.exec(source)?.[1];
    const { transformWithOxc } = await import("vite");
    const { code } = await transformWithOxc(source, "example.ts");
    const body = code
      .replace(/^import .*$/m, "")
      .replace("console.log(", "return [")
      .replace(/\);\s*(\/\/.*)?\s*$/, "];");
    const names = Object.keys(engine);
    const run = new Function(...names, instrument(body, { file: "example.ts" })?.code ?? "");
    expect((run(...Object.values(engine)) as string[]).join(" ")).toBe(said);
  });

  it("lists the counted programs", async () => {
    const rows = [
      ...countedPrograms.map((p) => `| ${p.name} | ${p.traces} | ${p.source} | every run |`),
      ...largeCountedPrograms.map((p) => `| ${p.name} | ${p.traces} | ${p.source} | \`DEEP=1\` |`),
    ];
    const table = [
      "| program | traces | counted by | checked in |",
      "| --- | ---: | --- | --- |",
      ...rows,
    ].join("\n");
    const head = text.slice(0, text.indexOf(mark) + mark.length);
    await expect(`${head}\n${table}\n`).toMatchFileSnapshot(file.pathname);
  });
});
