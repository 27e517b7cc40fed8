// Scenario files as users write them, made from the example, and what `check` says of them.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { type Cell, checkCell } from "../../src/cli/check-cell.ts";
import { selectKernels, selectScenarios } from "../../src/cli/select.ts";

/** examples/two-unpinners.ts. */
export const example: string = readFileSync(
  resolve(import.meta.dirname, "../../examples/two-unpinners.ts"),
  "utf8",
);
/** What its second thread does. */
export const punch = "yield* k.ext4_punch_hole(inode, 0, 1);";

/** The example with one place changed, and the line of that place. */
export function changed(from: string, to: string): { text: string; line: number } {
  expect(example).toContain(from);
  const line = example.slice(0, example.indexOf(from)).split("\n").length;
  return { text: example.replace(from, to), line };
}

interface OwnFiles {
  /** Writes a file, and says where. */
  readonly write: (name: string, text: string) => string;
  /** The scenario of a text, on v6.12. */
  readonly cellOf: (text: string) => Promise<Cell>;
  /** Checks the scenario of a text: the verdict, or the error's message. */
  readonly check: (text: string) => Promise<string>;
}

/** A folder for the files of one test file. */
export function ownFiles(): OwnFiles {
  let folder = "";
  let files = 0;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "pagelife-"));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });
  const write = (name: string, text: string): string => {
    const file = join(folder, name);
    writeFileSync(file, text);
    return file;
  };
  const cellOf = async (text: string): Promise<Cell> => {
    const [selected] = await selectScenarios([write(`mine${files++}.ts`, text)]);
    const [kernel] = selectKernels("v6.12");
    if (selected === undefined || kernel === undefined) throw new Error("nothing to check");
    return { scenario: selected.scenario, kernel, changes: [], tlb: undefined, memory: "sc" };
  };
  const check = async (text: string): Promise<string> => {
    try {
      const { verdict } = await checkCell(await cellOf(text), { maxStates: 100_000 });
      return verdict.verdict === "violation" ? `${verdict.kind}` : verdict.verdict;
    } catch (error) {
      return (error as Error).message.replaceAll(join(folder, `mine${files - 1}.ts`), "FILE");
    }
  };
  return { write, cellOf, check };
}
