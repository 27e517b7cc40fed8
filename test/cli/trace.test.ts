// The command itself: exit status, what goes where, and input that is no recording. Built by `npm test`.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const fixtures = join(root, "test/fixtures/traces");
const folder = mkdtempSync(join(tmpdir(), "pagelife-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (args: readonly string[], input: Buffer | string = "") => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, "dist/cli/main.js"), "trace", ...args],
    { input, encoding: "utf8" },
  );
  return { status, stdout, stderr };
};
const file = (name: string, content: Buffer | string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const refault = join(fixtures, "punch_refault.ext4.7.2.txt");

describe("pagelife trace", () => {
  it("ends with 1 for a finding and 0 without one", () => {
    expect(run([refault]).status).toBe(1);
    expect(run([join(fixtures, "punch_refault.ext4.6.12.txt")]).status).toBe(0);
  });

  it("reads gzip, a packed trace.dat, and standard input to the same answers", () => {
    const plain = run([refault]).stdout.split("\n").slice(1);
    const text = readFileSync(refault);
    expect(
      run([file("a.gz", gzipSync(text))])
        .stdout.split("\n")
        .slice(1),
    ).toEqual(plain);
    expect(run(["-"], text).stdout.split("\n").slice(1)).toEqual(plain);
    expect(run([join(fixtures, "dat/punch_pinned.ext4.7.2.v6.dat.gz")]).stdout).toContain(
      "trace.dat, 1041 events",
    );
  });

  it.each([
    ["an empty file", "empty", "", "is empty"],
    ["text", "t.txt", "hello\nworld\n", "no line of its first 64 KiB is an event"],
    ["bytes", "b.bin", Buffer.from([1, 2, 3, 0, 255, 254]), "not those of any recording"],
    ["perf.data", "perf.data", "PERFILE2........", "perf script"],
    ["a trace.dat without a body", "c.dat", "\x17\x08\x44tracing6\0\0\x08\0\x10\0\0", "cannot be read"],
    ["a cut gzip file", "d.gz", Buffer.from([0x1f, 0x8b, 8, 0]), "cannot be unpacked"],
  ])("refuses %s with status 2 and a reason", (_, name, content, reason) => {
    const { status, stdout, stderr } = run([
      file(name, typeof content === "string" ? Buffer.from(content, "latin1") : content),
    ]);
    expect(status).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain(reason);
  });

  it("refuses what is not there, and options that make no sense", () => {
    expect(run([join(folder, "nothing")])).toMatchObject({ status: 2 });
    expect(run(["--kernel", "new", refault]).stderr).toContain("--kernel new");
    expect(run(["--cull", "colour", refault]).stderr).toContain("--cull colour");
    expect(run(["--page", "here", refault]).stderr).toContain("--page here");
    expect(run(["--probes", join(folder, "nothing"), refault]).status).toBe(2);
  });

  it("is inconclusive, 4, when nothing was recorded or events were lost", () => {
    expect(
      run([file("none.txt", "# tracer: nop\n#\n# entries-in-buffer/entries-written: 0/0   #P:2\n")]).status,
    ).toBe(4);
    const lost = readFileSync(join(fixtures, "punch_pinned.ext4.6.12.txt"), "latin1").replace(
      /^.*snap: /m,
      "CPU:1 [LOST 9 EVENTS]\n$&",
    );
    const { status, stdout } = run([file("lost.txt", lost)]);
    expect(status).toBe(4);
    expect(stdout).toContain("9 events were lost at 1 place");
  });

  it("writes JSON, Perfetto and ftrace files", () => {
    const perfetto = join(folder, "x.pftrace");
    const ftrace = join(folder, "x.txt");
    const { stdout, status } = run([
      "--json",
      "--perfetto",
      perfetto,
      "--ftrace",
      ftrace,
      "--page",
      "0x48400",
      refault,
    ]);
    expect(status).toBe(1);
    const records = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { readonly type: string });
    expect(records[records.length - 1]?.type).toBe("summary");
    expect(readFileSync(perfetto).length).toBeGreaterThan(500);
    expect(run([ftrace]).stdout).toContain("STUCK WAIT");
  });
});
