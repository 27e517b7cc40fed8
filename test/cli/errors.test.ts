import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errorCodes } from "../../src/base/errors.ts";
import { pagelife } from "./run.ts";

const example = readFileSync(resolve(import.meta.dirname, "../../examples/two-unpinners.ts"), "utf8");
const punch = "yield* k.ext4_punch_hole(inode, 0, 1);";
/** The line of the example that the cases below replace. */
const punchLine = example.slice(0, example.indexOf(punch)).split("\n").length;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pagelife-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Checks a file with this text, and gives what was said on stderr. */
function complaint(text: string, name = "mine.ts"): string {
  writeFileSync(join(folder, name), text);
  const { status, stderr } = pagelife(["check", `./${name}`, "--kernel", "v6.12"], folder);
  expect(status).toBe(2);
  return stderr.replaceAll(folder, "FOLDER").trim();
}

describe("a file of the user's that cannot be used says what is wrong, where, and what was expected", () => {
  it("has a syntax error", () => {
    expect(complaint("const a = 1;\nexport const x = 1 +;")).toMatch(/^pagelife: PL103: \.\/mine\.ts:2: /);
  });

  it("throws while it is loaded", () => {
    expect(complaint('const a = 1;\nthrow new Error("boom");')).toBe("pagelife: PL103: ./mine.ts:2: boom");
  });

  it("exports no scenario", () => {
    expect(complaint("export const x = 1;")).toContain(
      "PL104: ./mine.ts exports no scenario; export the value of",
    );
  });

  it("is not there", () => {
    const { status, stderr } = pagelife(["check", "./none.ts"], folder);
    expect({ status, stderr }).toEqual({ status: 2, stderr: "pagelife: PL102: ./none.ts: no such file\n" });
  });

  it("throws in a thread", () => {
    const text = example.replace(punch, "throw new TypeError('no');");
    expect(complaint(text)).toContain(`threw TypeError: no (at FOLDER/mine.ts:${punchLine})`);
  });

  it("calls a function that the kernel does not have", () => {
    const text = example.replace("ext4_punch_hole", "ext4_punch_hoel");
    expect(complaint(text)).toContain(`k.ext4_punch_hoel is not a function (at FOLDER/mine.ts:${punchLine})`);
  });

  it("hides a half-evaluated expression behind a yield", () => {
    const text = example.replace(punch, "let n = 0; n += (yield* k.ext4_punch_hole(inode, 0, 1)) as never;");
    expect(complaint(text)).toContain(`PL205: FOLDER/mine.ts:${punchLine}: put the result of this yield`);
  });

  it("yields something else", () => {
    expect(complaint(example.replace(punch, "yield 5 as never;"))).toContain(
      `PL201: punch at FOLDER/mine.ts:${punchLine} yields something that is not an operation`,
    );
  });

  it("goes wrong on a later kernel, after what was found on the earlier one has been printed", () => {
    const text = example.replace(
      punch,
      `if (k.release === "v6.12") yield* k.touch(k.current.mm as never, 0, true); ${punch}`,
    );
    writeFileSync(join(folder, "later.ts"), text);
    const { status, stdout, stderr } = pagelife(["check", "./later.ts", "--kernel", "v6.1,v6.12"], folder);
    expect(status).toBe(2);
    expect(stdout).toContain("two-unpinners-vs-punch-hole, v6.1: holds");
    expect(stderr).toContain("PL210: thread punch: touch() takes a process first, and was given null");
    expect(stderr).toContain(
      `mine.ts:${punchLine}) [two-unpinners-vs-punch-hole on v6.12]`.replace("mine", "later"),
    );
  });

  it("delegates to code that is not instrumented", () => {
    expect(complaint(example.replace(punch, "yield* [1, 2] as never;"))).toContain(
      `PL203: FOLDER/mine.ts:${punchLine}: run delegates with yield* to something`,
    );
  });
});

describe("wrong use", () => {
  it.each([
    { args: ["check", "refault-during-wiat"], says: "Did you mean refault-during-wait?" },
    { args: ["check", "--kernel", "v9"], says: 'no kernel is called "v9"' },
    { args: ["check", "--tlb", "x"], says: "--tlb x: expected ipi or rcu-table-free" },
    { args: ["check", "--max-states", "many"], says: "expected a number above 0" },
    {
      args: ["check", "unpin-vs-punch-hole", "--kernel", "v7.2", "--with", "fsdax-wakeup/gup-put"],
      says: "goes onto v5.18; this kernel is v7.2",
    },
    { args: ["show"], says: "name a scenario" },
    { args: ["show", "--replay", "nonsense"], says: "is not a replay token of format 1" },
    { args: ["list", "pages"], says: "expected scenarios, kernels, changes, functions or rules" },
    { args: ["chekc"], says: "Did you mean check?" },
  ])("$args: exit status 2 and a hint", ({ args, says }) => {
    const { status, stderr } = pagelife(args);
    expect(status).toBe(2);
    expect(stderr).toContain(says);
  });

  it("refuses a token whose schedule no longer fits", () => {
    const { stdout } = pagelife(["show", "unpin-vs-punch-hole", "--kernel", "v5.18"]);
    const token = /--replay (\S+)/.exec(stdout)?.[1] ?? "";
    const longer = token.replace(/b(\d+):/, (_, n) => `b${Number(n) + 1}:`);
    expect(pagelife(["show", "--replay", longer]).stderr).toContain("cannot run there (runnable: nobody)");
    const other = token.replace(/.$/, (c) => (c === "0" ? "1" : "0"));
    expect(pagelife(["show", "--replay", other]).stderr).toContain("the steps differ");
    const otherKernel = token.replace("v5.18", "v6.12");
    expect(pagelife(["show", "--replay", otherKernel]).status).toBe(2);
  });
});

it("every error code has a meaning and a remedy in docs/errors.md", () => {
  const text = readFileSync(resolve(import.meta.dirname, "../../docs/errors.md"), "utf8");
  for (const [code, { meaning, remedy }] of Object.entries(errorCodes)) {
    expect(text).toContain(`| ${code} | ${meaning} | ${remedy} |`);
  }
});
