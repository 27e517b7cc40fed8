import { spawnSync } from "node:child_process";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const main = join(root, "dist/cli/main.js");
const fixture = (name: string): string => join(root, "test/fixtures/lab", name);

const pagelife = (args: readonly string[], path = process.env.PATH ?? "") => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, "lab", ...args], {
    env: { ...process.env, PATH: path },
    encoding: "utf8",
  });
  return { status, stdout, stderr };
};

describe("pagelife lab", () => {
  it("says what to install, and exits with 2, where there is no QEMU", () => {
    const { status, stderr } = pagelife(["compare"], "/nonexistent");
    expect(status).toBe(2);
    expect(stderr).toMatch(/^pagelife: PL501: .*qemu-system-x86/);
    expect(stderr).toMatch(/apt-get install/);
  });

  it("refuses a scenario that it cannot drive a machine into, and names those it can", () => {
    const { status, stderr } = pagelife(["run", "nothing"]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/PL502: .*refault-during-wait/);
  });

  it("refuses a run that is not one", () => {
    const { status, stderr } = pagelife(["compare", "--recorded", join(root, "package.json")]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/PL506/);
  });

  it("compares an earlier run again", () => {
    const { status, stdout } = pagelife(["compare", "--recorded", fixture("seed-1.7.x.json.gz")]);
    expect(stdout).toMatch(/^Linux 7\.\d+.* against pagelife v7\.2 .*no unexplained difference/);
    expect(status).toBe(0);
  });

  it("shows the first difference with both histories, and exits with 1", () => {
    const { status, stdout } = pagelife([
      "compare",
      "--with",
      "twin/busy-counts-mappings",
      "--recorded",
      fixture("seed-1.7.x.json.gz"),
    ]);
    expect(status).toBe(1);
    expect(stdout).toMatch(
      /touch-munmap\.ext4 \(ext4\): mapcount differs after process 0: write map 0 page 0/,
    );
    expect(stdout).toMatch(/\nLinux 7.*:\n {3}-1 start/);
    expect(stdout).toMatch(/\npagelife v7\.2.*:\n {3}-1 start/);
  });
});
