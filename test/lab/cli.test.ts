import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const main = join(root, "dist/cli/main.js");

/** The first programs of a run that was kept, as a run of their own. */
function cutDown(programs: number): string {
  const packed = readFileSync(join(root, "test/fixtures/lab/seed-1.7.x.json.gz"));
  const run = JSON.parse(gunzipSync(packed).toString("utf8")) as { programs: unknown[]; log: string };
  const log = run.log
    .split(/^(?=P )/m)
    .slice(0, programs + 1)
    .join("");
  const file = join(mkdtempSync(join(tmpdir(), "pagelife-lab-test-")), "run.json");
  writeFileSync(file, JSON.stringify({ ...run, programs: run.programs.slice(0, programs), log }));
  return file;
}

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
    const { status, stdout } = pagelife(["compare", "--recorded", cutDown(3)]);
    expect(stdout).toMatch(/^Linux 7\.\d+.* against pagelife v7\.2 .*no unexplained difference/);
    expect(status).toBe(0);
  });

  it("shows the first difference with both histories, and exits with 1", () => {
    const { status, stdout } = pagelife([
      "compare",
      "--with",
      "twin/busy-counts-mappings",
      "--recorded",
      cutDown(3),
    ]);
    expect(status).toBe(1);
    expect(stdout).toMatch(
      /touch-munmap\.ext4 \(ext4\): mapcount differs after process 0: write map 0 page 0/,
    );
    expect(stdout).toMatch(/\nLinux 7.*:\n {3}-1 start/);
    expect(stdout).toMatch(/\npagelife v7\.2.*:\n {3}-1 start/);
  });
});
