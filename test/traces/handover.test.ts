// Events that went from thread to thread as rows of numbers, held against those that did not. Here both ends
// are in one thread; test/cli/trace-jobs.test.ts has the command with two.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { emptyEvent, type KernelEvent } from "../../src/events/event.ts";
import { vocabulary } from "../../src/events/vocabulary.ts";
import { jsonRecords } from "../../src/report/trace-json.ts";
import { traceText } from "../../src/report/trace-text.ts";
import { TraceAnalysis } from "../../src/trace/analysis.ts";
import { BLOCK_LENGTH, EVENT_ROW } from "../../src/trace/handover/batch.ts";
import { Blocks, shareBlocks } from "../../src/trace/handover/blocks.ts";
import { applyEnding, endingOf } from "../../src/trace/handover/ending.ts";
import { Packer } from "../../src/trace/handover/pack.ts";
import { Unpacker } from "../../src/trace/handover/unpack.ts";
import { ImportLog } from "../../src/trace/import-log.ts";
import { PageMap } from "../../src/trace/page-map.ts";
import { ReadContext } from "../../src/trace/readers/reader.ts";
import { prepareZstd } from "../../src/trace/readers/trace-dat/decompress.ts";
import type { Stack, TraceSink } from "../../src/trace/sink.ts";
import { damage } from "./fuzz.ts";
import { fuzzBases } from "./fuzz-bases.ts";
import { readBytes } from "./read-bytes.ts";

await prepareZstd();

const contextOf = (sink: TraceSink): ReadContext => new ReadContext(new ImportLog(), new PageMap(), sink);

/** A reader's context whose events reach the sink of another by way of a packer. */
function twoContexts(sink: TraceSink) {
  const here = contextOf(sink);
  const there = contextOf(sink);
  const blocks = new Blocks(shareBlocks());
  const unpacker = new Unpacker(here);
  let batches = 0;
  const packer = new Packer(there, blocks, (batch) => {
    batches++;
    unpacker.read(structuredClone(batch), blocks.block(batch.block));
    blocks.release();
  });
  there.sink = packer;
  return { here, there, packer, batches: () => batches };
}

/** Everything that is said of a recording, with each change of a page as it is read. */
function said(input: Buffer, handedOver: boolean): readonly string[] | null {
  const lines: string[] = [];
  const analysis = new TraceAnalysis({
    observer: (e) => lines.push(fieldsOf(e)),
  });
  const { here, there, packer } = twoContexts(analysis);
  const format = readBytes(input, handedOver ? there : here);
  if (format === null) return null;
  if (handedOver) {
    packer.flush();
    applyEnding(structuredClone(endingOf(format, there)), here);
  }
  const report = analysis.finish("recording", format, here);
  return [...lines, ...jsonRecords(report, 0), traceText(report)];
}

const fieldsOf = (e: KernelEvent): string =>
  JSON.stringify({ ...e, spec: e.spec.name }, (_, value) => (Number.isNaN(value) ? "NaN" : value));

const fixtures = join(import.meta.dirname, "../fixtures/traces");
const recordings = readdirSync(fixtures, { recursive: true, encoding: "utf8" }).filter(
  (name) => /\.(txt|dat|gz)$/.test(name) && !/golden|report/.test(name),
);

describe("a recording that is read in a thread of its own", () => {
  it.each(recordings)("%s is analysed as by one thread", (name) => {
    const bytes = readFileSync(join(fixtures, name));
    const input = name.endsWith(".gz") ? gunzipSync(bytes) : bytes;
    expect(said(input, true)).toEqual(said(input, false));
  });

  it.each(Object.entries(fuzzBases()))("is analysed so although it is damaged: %s", (_, bases) => {
    for (let seed = 0; seed < 40; seed++) {
      const input = damage(bases, seed);
      expect(said(input, true), `seed ${seed}`).toEqual(said(input, false));
    }
  });
});

describe("rows", () => {
  const number = fc.oneof(fc.integer(), fc.double(), fc.constant(Number.NaN));
  const text = fc.oneof(fc.constantFrom("", "ffff888100000000", "a|b"), fc.string());
  const event = fc.record({
    spec: fc.constantFrom(...vocabulary),
    ...Object.fromEntries(
      Object.entries(emptyEvent(vocabulary[0] as KernelEvent["spec"]))
        .filter(([, value]) => typeof value !== "object")
        .map(([name, value]) => [name, typeof value === "string" ? text : number]),
    ),
    comm: text,
    tid: fc.nat(),
  });
  const stack = fc.record({ cpu: fc.nat(), stack: fc.record({ id: text, frames: fc.array(text) }) });
  const step = fc.oneof(
    { weight: 5, arbitrary: event.map((e) => ({ event: e })) },
    stack,
    fc.record({ lost: fc.integer({ min: -1 }) }),
    fc.record({ epoch: fc.nat(), digits: fc.constantFrom(0, 6, 9) }),
  );

  it("keep every field of every event, in order, with clock, stacks and losses", () => {
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const seen: unknown[] = [];
        const wanted: unknown[] = [];
        const sinkInto = (into: unknown[]): TraceSink => ({
          event: (e) => into.push({ ...e, task: `${e.task.comm}-${e.task.tid}`, clock: { ...clock.now } }),
          stack: (cpu: number, s: Stack) => into.push({ cpu, s }),
          lost: (cpu) => into.push({ cpu }),
        });
        const { here, there, packer } = twoContexts(sinkInto(seen));
        const clock = { now: here.clock };
        const feed = (to: TraceSink): void => {
          for (const s of steps) {
            if ("event" in s) {
              const { comm, tid, ...fields } = s.event;
              to.event({ ...fields, task: there.tasks.get(comm, tid) } as unknown as KernelEvent);
            } else if ("stack" in s) to.stack(s.cpu, s.stack);
            else if ("lost" in s) to.lost(s.lost);
            else Object.assign(there.clock, { epochSeconds: s.epoch, digits: s.digits });
          }
        };
        feed(packer);
        packer.flush();
        clock.now = there.clock;
        Object.assign(there.clock, { epochSeconds: -1, digits: 6 });
        feed(sinkInto(wanted));
        expect(seen).toEqual(wanted);
      }),
      { seed: 1, numRuns: 100 },
    );
  });

  it("go on in the next block when one is full", () => {
    const rows = BLOCK_LENGTH / EVENT_ROW;
    const texts: string[] = [];
    const { there, packer, batches } = twoContexts({
      event: (e) => texts.push(`${e.text} of ${e.task.comm}`),
      stack: () => undefined,
      lost: () => undefined,
    });
    const e = emptyEvent(vocabulary[0] as KernelEvent["spec"]);
    for (let i = 0; i < 5 * rows; i++) {
      e.text = `text ${i}`;
      e.task = there.tasks.get(`task ${i % 7}`, 1);
      packer.event(e);
    }
    packer.flush();
    expect(batches()).toBe(6);
    expect(texts).toEqual(Array.from({ length: 5 * rows }, (_, i) => `text ${i} of task ${i % 7}`));
  });
});
