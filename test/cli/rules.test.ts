import { describe, expect, it } from "vitest";
import { pagelife } from "./run.ts";

const check = (...args: string[]) => pagelife(["check", "unpin-vs-punch-hole", ...args]);

describe("check --rule", () => {
  it("looks at that rule alone, expects nothing, and its Reproduce: line names the rule", () => {
    const { status, stdout } = check("--kernel", "v5.18", "--rule", "layout-break-returns");
    expect(status).toBe(1);
    expect(stdout).toContain("1 cell: 1 with a finding");
    const line = /Reproduce: pagelife (.*)$/m.exec(stdout)?.[1] ?? "";
    expect(line).toContain("--rule layout-break-returns");
    const again = pagelife(line.split(" "));
    expect(again).toMatchObject({ status: 0, stderr: "" });
    expect(again.stdout).toContain("*** MISSED WAKEUP: layout-break-returns ***");
  });

  it("finds nothing of what is left out, on several cores either", () => {
    const args = ["--kernel", "v5.18", "--rule", "no-warning", "--rule", "unpin-returns"];
    expect(check(...args).stdout).toContain("1 cell: 1 holds");
    expect(check(...args, "--jobs", "2").stdout).toContain("1 cell: 1 holds");
  });

  it("refuses what is no rule, and what does not go with it", () => {
    const unknown = check("--rule", "no-warnings");
    expect(unknown.status).toBe(2);
    expect(unknown.stderr).toContain('no rule is called "no-warnings". Did you mean no-warning?');
    expect(check("--twins", "--rule", "no-warning")).toMatchObject({ status: 2 });
  });

  it("is what `list rules` names", () => {
    const { stdout } = pagelife(["list", "rules"]);
    expect(stdout).toMatch(/^no-warning$/m);
    expect(stdout).toMatch(/^unpin-returns {2}of waits and loops without end$/m);
  });
});
