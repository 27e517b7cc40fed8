// Each kind of answer, on recordings of a few lines that show it and nothing else.
import { describe, expect, it } from "vitest";
import { oneBased, zeroBased } from "../../src/trace/kernel-rules.ts";
import { outcomeOf } from "../../src/trace/report.ts";
import { analyseText, kinds } from "./analyse.ts";
import { ftrace, pageAt, probe } from "./lines.ts";

const old = { kernel: { rules: oneBased, text: "v6.12" } };
const recent = { kernel: { rules: zeroBased, text: "v7.2" } };
const P = 0x40000;

const wait = [
  { at: 0.1, tid: 1, event: probe.pin(P, 1) },
  { at: 0.2, tid: 2, event: probe.breakLayouts() },
  { at: 0.2, tid: 2, event: probe.scan() },
  { at: 0.2, tid: 2, event: probe.busy(P, 1025) },
];

describe("a task that waits for a page", () => {
  it("is let go on by the wakeup after the last put", () => {
    const report = analyseText(
      "t",
      ftrace([
        ...wait,
        { at: 1.2, tid: 1, event: probe.unpin(P, 1025) },
        { at: 1.2, tid: 1, event: probe.wake(P) },
        { at: 1.3, tid: 2, event: probe.scan() },
        { at: 1.3, tid: 2, event: probe.idle() },
        { at: 1.3, tid: 2, event: probe.breakDone() },
      ]),
      old,
    );
    expect(kinds(report)).toEqual(["waited note"]);
    expect(outcomeOf(report)).toBe("clean");
  });

  it("has missed its wakeup if the count became idle and nobody called wake_up_var()", () => {
    const report = analyseText(
      "t",
      ftrace([
        { at: 0, tid: 9, event: probe.wake(P + 1) }, // the probe is set
        ...wait,
        { at: 1.2, tid: 1, event: probe.unpin(P, 1025) },
        { at: 9.0, tid: 3, event: "tracing_mark_write: still waiting" },
      ]),
      old,
    );
    expect(kinds(report)).toEqual(["missed-wakeup error"]);
    expect(report.findings[0]?.sentence).toContain("nobody called wake_up_var()");
  });

  it("may have been woken if wakeups were not recorded at all", () => {
    const report = analyseText(
      "t",
      ftrace([
        ...wait,
        { at: 1.2, tid: 1, event: probe.unpin(P, 1025) },
        { at: 9, tid: 3, event: "tracing_mark_write: x" },
      ]),
      old,
    );
    expect(kinds(report)).toEqual(["blocked unknown"]);
    expect(outcomeOf(report)).toBe("inconclusive");
  });

  it("is blocked by the holder if the recording ends before the put", () => {
    const report = analyseText(
      "t",
      ftrace([...wait, { at: 9, tid: 3, event: "tracing_mark_write: x" }]),
      old,
    );
    expect(kinds(report)[0]).toBe("blocked warning");
    expect(report.findings[0]?.sentence).toContain("task-1 had pinned");
    expect(report.findings[0]?.sentence).toContain("must come to 1; the put that brings it there wakes it");
  });

  it("will not be woken by the unpin alone on 7.2 if the page is mapped again", () => {
    const report = analyseText(
      "t",
      ftrace([
        { at: 0.1, tid: 1, event: probe.pin(P, 1, 0) },
        { at: 0.2, tid: 2, event: probe.breakLayouts() },
        { at: 0.2, tid: 2, event: probe.scan() },
        { at: 0.2, tid: 2, event: probe.unmap(P, 1025, 0) },
        { at: 0.3, tid: 2, event: probe.busy(P, 1024) },
        { at: 0.5, tid: 1, event: probe.map(P, 1026, -1) },
        { at: 9.0, tid: 3, event: "tracing_mark_write: still waiting" },
      ]),
      recent,
    );
    expect(kinds(report)[0]).toBe("blocked warning");
    expect(report.findings[0]?.sentence).toContain("that takes a munmap, too");
  });

  it("that was pinned before the recording began says so", () => {
    const report = analyseText("t", ftrace(wait.slice(1)), old);
    expect(report.findings[0]?.sentence).toContain("pinned by a task that was not recorded");
  });

  it("is stuck on 7.2 if the page is mapped when the last pin goes, and the recording ends", () => {
    const report = analyseText(
      "t",
      ftrace([
        { at: 0.1, tid: 1, event: probe.pin(P, 1, 0) },
        { at: 0.2, tid: 2, event: probe.breakLayouts() },
        { at: 0.2, tid: 2, event: probe.scan() },
        { at: 0.2, tid: 2, event: probe.unmap(P, 1025, 0) },
        { at: 0.3, tid: 2, event: probe.busy(P, 1024) },
        { at: 0.5, tid: 1, event: probe.map(P, 1026, -1) },
        { at: 1.2, tid: 1, event: probe.unpin(P, 1025, 0) },
        { at: 9.0, tid: 3, event: "tracing_mark_write: still waiting" },
      ]),
      recent,
    );
    expect(kinds(report)).toEqual(["stuck-wait error"]);
    expect(report.findings[0]?.sentence).toContain("the count fell to 1");
    expect(report.findings[0]?.sentence).toContain("still waiting when the recording ends");
  });

  it("is stuck on 7.2, too, if the page is mapped again after the wakeup and before the waiter looks", () => {
    const report = analyseText(
      "t",
      ftrace([
        { at: 0.1, tid: 1, event: probe.pin(P, 1, 0) },
        { at: 0.2, tid: 2, event: probe.breakLayouts() },
        { at: 0.2, tid: 2, event: probe.scan() },
        { at: 0.2, tid: 2, event: probe.unmap(P, 1025, 0) },
        { at: 0.3, tid: 2, event: probe.busy(P, 1024) },
        { at: 1.2, tid: 1, event: probe.unpin(P, 1024, -1) },
        { at: 1.2, tid: 1, event: probe.free(P) },
        { at: 1.2, tid: 1, event: probe.wake(P, 0) },
        { at: 1.201, tid: 3, event: probe.map(P, 2, -1) },
        { at: 9.0, tid: 3, event: "tracing_mark_write: still waiting" },
      ]),
      recent,
    );
    expect(kinds(report)).toEqual(["stuck-wait error"]);
    expect(report.findings[0]?.sentence).toContain("before it looked task-3 mapped the page again");
  });

  it("leaves the verdict open after lost events", () => {
    const text = ftrace([
      { at: 0, tid: 9, event: probe.wake(P + 1) },
      ...wait,
      { at: 1.2, tid: 1, event: probe.unpin(P, 1025) },
      { at: 9.0, tid: 3, event: "tracing_mark_write: still waiting" },
    ]);
    const report = analyseText("t", text.replace(/^.*unpin_user/m, "CPU:0 [LOST 12 EVENTS]\n$&"), old);
    expect(kinds(report)).toEqual(["missed-wakeup unknown"]);
    expect(report.log.lostCount).toBe(12);
    expect(outcomeOf(report)).toBe("inconclusive");
  });
});

