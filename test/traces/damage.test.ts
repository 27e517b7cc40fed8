// Recordings of which a part is missing or wrong: what is left may be told, and nothing is certain.
import { expect, it } from "vitest";
import { TraceAnalysis } from "../../src/trace/analysis.ts";
import { ImportLog } from "../../src/trace/import-log.ts";
import { oneBased } from "../../src/trace/kernel-rules.ts";
import { PageMap } from "../../src/trace/page-map.ts";
import { textReader } from "../../src/trace/read.ts";
import { ReadContext } from "../../src/trace/readers/reader.ts";
import { outcomeOf } from "../../src/trace/report.ts";
import { analyseText, kinds } from "./analyse.ts";
import { ftrace, probe } from "./lines.ts";

const old = { kernel: { rules: oneBased, text: "v6.12" } };
const P = 0x40000;
const pinned = ftrace([
  { at: 0.0, tid: 1, event: probe.unpin(P + 1, 1025) }, // puts of pins are recorded
  { at: 0.1, tid: 1, event: probe.pin(P, 1) },
]);
const notWaited = ftrace([
  { at: 0.3, tid: 2, event: probe.breakLayouts() },
  { at: 0.3, tid: 2, event: probe.scan() },
  { at: 0.3, tid: 2, event: probe.idle() },
  { at: 0.3, tid: 2, event: probe.breakDone() },
]);
const didNotWait = (text: string): string | undefined =>
  kinds(analyseText("t", text, old)).find((k) => k.startsWith("did"));

it("an event before which another CPU's buffer was overwritten proves nothing about that CPU", () => {
  expect(didNotWait(pinned + notWaited)).toBe("did-not-wait error");
  expect(didNotWait(`${pinned}##### CPU 1 buffer started ####\n${notWaited}`)).toBe("did-not-wait unknown");
});

it("what was overwritten before it was read leaves the outcome open", () => {
  const report = analyseText("t", `# entries-in-buffer/entries-written: 3/10   #P:2\n${pinned}`, old);
  expect(outcomeOf(report)).toBe("inconclusive");
});

it("a task that missed the same page again and again is told of once", () => {
  const again = ftrace([
    { at: 0.4, tid: 2, event: probe.breakLayouts() },
    { at: 0.4, tid: 2, event: probe.scan() },
    { at: 0.4, tid: 2, event: probe.idle() },
    { at: 0.4, tid: 2, event: probe.breakDone() },
  ]);
  const { findings } = analyseText("t", pinned + notWaited + again, old);
  const missed = findings.filter((f) => f.kind === "did-not-wait");
  expect(missed.length).toBe(1);
  expect(missed[0]?.sentence).toContain("It happened 2 times, the last at 100.400000");
});

it("nothing in a damaged file is an error, and the reason is given", () => {
  const analysis = new TraceAnalysis(old);
  const context = new ReadContext(new ImportLog(), new PageMap(), analysis);
  const reader = textReader("ftrace text", context);
  reader.push(Buffer.from(pinned + notWaited));
  reader.end();
  context.log.note("damaged", 0);
  const report = analysis.finish("t", "ftrace text", context);
  expect(report.findings[0]).toMatchObject({ kind: "did-not-wait", severity: "unknown" });
  expect(report.findings[0]?.caveats.join()).toContain("parts of the file are damaged");
  expect(outcomeOf(report)).toBe("inconclusive");
});

it.each([
  ["ftrace text", pinned],
  ["perf script", "task 1 [000] 100.000000: pagelife:kill_dax: (kill_dax+0x4/0x10)\n"],
])("%s that ends inside of a line is truncated, also where half a line looks whole", (_, text) => {
  expect(analyseText("t", text).log.count("truncated")).toBe(0);
  const cut = analyseText("t", text.slice(0, -3));
  expect(cut.log.count("truncated")).toBe(1);
  expect(outcomeOf(cut)).toBe("inconclusive");
});
