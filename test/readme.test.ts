import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { pagelife } from "./cli/run.ts";

const root = resolve(import.meta.dirname, "..");
const readme = readFileSync(join(root, "README.md"), "utf8");
const blocks = (language: string): string[] =>
  [...readme.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, "g"))].map(([, text = ""]) => text);

describe("the README", () => {
  it("shows what the command prints", () => {
    const shown = blocks("console").find((b) => b.startsWith("$ pagelife show")) ?? "";
    const [command = "", ...output] = shown.trimEnd().split("\n");
    const { stdout } = pagelife(command.replace("$ pagelife ", "").split(" "));
    expect(stdout.trimEnd()).toBe(output.join("\n"));
  });

  it("shows the scenario and the change of examples/, which run as it says", () => {
    const [scenario = "", change = ""] = blocks("ts");
    expect(scenario).toBe(readFileSync(join(root, "examples/two-unpinners.ts"), "utf8"));
    expect(change).toBe(readFileSync(join(root, "examples/forget-the-wakeup.ts"), "utf8"));

    const folder = mkdtempSync(join(tmpdir(), "pagelife-"));
    writeFileSync(join(folder, "two-unpinners.ts"), scenario);
    writeFileSync(join(folder, "forget-the-wakeup.ts"), change);
    const alone = pagelife(["check", "./two-unpinners.ts", "--kernel", "v6.12"], folder);
    const args = ["check", "./two-unpinners.ts", "--kernel", "v6.12", "--with", "./forget-the-wakeup.ts"];
    const together = pagelife(args, folder);
    rmSync(folder, { recursive: true });
    expect(alone.status).toBe(0);
    expect(together.status).toBe(1);
    expect(together.stdout).toContain("*** MISSED WAKEUP: layout-break-returns ***");
  });

  it("names only commands that there are", () => {
    const commands = blocks("sh")
      .join("\n")
      .matchAll(/npx pagelife (\w+)/g);
    const { stdout } = pagelife(["--help"]);
    for (const [, command = ""] of commands) expect(stdout).toContain(`  ${command} `);
  });
});
