import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(resolve(root, path), "utf8");

// Built by `npm test` before the tests run.
const { generated } = (await import(`${root}/scripts/docs.mjs`)) as {
  generated: () => Record<string, string>;
};

describe("generated documents are fresh; `npm run docs` writes them", () => {
  it.each(Object.entries(generated()))("%s", (path, text) => {
    expect(read(path)).toBe(text);
  });
});
