// trace.dat files written for what the recordings at hand do not have: stacks, lost events, long
// pauses, zlib, absolute time stamps, big-endian version 7.
import { describe, expect, it } from "vitest";
import { ImportLog } from "../../src/trace/import-log.ts";
import { PageMap } from "../../src/trace/page-map.ts";
import { ReadContext } from "../../src/trace/readers/reader.ts";
import { bufferSource } from "../../src/trace/readers/trace-dat/byte-source.ts";
import { readHeader } from "../../src/trace/readers/trace-dat/header.ts";
import { TraceDatReader } from "../../src/trace/readers/trace-dat/trace-dat.ts";
import { eventsOfTraceDat } from "./events.ts";
import { type EventKind, type FileOptions, type RawEvent, writeTraceDat } from "./write-trace-dat.ts";

const pageRef: EventKind = {
  id: 400,
  system: "page_ref",
  name: "page_ref_mod",
  fields: [
    { name: "pfn", type: "unsigned long", size: 8 },
    { name: "flags", type: "unsigned long", size: 8 },
    { name: "count", type: "int", size: 4 },
    { name: "mapcount", type: "int", size: 4 },
    { name: "mapping", type: "void *", size: 8 },
    { name: "mt", type: "int", size: 4 },
    { name: "val", type: "int", size: 4 },
  ],
};
const other: EventKind = {
  id: 401,
  system: "sched",
  name: "sched_nothing",
  fields: [{ name: "x", type: "u8", size: 1 }],
};

const S = 1_000_000_000n;
const ref = (at: bigint, pid: number, pfn: number, count: number, val: number): RawEvent => ({
  at,
  pid,
  kind: pageRef,
  values: [pfn, 0, count, -1, 0, 1, val],
});

const file: Omit<FileOptions, "version"> = {
  kinds: [pageRef, other],
  comms: "11 reader\n22 with space\n",
  kallsyms:
    "ffffffff81000000 T _text\nffffffff81100000 T gup_fast\nffffffff81200000 t leaky_ioctl\t[leaky]\nffffffff81300000 T _end\n",
  cpus: [
    [
      {
        events: [
          ref(100n * S + 5000n, 11, 0x40, 2, 1),
          { at: 100n * S + 6000n, pid: 11, stack: [0xffffffff81100010n, 0xffffffff81200020n] },
          ref(107n * S, 11, 0x40, 3, 1), // a pause of seven seconds: longer than 27 bits hold
        ],
      },
      { lost: 77, events: [ref(108n * S, 11, 0x40, 1, -2)] },
    ],
    [
      {
        events: [ref(101n * S, 22, 0x41, 1, -1), { at: 101n * S + 100n, pid: 22, kind: other, values: [1] }],
      },
      { lost: "unknown", events: [ref(109n * S, 33, 0x41, 5, 4)] },
    ],
  ],
};

const expected = [
  "reader-11 [0] 100.000005 page_ref_mod pfn=64 count=2 mapcount=-1 val=1",
  "stack [0] gup_fast leaky_ioctl",
  "with space-22 [1] 101.000000 page_ref_mod pfn=65 count=1 mapcount=-1 val=-1",
  "with space-22 [1] 101.000000 sched_nothing",
  "lost [1]",
  "reader-11 [0] 107.000000 page_ref_mod pfn=64 count=3 mapcount=-1 val=1",
  "lost [0]",
  "reader-11 [0] 108.000000 page_ref_mod pfn=64 count=1 mapcount=-1 val=-2",
  "<...>-33 [1] 109.000000 page_ref_mod pfn=65 count=5 mapcount=-1 val=4",
];

const variants: readonly Pick<FileOptions, "version" | "bigEndian" | "compression" | "absolute">[] = [
  { version: 6 },
  { version: 6, bigEndian: true },
  { version: 6, absolute: true },
  { version: 6, bigEndian: true, absolute: true },
  { version: 7 },
  { version: 7, bigEndian: true },
  { version: 7, compression: "zlib" },
  { version: 7, compression: "zlib", bigEndian: true },
];

describe("a trace.dat that was written for the test", () => {
  it.each(variants)("%j", (variant) => {
    expect(eventsOfTraceDat(writeTraceDat({ ...file, ...variant }))).toEqual(expected);
  });
});

describe("the buffers' overrun counters", () => {
  // The first CPU's buffer says that 77 events were lost between two of its pages.
  const overwritten = (overrun: number, cpus: FileOptions["cpus"]): number => {
    const source = bufferSource(writeTraceDat({ ...file, cpus, version: 6 }));
    const quiet = { event: () => undefined, stack: () => undefined, lost: () => undefined };
    const context = new ReadContext(new ImportLog(), new PageMap(), quiet);
    new TraceDatReader(source, context, { ...readHeader(source), overrun }).read();
    return context.log.count("overwritten");
  };

  it("tell of what is missing at the start only by what was not lost in between", () => {
    expect(overwritten(77, file.cpus.slice(0, 1))).toBe(0);
    expect(overwritten(100, file.cpus.slice(0, 1))).toBe(23);
  });

  it("tell nothing where it is not known how many were lost in between", () => {
    expect(overwritten(100, file.cpus)).toBe(0);
  });
});
