import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { checkRecord } from "../../src/report/verdict-schema.ts";
import { pagelife } from "./run.ts";

const examples = resolve(import.meta.dirname, "../../examples");

/** Leaves out the time, which is the only thing that differs between two runs. */
const withoutTime = (text: string): string =>
  text.replace(/[\d.]+ s\)/g, "TIME)").replace(/[\d,]+ states/g, "N states");

describe("pagelife check", () => {
  it("draws the finding in at most 72 columns, and repeats it from its Reproduce: line", () => {
    const { stdout, status } = pagelife(["check", "refault-during-wait", "--kernel", "v7.2"]);
    expect(status).toBe(0);
    const diagram = stdout.split("\n").filter((l) => !l.includes("Reproduce:"));
    const drawn = diagram.slice(diagram.findIndex((l) => l.startsWith(" Possible")));
    const body = drawn.slice(
      0,
      drawn.findIndex((l) => l.includes("none shorter")),
    );
    expect(Math.max(...body.map((l) => l.length))).toBeLessThanOrEqual(72);
    expect(body.join("\n")).toMatchSnapshot();

    const line = /Reproduce: pagelife (.*)$/m.exec(stdout)?.[1] ?? "";
    const again = pagelife(line.split(" "));
    expect(again.status).toBe(0);
    expect(again.stdout).toContain(body.join("\n").trimEnd());
  });

  it("gives 0 for a finding that is expected, 1 for one of a change of one's own", () => {
    expect(pagelife(["check", "unpin-vs-punch-hole", "--kernel", "v5.18"]).status).toBe(0);
    const { status, stdout } = pagelife([
      "check",
      "unpin-vs-punch-hole",
      "--kernel",
      "v6.12",
      "--with",
      "twin/hook-tests-zero",
    ]);
    expect(status).toBe(1);
    expect(withoutTime(stdout)).toMatchSnapshot();
  });

  it("is inconclusive with status 4 where a bound is hit, never silently clean", () => {
    const { status, stdout } = pagelife([
      "check",
      "unpin-vs-punch-hole",
      "--kernel",
      "v6.12",
      "--max-states",
      "5",
    ]);
    expect(status).toBe(4);
    expect(stdout).toContain("inconclusive");
    expect(stdout).toContain("a bound was reached: states: 5");
  });

  it("prints NDJSON that fits the published schema, and the same but for time on every run", () => {
    const args = ["check", "unpin-vs-punch-hole", "truncate-vs-gup-fast", "--json"];
    const first = pagelife(args);
    const records = first.stdout
      .trim()
      .split("\n")
      .map((l) => checkRecord.parse(JSON.parse(l)));
    expect(records.at(-1)?.type).toBe("summary");
    const cell = records.find((r) => r.type === "verdict" && r.data.kernel === "v5.18");
    expect(cell?.data).toMatchObject({
      scenario: "unpin-vs-punch-hole",
      verdict: "violation",
      kind: "missed-wakeup",
      expected: "missed-wakeup",
      complete: true,
      with: [],
    });
    const timeless = (text: string): string => text.replace(/"millis":[\d.]+/g, "");
    expect(timeless(pagelife(args).stdout)).toBe(timeless(first.stdout));
  });

  it("draws what comes about alike on two kernels once, with a line to repeat it on each", () => {
    const { stdout } = pagelife(["check", "truncate-vs-gup", "--kernel", "v6.15,v7.2"]);
    expect(stdout.match(/Possible unsafe page lifetime/g)).toHaveLength(1);
    expect(stdout).toContain(" It comes about as on v6.15, above.");
    const drawn = (kernel: string): string => {
      const line = new RegExp(`Reproduce: pagelife (.*:${kernel}:.*)$`, "m").exec(stdout)?.[1] ?? "";
      const { stdout: again } = pagelife(line.split(" "));
      return again.slice(again.indexOf("\n"), again.indexOf("Reproduce:"));
    };
    expect(drawn("v7.2")).toContain("*** STUCK WAIT: layout-break-returns ***");
    expect(drawn("v7.2")).toBe(drawn("v6.15"));
  });

  it("draws everybody who had a part in it, though nothing but the lock of an entry was touched", () => {
    const { stdout } = pagelife(["show", "fsync-vs-read-fault", "--kernel", "v7.2", "--steps"]);
    expect(stdout).toMatch(/CPU0 fsync +CPU1 load by another process/);
    expect(stdout).toMatch(/grab_mapping_entry\(\):\n +i_pages\[0\]=pfn 0x40 locked/);
    expect(stdout).toMatch(
      /^ +\d+ {2}read {3}grab_mapping_entry\(\): acquire .*: file.i_pages\[0\]=pfn 0x40 locked, file.entryLockers\[0\]=read$/m,
    );
  });

  it("names cells in full where several have the same short name", () => {
    const { stdout } = pagelife(["show", "two-files-fault-on-shared-extent", "--kernel", "v6.12"]);
    expect(stdout).toContain(" one.i_pages[0]=empty locked");
    expect(stdout).toContain(" two.i_pages[0]=empty locked");
    expect(stdout).toContain(" sees mapping=shared ");
  });

  it("runs with a change only on the kernels that it goes onto", () => {
    const { stdout, status } = pagelife(["check", "refault-during-wait", "--with", "fsdax-wakeup/gup-put"]);
    expect(status).toBe(0);
    expect(stdout.split("\n").slice(0, 2).join("\n")).toMatchInlineSnapshot(`
      "scenario             v5.18+fsdax-wakeup/gup-put
      refault-during-wait  holds"
    `);
  });
});

