import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkCell } from "../../src/cli/check-cell.ts";
import { selectKernels, selectScenarios } from "../../src/cli/select.ts";

const example = readFileSync(resolve(import.meta.dirname, "../../examples/two-unpinners.ts"), "utf8");
const punch = "yield* k.ext4_punch_hole(inode, 0, 1);";

let folder = "";
let files = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pagelife-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Checks a scenario file on v6.12: the verdict, or the error's message. */
async function check(text: string): Promise<string> {
  const file = join(folder, `mine${files++}.ts`);
  writeFileSync(file, text);
  try {
    const [selected] = await selectScenarios([file]);
    const [kernel] = selectKernels("v6.12");
    if (selected === undefined || kernel === undefined) return "nothing to check";
    const { scenario } = selected;
    const { verdict } = await checkCell(
      { scenario, kernel, changes: [], tlb: undefined, memory: "sc" },
      { maxStates: 100_000 },
    );
    return verdict.verdict === "violation" ? `${verdict.kind}` : verdict.verdict;
  } catch (error) {
    return (error as Error).message.replaceAll(file, "FILE");
  }
}

/** The example with one place changed, and the line of that place. */
function changed(from: string, to: string): { text: string; line: number } {
  expect(example).toContain(from);
  const line = example.slice(0, example.indexOf(from)).split("\n").length;
  return { text: example.replace(from, to), line };
}

it("the example as it stands holds", async () => {
  expect(await check(example)).toBe("holds");
});

describe("a yield* that was forgotten", () => {
  it.each([
    { name: "in a thread", from: punch, to: punch.slice("yield* ".length), says: "ext4_punch_hole()" },
    { name: "in setup", from: "yield* mapFile(", to: "mapFile(", says: "mapFile()" },
    {
      name: "before a call whose result is used",
      from: punch,
      to: "const done = k.ext4_punch_hole(inode, 0, 1); if (done === null) yield* k.munmap(done);",
      says: "ext4_punch_hole()",
    },
    {
      name: "in a return",
      from: punch,
      to: `return ${punch.slice("yield* ".length)}`,
      says: "ext4_punch_hole()",
    },
    {
      name: "before a call of a function of one's own",
      from: "const first = yield* pin(k);",
      to: "const first = [] as never[]; pin(k);",
      says: "pin()",
    },
    {
      name: "so that something else goes wrong",
      from: punch,
      to: "const pages = k.pin_user_pages_fast(0, 1, 0) as never; yield* k.unpin_user_page((pages as never[])[0] as never);",
      says: "pin_user_pages_fast()",
    },
  ])("$name", async ({ from, to, says }) => {
    const { text, line } = changed(from, to);
    expect(await check(text)).toBe(`PL209: FILE:${line}: ${says} is called without yield*, so it never runs`);
  });

  it.each([
    {
      name: "a call that is delegated to later",
      to: "const it = k.ext4_punch_hole(inode, 0, 1); yield* it;",
    },
    {
      name: "a function that hands a generator to its caller",
      to: "const it = () => k.ext4_punch_hole(inode, 0, 1); yield* it();",
    },
    {
      name: "a generator that a loop runs",
      to: `for (const n of [...[1].values(), ...numbers()]) if (n === 2) ${punch}`,
      more: "function* numbers() { yield 2 as never; }",
    },
  ])("does not take for one: $name", async ({ to, more = "" }) => {
    expect(await check(changed(punch, to).text + more)).toBe("holds");
  });
});
