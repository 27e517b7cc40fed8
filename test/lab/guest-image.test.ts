import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readGuestLog } from "../../src/conformance/guest-log.ts";
import { pageLayout } from "../../src/conformance/page-layout.ts";
import { guestText, limits, parseProgram } from "../../src/conformance/program.ts";
import { randomPrograms } from "../../src/conformance/random-arbitrary.ts";
import { allFeatures } from "../../src/conformance/random-program.ts";
import { cpio } from "../../src/lab/cpio.ts";
import { moduleDepends } from "../../src/lab/modules.ts";
import { untar } from "../../src/lab/tar.ts";

describe("programs", () => {
  it("are written in the form that the guest reads", () => {
    const program = parseProgram(
      {
        name: "one",
        fs: "xfs",
        files: [{ pages: 4, allocated: 2 }],
        ops: [
          { op: "mmap", proc: 0, map: 1, file: 0, page: 0, pages: 4, shared: true, writable: false },
          { op: "pin", proc: 0, pin: 2, map: 1, page: 3, pages: 1, how: "vmsplice", write: false },
          { op: "truncate", proc: 4, file: 0, size: 1 },
        ],
      },
      "test",
    );
    expect(guestText(program)).toBe(
      ["program one xfs", "file 0 4 2 0 0", "op mmap 0 1 0 0 4 1 0", "op pin 0 2 1 3 1 1 0"].join("\n") +
        "\nop truncate 4 0 1\nend\n",
    );
  });

  it("are refused with the place that is wrong", () => {
    const wrong = {
      name: "x",
      fs: "ext4",
      files: [{ pages: 1, allocated: 1 }],
      ops: [{ op: "touch", proc: 9 }],
    };
    expect(() => parseProgram(wrong, "x.json")).toThrow(/PL507: x\.json: ops\.0\./);
  });

  it("of one seed are the same each time, and within the guest's limits", () => {
    const programs = randomPrograms(7, 200, allFeatures);
    expect(randomPrograms(7, 200, allFeatures)).toEqual(programs);
    for (const p of programs) {
      expect(() => parseProgram(p, p.name)).not.toThrow();
      expect(p.ops.length).toBeLessThanOrEqual(limits.operations);
    }
  });
});

describe("the guest's log", () => {
  const log = (refcount: string, extra: string[]): string =>
    [
      `G 1 ffffea0000000000 40000 ${refcount}`,
      "P t",
      "F 0 2",
      "B 0 0 48200",
      `S 48200 2000 ffff888000000000 0 0 0 0 ${refcount}ffffffff 0`,
      "I",
      "O 0 done 0",
      ...extra,
      "E",
      "Z 1",
      "",
    ].join("\n");

  it("gives the counts of a one-based kernel", () => {
    const { runs, complete } = readGuestLog(
      log("1", ["S 48200 2000 ffff888000000000 0 ffff8880 0 0 401ffffffff 0", "T 0"]),
      pageLayout("6.12.0"),
    );
    expect(complete).toBe(true);
    expect(runs[0]?.observations[1]?.files[0]).toEqual([
      { refcount: 1025, mapcount: 0, pincount: 1, mapping: "file", flags: [] },
      "hole",
    ]);
  });

  it("lists a page that no file has any more as long as somebody uses it", () => {
    const { runs } = readGuestLog(
      log("1", ["B 0 0 -", "S 48200 2000 ffff888000000000 0 0 0 0 2ffffffff 0", "T 0"]),
      pageLayout("6.12.0"),
    );
    expect(runs[0]?.observations[1]?.detached).toEqual({
      "0/0": { refcount: 2, mapcount: 0, pincount: 0, mapping: "none", flags: [] },
    });
  });

  it("of a guest that died is not complete", () => {
    const whole = log("1", ["T 0"]);
    const { runs, complete } = readGuestLog(whole.slice(0, whole.indexOf("T 0")), pageLayout("6.12.0"));
    expect(complete).toBe(false);
    expect(runs[0]?.complete).toBe(false);
  });

  it("is refused where a line means nothing", () => {
    expect(() => readGuestLog("G 1 0 0 1\nP t\nQ what\n", pageLayout("6.12.0"))).toThrow(/PL506/);
  });
});

describe("images", () => {
  it("holds files with the directories above them, in the kernel's form", () => {
    const image = cpio([{ path: "a/b", content: Buffer.from("hi"), executable: true }]);
    const scratch = mkdtempSync(join(tmpdir(), "pagelife-cpio-"));
    try {
      expect(image.length % 4).toBe(0);
      expect(image.toString("latin1")).toContain("070701");
      const names = [...image.toString("latin1").matchAll(/070701[0-9A-F]{104}([^\0]+)\0/g)].map((m) => m[1]);
      expect(names).toEqual(["a", "a/b", "TRAILER!!!"]);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  });

  it("come back as a tar", () => {
    const scratch = mkdtempSync(join(tmpdir(), "pagelife-tar-"));
    try {
      writeFileSync(join(scratch, "trace.txt"), "one\ntwo\n");
      const made = spawnSync("tar", ["cf", "x.tar", "./trace.txt"], { cwd: scratch });
      if (made.status !== 0) return;
      const files = untar(readFileSync(join(scratch, "x.tar")));
      expect(files.get("trace.txt")?.toString()).toBe("one\ntwo\n");
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  });

  it("knows what a module depends on", () => {
    expect(moduleDepends(Buffer.from("license=GPL\0depends=jbd2,mb-cache\0name=ext4\0"))).toEqual([
      "jbd2",
      "mb_cache",
    ]);
    expect(moduleDepends(Buffer.from("x\0depends=\0"))).toEqual([]);
  });
});
