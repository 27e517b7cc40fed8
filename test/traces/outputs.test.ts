// Every output of one recording: valid by its own schema, readable by others, and telling the same.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import type { KernelEvent } from "../../src/events/event.ts";
import { PerfettoWriter } from "../../src/report/perfetto.ts";
import { FTRACE_HEADER, ftraceLine } from "../../src/report/trace-ftrace.ts";
import { JsonChanges, jsonRecords } from "../../src/report/trace-json.ts";
import { traceRecord } from "../../src/report/trace-schema.ts";
import { pageLifeline } from "../../src/report/trace-text.ts";
import type { ChangeListener } from "../../src/trace/trackers/listeners.ts";
import { analyseText } from "./analyse.ts";

const folder = join(import.meta.dirname, "../fixtures/traces");
const names = [
  "punch_refault.ext4.7.2.txt",
  "punch_pinned.ext4.7.2-pageref.txt",
  "vmsplice_munmap.ext4.6.12.txt",
];
const bytesOf = (name: string): Buffer => readFileSync(join(folder, name));
const clock = (epochSeconds: number) => () => ({ epochSeconds, digits: 6 });

describe.each(names)("%s", (name) => {
  it("is NDJSON by the published schema, with a summary last", () => {
    const lines: string[] = [];
    const epoch = analyseText(name, bytesOf(name)).clock.epochSeconds;
    const listener = new JsonChanges(clock(epoch), (line) => lines.push(line));
    const report = analyseText(name, bytesOf(name), { listener });
    lines.push(...jsonRecords(report, 1));
    for (const line of lines) traceRecord.parse(JSON.parse(line));
    expect(JSON.parse(lines[lines.length - 1] ?? "{}")).toMatchObject({
      type: "summary",
      data: { exitCode: 1 },
    });
    expect(lines.filter((l) => l.startsWith('{"type":"change"')).length).toBeGreaterThan(20);
  });

  it("reads its own ftrace text back to the same answers", () => {
    let text = FTRACE_HEADER;
    const epoch = analyseText(name, bytesOf(name)).clock.epochSeconds;
    const first = analyseText(name, bytesOf(name), {
      observer: (e: KernelEvent) => {
        text += ftraceLine(e, { epochSeconds: epoch, digits: 6 }, null);
      },
    });
    const second = analyseText(name, text);
    expect(second.findings.map((f) => f.sentence)).toEqual(first.findings.map((f) => f.sentence));
    for (const [pfn, page] of first.context.pages.pages) {
      expect(second.context.pages.pages.get(pfn)).toMatchObject({
        count: page.count,
        changes: page.changes,
        pins: page.pins,
      });
    }
  });

  it("is a Perfetto trace whose slices begin and end, and whose counters are the counts", () => {
    const pieces: Uint8Array[] = [];
    const epoch = analyseText(name, bytesOf(name)).clock.epochSeconds;
    const writer = new PerfettoWriter(clock(epoch), (b) => pieces.push(b));
    const counts: number[] = [];
    const listener: ChangeListener = {
      change: (page, e, ...rest) => {
        writer.change(page, e);
        void rest;
        if (!Number.isNaN(page.count)) counts.push(page.count);
      },
      dropped: (...args) => writer.dropped(...args),
    };
    writer.finish(analyseText(name, bytesOf(name), { listener }));
    const { root } = protobuf.parse(`
      syntax = "proto2";
      message Trace { repeated TracePacket packet = 1; }
      message TracePacket { optional uint64 timestamp = 8; optional uint32 trusted_packet_sequence_id = 10; optional TrackEvent track_event = 11; optional TrackDescriptor track_descriptor = 60; }
      message TrackDescriptor { optional uint64 uuid = 1; optional string name = 2; optional uint64 parent_uuid = 5; optional Counter counter = 8; }
      message Counter {}
      message TrackEvent { optional int32 type = 9; optional uint64 track_uuid = 11; repeated string categories = 22; optional string name = 23; optional int64 counter_value = 30; repeated fixed64 flow_ids = 47; repeated fixed64 terminating_flow_ids = 48; }
    `);
    interface Packet {
      readonly timestamp?: string;
      readonly trackEvent?: {
        readonly type: number;
        readonly trackUuid: string;
        readonly name?: string;
        readonly counterValue?: string;
        readonly flowIds?: string[];
        readonly terminatingFlowIds?: string[];
      };
      readonly trackDescriptor?: {
        readonly uuid: string;
        readonly name: string;
        readonly parentUuid?: string;
      };
    }
    const type = root.lookupType("Trace");
    const { packet } = type.toObject(type.decode(Buffer.concat(pieces)), { longs: String }) as {
      packet: Packet[];
    };
    const tracks = new Set(
      packet.flatMap((p) => (p.trackDescriptor === undefined ? [] : [p.trackDescriptor.uuid])),
    );
    const events = packet.flatMap((p) => (p.trackEvent === undefined ? [] : [p.trackEvent]));
    for (const e of events) expect(tracks.has(e.trackUuid)).toBe(true);
    for (const p of packet)
      if (p.trackDescriptor?.parentUuid !== undefined)
        expect(tracks.has(p.trackDescriptor.parentUuid)).toBe(true);
    expect(events.filter((e) => e.type === 1).length).toBe(events.filter((e) => e.type === 2).length);
    expect(events.filter((e) => e.type === 4).map((e) => Number(e.counterValue))).toEqual(counts);
    const begun = events.flatMap((e) => e.flowIds ?? []);
    expect(events.flatMap((e) => e.terminatingFlowIds ?? []).every((id) => begun.includes(id))).toBe(true);
    expect(
      packet.filter((p) => p.timestamp !== undefined).every((p) => Number(p.timestamp) >= epoch * 1e9),
    ).toBe(true);
    expect(events.some((e) => e.name === "ext4_break_layouts()")).toBe(name.startsWith("punch"));
  });
});

it("--page shows a page's whole life", async () => {
  const report = analyseText("punch_refault.ext4.7.2.txt", bytesOf("punch_refault.ext4.7.2.txt"));
  await expect(pageLifeline(report, 0x48400)).toMatchFileSnapshot(
    join(folder, "punch_refault.page.golden.txt"),
  );
});
