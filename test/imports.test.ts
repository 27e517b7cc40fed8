import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

// Which rooms each room may import: design of the project, "imports go one way".
const mayImport: Record<string, readonly string[]> = {
  base: [],
  events: ["base"],
  explore: ["base", "events"],
  kernel: ["base", "events", "explore"],
  changes: ["base", "events", "explore", "kernel"],
  scenarios: ["base", "events", "explore", "kernel", "changes"],
  trace: ["base", "events"],
  conformance: ["base", "events", "explore", "kernel", "changes", "trace"],
  report: ["base", "events", "explore", "kernel", "changes", "scenarios", "trace", "conformance"],
  lab: ["base", "events", "explore", "kernel", "changes", "scenarios", "trace", "conformance", "report"],
};

const src = resolve(import.meta.dirname, "../src");
const IMPORT = /(?:from|import)\s*\(?\s*"(\.[^"]+)"/g;

const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((f) => f.endsWith(".ts"));

describe("imports go one way", () => {
  it.each(Object.keys(mayImport))("src/%s imports only the rooms below it", (room) => {
    const wrong: string[] = [];
    for (const file of files.filter((f) => f.startsWith(`${room}/`) && !f.endsWith(".test.ts"))) {
      const path = join(src, file);
      for (const [, target = ""] of readFileSync(path, "utf8").matchAll(IMPORT)) {
        const other = relative(src, resolve(dirname(path), target)).split("/")[0] ?? "";
        if (other !== room && !mayImport[room]?.includes(other)) wrong.push(`${file} imports ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("prints, reads files and exits only in cli", () => {
    const wrong: string[] = [];
    for (const file of files) {
      if (file.startsWith("cli/") || file.endsWith(".test.ts")) continue;
      const text = readFileSync(join(src, file), "utf8");
      if (/\bconsole\.|\bprocess\.(exit|stdout|stderr)\b/.test(text)) wrong.push(file);
    }
    expect(wrong).toEqual([]);
  });

  it("keeps the word page out of src/explore", () => {
    const wrong = files.filter(
      (f) => f.startsWith("explore/") && /\b[Pp]ages?\b/.test(readFileSync(join(src, f), "utf8")),
    );
    expect(wrong).toEqual([]);
  });
});