describe("references that stay", () => {
  const rounds = Array.from({ length: 5 }, (_, i) => [
    { at: 0.1 + i * 0.01, tid: 1, event: probe.pin(P + i, 1) },
    { at: 0.105 + i * 0.01, tid: 1, event: probe.unpin(P + i, 1025) },
  ]).flat();

  it("are suspected to be leaked when they outlast all others by far", () => {
    const report = analyseText(
      "t",
      ftrace([
        ...rounds,
        { at: 0.5, tid: 7, event: probe.pin(P + 9, 1) },
        { at: 5, tid: 3, event: "tracing_mark_write: end" },
      ]),
      old,
    );
    expect(kinds(report)).toEqual(["leak warning"]);
    expect(report.findings[0]?.sentence).toContain("task-7 took 1 pin on pfn 0x40009");
    expect(outcomeOf(report)).toBe("finding");
  });

  it("are suspected when the others of their batch were dropped", () => {
    const report = analyseText(
      "t",
      ftrace([
        ...[0, 1, 2, 3].map((i) => ({ at: 0.1 + i * 1e-5, tid: 1, event: probe.pin(P + i, 1) })),
        ...[0, 1, 3].map((i) => ({ at: 0.4 + i * 1e-5, tid: 9, event: probe.unpin(P + i, 1025) })),
        { at: 0.5, tid: 3, event: "tracing_mark_write: end" },
      ]),
      old,
    );
    expect(kinds(report)).toEqual(["leak warning"]);
    expect(report.findings[0]?.pfns).toEqual([P + 2]);
    expect(report.findings[0]?.sentence).toContain("others taken with it were dropped by 100.400030");
  });

  it("are only noted when they are young", () => {
    const report = analyseText(
      "t",
      ftrace([...rounds, { at: 0.5, tid: 7, event: probe.pin(P + 9, 1) }]),
      old,
    );
    expect(kinds(report)).toEqual(["outstanding note"]);
    expect(outcomeOf(report)).toBe("clean");
  });

  it("are unknown after a loss", () => {
    const text = `${ftrace([...rounds, { at: 0.5, tid: 7, event: probe.pin(P + 9, 1) }])}CPU:1 [LOST EVENTS]\n${ftrace([{ at: 5, tid: 3, event: "tracing_mark_write: end" }])}`;
    const report = analyseText("t", text, old);
    expect(kinds(report)).toEqual(["outstanding unknown"]);
    expect(report.log.lostCount).toBe(null);
  });

  it("have the same id in two recordings with the same stack", () => {
    const stack =
      " => try_grab_folio_fast+0x0/0x10\n => gup_fast_fallback\n => leaky_ioctl+0x33/0x40 [leaky]\n";
    const text = (at: number): string =>
      ftrace([
        { at, tid: 7, event: probe.pin(P, 1) },
        { at, tid: 7, event: "<stack trace>" },
      ]) + stack;
    const ids = [0.1, 0.7].map((at) => analyseText("t", text(at), old).outstanding[0]?.id);
    expect(ids[0]).toBe(ids[1]);
    expect(analyseText("t", text(0.1), old).outstanding[0]?.stack?.frames).toEqual([
      "try_grab_folio_fast",
      "gup_fast_fallback",
      "leaky_ioctl",
    ]);
  });
});