describe("a scenario and a change of the user's own", () => {
  it("are loaded from TypeScript, checked and repeated", () => {
    const args = ["check", "./two-unpinners.ts", "--kernel", "v6.12", "--with", "./forget-the-wakeup.ts"];
    const { stdout, status } = pagelife(args, examples);
    expect(status).toBe(1);
    expect(stdout).toContain("MISSED WAKEUP");
    const line = /Reproduce: pagelife (.*)$/m.exec(stdout)?.[1] ?? "";
    const again = pagelife(line.split(" "), examples);
    expect(again.status).toBe(0);
    expect(again.stdout).toContain("MISSED WAKEUP");
  });

  it("are drawn with the actor's name on each line where there are more than three actors", () => {
    const third =
      'third: { title: "touch", cpu: 3, mm: (w) => w.mm, *run(k, { mm }) { yield* k.touch(mm, 0, true); } },';
    const text = readFileSync(resolve(examples, "two-unpinners.ts"), "utf8")
      .replace("return { inode,", "return { mm, inode,")
      .replace("    second: {", `    ${third}\n    second: {`);
    const folder = mkdtempSync(join(tmpdir(), "pagelife-"));
    writeFileSync(join(folder, "four.ts"), text);
    const { stdout, status } = pagelife(["check", "./four.ts", "--kernel", "v7.2"], folder);
    rmSync(folder, { recursive: true });
    expect(status).toBe(1);
    const drawn = stdout.slice(stdout.indexOf(" Possible"), stdout.indexOf(" ***")).trimEnd().split("\n");
    expect(drawn.slice(2, 7)).toEqual([
      "      CPU0 punch hole",
      "      CPU1 unpin",
      "      CPU3 touch",
      "      CPU2 unpin",
      "      ----",
    ]);
    for (const line of drawn.slice(7)) expect(line).toMatch(/^ *\d+ CPU[0-3]: .{1,60}$/);
  });

  it("hold on the kernel as it is", () => {
    const { stdout, status } = pagelife(["check", "./two-unpinners.ts", "--kernel", "v6.12"], examples);
    expect(status).toBe(0);
    expect(stdout).toContain("1 cell: 1 holds; every interleaving was explored");
  });
});
