// A recording that says which probes were set: what they did not see did not happen.
import { describe, expect, it } from "vitest";
import { oneBased, zeroBased } from "../../src/trace/kernel-rules.ts";
import { switchedOn, wordsOf } from "../../src/trace/record/marks.ts";
import { analyseText, kinds } from "./analyse.ts";
import { ftrace, probe } from "./lines.ts";

const old = { kernel: { rules: oneBased, text: "v6.12" } };
const recent = { kernel: { rules: zeroBased, text: "v7.2" } };
const P = 0x40000;
const set = (...names: string[]) => ({
  at: 9,
  tid: 9,
  event: `tracing_mark_write: pagelife: switched on ${names.join(" ")}`,
});
const held = [
  { at: 0.1, tid: 1, event: probe.pin(P, 1) },
  { at: 0.3, tid: 2, event: probe.breakLayouts() },
  { at: 0.3, tid: 2, event: probe.scan() },
  { at: 0.3, tid: 2, event: probe.idle() },
  { at: 0.3, tid: 2, event: probe.breakDone() },
];

it("names of probes survive being written on several lines", () => {
  const names = Array.from({ length: 60 }, (_, i) => `probe_number_${i}`);
  const lines = wordsOf(names);
  expect(lines.length).toBeGreaterThan(1);
  expect(Math.max(...lines.map((l) => l.length))).toBeLessThan(600);
  expect(lines.flatMap((l) => switchedOn(`x pagelife: switched on ${l}`))).toEqual(names);
});

describe("a pin whose put is in no event", () => {
  const kindOf = (...names: string[]): string | undefined =>
    kinds(analyseText("t", ftrace([...held, set(...names)]), old)).find((k) => k.startsWith("did"));

  it("is still held if the probes of puts were set", () => {
    expect(kindOf("try_grab_folio_fast", "unpin_user_folio")).toBe("did-not-wait error");
  });

  it("may be gone if they were not", () => {
    expect(kindOf("try_grab_folio_fast")).toBe("did-not-wait unknown");
  });
});

describe("a get whose put is in no event (7.2)", () => {
  const exit = { at: 0.5, tid: 1, event: "sched_process_exit: comm=task pid=1 prio=120" };
  const end = set("free_zone_device_folio");
  const got = { at: 0.1, tid: 1, event: probe.get(P, 1, 0) };
  const unmapped = { at: 0.2, tid: 1, event: probe.unmap(P, 2, 0) };
  const kindsOf = (...lines: readonly (typeof got)[]): string[] =>
    kinds(analyseText("t", ftrace(lines), recent));

  it("is unknown while a mapping keeps the page, too", () => {
    expect(kindsOf(got, exit, end)).toEqual(["outstanding unknown"]);
  });

  it("is a leak once nothing else keeps the page: dropping it would have freed the page", () => {
    expect(kindsOf(got, unmapped, exit, end)).toEqual(["leak warning"]);
  });

  it("is gone if the page was freed", () => {
    expect(kindsOf(got, unmapped, { at: 0.3, tid: 1, event: probe.free(P) }, exit, end)).toEqual([]);
  });
});

describe("pins that are meant to last (FOLL_LONGTERM)", () => {
  const pin = { at: 0.1, tid: 1, event: probe.pin(P, 1).replace("gup=0x80001", "gup=0x80101") };
  const end = set("unpin_user_folio");
  const exit = { at: 0.5, tid: 1, event: "sched_process_exit: comm=task pid=1 prio=120" };

  it("are no leak for being old", () => {
    expect(kinds(analyseText("t", ftrace([pin, end]), old))).toEqual(["outstanding note"]);
  });

  it("are one when their task is gone", () => {
    expect(kinds(analyseText("t", ftrace([pin, exit, end]), old))).toEqual(["leak warning"]);
  });
});

it("a pin of a huge page that get_user_pages made one of many is no part of a batch left behind", () => {
  // io_uring pins each of 512 pages, and then gives all but one pin back.
  const grab = probe.pin(P, 1).replace("n=1 gup=0x80001", "n=512 gup=0x80001");
  const report = analyseText(
    "t",
    ftrace([
      { at: 0.1, tid: 1, event: grab },
      { at: 0.1, tid: 1, event: probe.unpin(P, 513).replace("n=1", "n=511") },
      { at: 0.6, tid: 3, event: "tracing_mark_write: x" },
    ]),
    old,
  );
  expect(kinds(report)).toEqual(["outstanding note"]);
});