describe("counts that cannot be", () => {
  it("are found with the first event: a put too many", () => {
    const report = analyseText(
      "t",
      ftrace([
        { at: 0.1, tid: 1, event: probe.pin(P, 1) },
        { at: 0.2, tid: 1, event: probe.unpin(P, 1025) },
        { at: 0.2, tid: 1, event: probe.put(P, 1025, 1024) },
        { at: 0.3, tid: 2, event: probe.unpin(P, 1) },
        { at: 0.3, tid: 2, event: probe.put(P, 1, 1024) },
      ]),
      old,
    );
    expect(kinds(report)[0]).toBe("illegal-count error");
    expect(report.findings[0]?.sentence).toContain("was unpinned while its count held no pin");
    expect(report.findings[0]?.evidence[0]?.task?.tid).toBe(2);
  });

  it("are found in page_ref: below zero, and a get of a frozen page", () => {
    const report = analyseText(
      "t",
      ftrace([
        { at: 0.1, tid: 1, event: probe.ref("mod_unless", P, 1, 1, 1) },
        { at: 0.2, tid: 1, event: probe.ref("mod_and_test", P + 1, -1, -1, 0) },
      ]),
      recent,
    );
    expect(kinds(report).filter((k) => k.startsWith("illegal"))).toEqual([
      "illegal-count error",
      "illegal-count error",
    ]);
  });

  it("are not found in a life as it should be", () => {
    const report = analyseText(
      "t",
      ftrace([
        { at: 0.1, tid: 1, event: probe.ref("mod_unless", P, 2, 1, 1) },
        { at: 0.1, tid: 1, event: probe.ref("mod", P, 1025, 1023) },
        { at: 0.2, tid: 1, event: probe.ref("mod_and_return", P, 1, -1024, 1) },
      ]),
      old,
    );
    expect(kinds(report)).toEqual([]);
    expect(report.context.pages.pages.get(P)).toMatchObject({
      pins: 1,
      puts: 1,
      count: 1,
      unmatchedPuts: 0,
      jumps: 0,
    });
  });
});

describe("the kernel", () => {
  it("is told by the line that pagelife record writes", () => {
    const report = analyseText(
      "t",
      ftrace([{ at: 0, event: "tracing_mark_write: pagelife: recorded on 7.2.13+deb14-amd64" }]),
    );
    expect(report.kernel.rules).toBe(zeroBased);
  });

  it("is stated by --kernel against what events say, and the contradiction is told", () => {
    const report = analyseText("t", ftrace([{ at: 0, event: probe.put(P, 1025, 1024) }]), recent);
    expect(report.kernel.rules).toBe(zeroBased);
    expect(report.kernel.contradiction).toContain("put_devmap_managed");
  });
});

describe("one put that several probes see", () => {
  it("counts once", () => {
    const report = analyseText(
      "t",
      ftrace([
        { at: 0.1, event: probe.pin(P, 1) },
        { at: 0.2, event: probe.unpin(P, 1025) },
        { at: 0.2, event: probe.put(P, 1025, 1024) },
      ]),
      old,
    );
    expect(report.context.pages.pages.get(P)).toMatchObject({ pins: 1, puts: 1, count: 1, unmatchedPuts: 0 });
  });
});

