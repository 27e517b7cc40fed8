// `pagelife trace --jobs 2`: a thread reads and another analyses, and nothing that is printed tells.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { isLarge } from "../../src/cli/input.ts";
import { pagelife } from "./run.ts";

const fixtures = resolve(import.meta.dirname, "../fixtures/traces");
const folder = mkdtempSync(join(tmpdir(), "pagelife-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, content: Buffer | string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const refault = join(fixtures, "punch_refault.ext4.7.2.txt");
const stacks = join(fixtures, "dat/punch_pinned.ext4.7.2.v7-zstd.dat");

function cut(name: string, path: string, size: number): string {
  const copy = file(name, readFileSync(path));
  truncateSync(copy, size);
  return copy;
}

it("two threads are for large files, by what is in them", () => {
  // Sparse: only the beginning is there.
  const sized = (name: string, path: string, size: number): string => {
    const copy = file(name, readFileSync(path));
    truncateSync(copy, size);
    return copy;
  };
  expect(isLarge(sized("small.txt", refault, 1 << 29))).toBe(false);
  expect(isLarge(sized("large.txt", refault, 1 << 30))).toBe(true);
  expect(isLarge(stacks)).toBe(false);
  expect(isLarge(sized("large.dat", stacks, 1 << 22))).toBe(true);
  expect(isLarge(join(folder, "missing"))).toBe(false);
});

describe("pagelife trace --jobs 2", () => {
  it.each([
    ["a text", refault],
    ["a text in gzip", file("a.gz", gzipSync(readFileSync(refault)))],
    ["a compressed trace.dat", stacks],
    ["a trace.dat in gzip", join(fixtures, "dat/punch_pinned.ext4.6.12-pageref.v6.dat.gz")],
    ["a text that is cut off", cut("cut.txt", refault, 9999)],
    ["a trace.dat that is cut off", cut("cut.dat", stacks, 340_000)],
    ["what is no recording", file("hello.txt", "hello\n")],
    ["a trace.dat without a body", file("none.dat", "\x17\x08\x44tracing6\0\0\x08\0\x10\0\0")],
    ["an empty file", file("empty", "")],
  ])("prints of %s what one thread prints", (_, path) => {
    const perfetto = join(folder, "p");
    const ftrace = join(folder, "f");
    const [one, two] = ["1", "2"].map((jobs) => {
      const ran = pagelife([
        "trace",
        "--json",
        "--perfetto",
        perfetto,
        "--ftrace",
        ftrace,
        "--jobs",
        jobs,
        path,
      ]);
      return { ...ran, perfetto: readFileSync(perfetto), ftrace: readFileSync(ftrace) };
    });
    expect(two).toEqual(one);
  });

  it("does without a second thread where there is none to be had", () => {
    const noThreads = file(
      "no-threads.cjs",
      `require("node:worker_threads").Worker = class { constructor() { throw new Error("none left"); } };
       require("node:module").syncBuiltinESMExports();`,
    );
    const main = resolve(import.meta.dirname, "../../dist/cli/main.js");
    const args = ["--require", noThreads, main, "trace", "--jobs", "2", refault];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
    expect({ status, stdout }).toEqual({
      status: 1,
      stdout: pagelife(["trace", "--jobs", "1", refault]).stdout,
    });
  });

  it("says so if the thread that reads fails", () => {
    const failing = file(
      "failing.cjs",
      `const threads = require("node:worker_threads");
       if (!threads.isMainThread) throw new Error("no more memory");`,
    );
    const main = resolve(import.meta.dirname, "../../dist/cli/main.js");
    const args = ["--require", failing, main, "trace", "--jobs", "2", refault];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    expect(status).toBe(70);
    expect(stderr).toContain("no more memory");
  });

  it("takes one or two", () => {
    expect(pagelife(["trace", "--jobs", "3", refault])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("--jobs 3: expected 1, 2"),
    });
  });
});
