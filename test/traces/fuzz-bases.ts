// What is damaged: small recordings of every format.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type EventKind, type FileOptions, type RawEvent, writeTraceDat } from "./write-trace-dat.ts";

const folder = join(import.meta.dirname, "../fixtures/traces");
const load = (name: string): Buffer => readFileSync(join(folder, name));

const grab: EventKind = {
  id: 700,
  system: "dax",
  name: "try_grab_folio_fast",
  fields: [
    { name: "__probe_ip", type: "unsigned long", size: 8 },
    { name: "page", type: "u64", size: 8 },
    { name: "refs", type: "s32", size: 4 },
    { name: "mapc", type: "s32", size: 4 },
    { name: "n", type: "s32", size: 4 },
    { name: "gup", type: "u32", size: 4 },
  ],
};
const unpin: EventKind = { ...grab, id: 701, name: "unpin_user_folio" };
const scanned: EventKind = {
  id: 702,
  system: "dax",
  name: "dax_layout_busy_page_range_ret",
  fields: [
    { name: "__probe_func", type: "unsigned long", size: 8 },
    { name: "__probe_ret_ip", type: "unsigned long", size: 8 },
    { name: "page", type: "u64", size: 8 },
    { name: "refs", type: "s32", size: 4 },
    { name: "mapc", type: "s32", size: 4 },
  ],
};

function written(): Omit<FileOptions, "version"> {
  const page = (i: number): bigint => 0xffffea0001000000n + BigInt(i % 16) * 64n;
  const events: RawEvent[] = [];
  for (let i = 0; i < 40; i++) {
    const kind = i % 3 === 2 ? scanned : i % 2 === 0 ? grab : unpin;
    const at = 5_000_000_000n + BigInt(i) * 1_000_000n;
    events.push({
      at,
      pid: 10 + (i % 3),
      kind,
      values:
        kind === scanned
          ? [0xffffffff81000000n, 0xffffffff81000010n, page(i), 1025, -1]
          : [0xffffffff81000000n, page(i), i % 2 === 0 ? 1 : 1025, -1, 1, 0x80001],
    });
    if (i % 7 === 0) events.push({ at, pid: 10, stack: [0xffffffff81000010n, 0xffffffff81000020n] });
  }
  return {
    kinds: [grab, unpin, scanned],
    comms: "10 a\n11 b\n12 <script>\n",
    kallsyms: "ffffffff81000000 T gup_fast\nffffffff81000020 T vfs_read\n",
    cpus: [
      [{ events: events.slice(0, 20) }, { events: events.slice(20), lost: 3 }],
      [{ events: events.slice(5, 15) }],
    ],
  };
}

const perf = (text: string): Buffer =>
  Buffer.from(
    text
      .split("\n")
      .filter((line) => !line.startsWith("#"))
      .map((line) =>
        line.replace(/^(.{16})-(\d+)\s+\[(\d+)\] \S+ +([\d.]+): (\w+):/, "$1 $2 [$3] $4: dax:$5:"),
      )
      .join("\n"),
  );

/** Recordings by format. */
export function fuzzBases(): Record<string, Buffer[]> {
  const pinned = load("punch_pinned.ext4.6.12.txt");
  const refault = load("punch_refault.ext4.7.2.txt");
  const traced = load("punch_pinned.ext4.7.2-pageref.txt");
  const options = written();
  return {
    "ftrace text": [pinned, refault, traced],
    "trace-cmd report": [pinned, traced].map((b) => Buffer.concat([Buffer.from("cpus=2\n"), b])),
    "perf script": [perf(pinned.toString("latin1")), perf(traced.toString("latin1"))],
    "trace.dat 6": [
      writeTraceDat({ ...options, version: 6 }),
      writeTraceDat({ ...options, version: 6, bigEndian: true }),
    ],
    "trace.dat 7": [
      writeTraceDat({ ...options, version: 7 }),
      writeTraceDat({ ...options, version: 7, compression: "zlib" }),
    ],
  };
}