describe("a removal", () => {
  it("that hangs is told, with the pages that hold it up", () => {
    const report = analyseText(
      "t",
      ftrace([
        {
          at: 0.1,
          tid: 5,
          event: `zone_device_page_init: (zone_device_page_init+0x4/0x10) page=${pageAt(P)} refs=0 mapc=-1 w1=0xffff888000000100 mapping=0x0 idx=0x0 flags=0x0`,
        },
        { at: 0.2, tid: 7, event: "memunmap_pages: (memunmap_pages+0x4/0x10) pgmap=0xffff888000000100" },
        { at: 9, tid: 3, event: "tracing_mark_write: still there" },
      ]),
      recent,
    );
    expect(kinds(report)).toEqual(["removal-hang error"]);
    expect(report.findings[0]?.sentence).toContain("pfn 0x40000 is in use");
    expect(report.findings[0]?.sentence).toContain("8.800 s until the recording ends");
  });
});

describe("a put that no event tells of", () => {
  // v6.15 and later: each mapping has a reference, and so has a fault until it returns.
  const mapped = [
    { at: 0.0, event: "dax_pte_fault: dev 1:0 ino 0xc" },
    { at: 0.0, event: probe.insert(P, 1, -1) },
    { at: 0.1, event: probe.map(P, 2, -1) },
    { at: 0.1, event: "dax_pte_fault_done: dev 1:0 ino 0xc" },
  ];

  it.each([
    ["get", probe.get(P, 1, 0)],
    ["pin", probe.pin(P, 1, 0)],
  ])("has happened when the next fault finds no room for the %s in the count", (_, taken) => {
    const report = analyseText(
      "t",
      ftrace([
        ...mapped,
        { at: 0.2, event: taken },
        // Count 2: one mapping, and the fault itself. Nothing is left for whoever took the page.
        { at: 0.3, tid: 2, event: probe.insert(P, 2, 0) },
        { at: 5.0, event: "tracing_mark_write: end" },
      ]),
      recent,
    );
    expect(report.outstanding).toEqual([]);
  });

  it("has not happened while the count has room for it", () => {
    const report = analyseText(
      "t",
      ftrace([
        ...mapped,
        { at: 0.2, event: probe.get(P, 1, 0) },
        { at: 0.3, tid: 2, event: probe.insert(P, 3, 0) },
        { at: 5.0, event: "tracing_mark_write: end" },
      ]),
      recent,
    );
    expect(report.outstanding.map((g) => [g.kind, g.references])).toEqual([["get", 1]]);
  });
});

describe("a task that waits for a folio lock", () => {
  const lock = (tid: number, at: number) => ({
    at,
    tid,
    event: `folio_lock: (__folio_lock+0x4/0x10) page=${pageAt(P)}`,
  });
  const locked = (tid: number, at: number) => ({
    at,
    tid,
    event: "folio_lock_ret: (truncate_inode_pages_range+0x10/0x100 <- __folio_lock)",
  });
  const unlock = (tid: number, at: number) => ({
    at,
    tid,
    event: `folio_unlock: (folio_unlock+0x4/0x10) page=${pageAt(P)}`,
  });
  const named = { at: 0, tid: 9, event: probe.free(P) };
  const end = { at: 9, tid: 9, event: "tracing_mark_write: end" };

  it.each([
    [
      "got it at 102.000000, after waiting for it itself, and has not unlocked it",
      [unlock(1, 1.9), locked(2, 2)],
    ],
    ["task-1 unlocked it at 101.900000, and who took it since is not known", [unlock(1, 1.9)]],
    ["who holds it is not known: who finds a folio lock free takes it inline", []],
    ["whether it still holds it is not recorded (no folio_unlock())", [locked(2, 2)]],
  ])("is told: %s", (text, between) => {
    const lines = [named, lock(2, 1), ...between, lock(3, 3), end];
    const hang = analyseText("t", ftrace(lines), recent).findings.filter((f) => f.kind === "lock-hang");
    expect(hang.at(-1)?.sentence).toContain(text);
  });
});

describe("a scan that found nothing although a page was held", () => {
  const before = [
    { at: 0.0, tid: 1, event: probe.unpin(P + 1, 1025) }, // puts of pins are recorded
    { at: 0.1, tid: 1, event: probe.pin(P, 1) },
  ];
  const scan = [
    { at: 0.3, tid: 2, event: probe.breakLayouts() },
    { at: 0.3, tid: 2, event: probe.scan() },
    { at: 0.3, tid: 2, event: probe.idle() },
    { at: 0.3, tid: 2, event: probe.breakDone() },
  ];
  const kindOf = (between: string): string | undefined =>
    kinds(analyseText("t", ftrace(before) + between + ftrace(scan), old)).find((k) => k.startsWith("did"));

  it("is an error", () => {
    expect(kindOf("")).toBe("did-not-wait error");
  });

  it("is unknown if events were lost since the page was taken: perhaps its put", () => {
    expect(kindOf("CPU:0 [LOST 3 EVENTS]\n")).toBe("did-not-wait unknown");
  });
});
