// What stands in a trace.dat beside the events: formats, symbols, tasks, and where the per-CPU data
// lies. Version 6 is one sequence; version 7 is sections that options point to, maybe compressed.
// Sources: trace-cmd.dat.v6(5), trace-cmd.dat.v7(5)
import type { ByteSource } from "./byte-source.ts";
import { DamagedFile, decompress } from "./decompress.ts";
import { type EventFormat, parseEventFormat, parseFields } from "./event-format.ts";
import { Symbols } from "./symbols.ts";

/** Data of one CPU of one trace instance. */
export interface CpuData {
  readonly cpu: number;
  readonly offset: number;
  readonly size: number;
  readonly pageSize: number;
  readonly compressed: boolean;
  readonly clock: string;
}

export interface TraceDatHeader {
  readonly version: 6 | 7;
  readonly bigEndian: boolean;
  readonly longSize: number;
  readonly pageSize: number;
  readonly compression: string;
  /** Where the page header's fields lie: size of `commit`, start of the data. */
  readonly commitSize: number;
  readonly dataOffset: number;
  readonly formats: readonly EventFormat[];
  readonly symbols: Symbols;
  readonly printk: string;
  readonly comms: ReadonlyMap<number, string>;
  readonly cpus: readonly CpuData[];
  readonly uname: string;
  /** Sum of the buffers' overrun counters: events overwritten before they were read. */
  readonly overrun: number;
  /** Text of a latency tracer, in place of per-CPU data. */
  readonly latencyText: { readonly offset: number; readonly size: number } | null;
  readonly clock: string;
  readonly tscToNs: { readonly multiplier: number; readonly shift: number; readonly offset: bigint } | null;
  /** What could not be read. */
  readonly damage: readonly string[];
}

const MAX_SECTION = 256 << 20;
const MAX_COUNT = 100_000;

/** Reads numbers and strings one after the other, of this file's byte order. */
class Cursor {
  readonly #source: ByteSource;
  readonly #big: boolean;
  at: number;

  constructor(source: ByteSource, big: boolean, at = 0) {
    this.#source = source;
    this.#big = big;
    this.at = at;
  }

  bytes(length: number): Buffer {
    if (length < 0 || length > MAX_SECTION)
      throw new DamagedFile(`a part of ${length} bytes at offset ${this.at}`);
    const b = this.#source.read(this.at, length);
    if (b.length < length)
      throw new DamagedFile(
        `the file ends at offset ${this.#source.size}, inside of a part of ${length} bytes at ${this.at}`,
      );
    this.at += length;
    return b;
  }

  u8(): number {
    return this.bytes(1).readUInt8(0);
  }

  u16(): number {
    const b = this.bytes(2);
    return this.#big ? b.readUInt16BE(0) : b.readUInt16LE(0);
  }

  u32(): number {
    const b = this.bytes(4);
    return this.#big ? b.readUInt32BE(0) : b.readUInt32LE(0);
  }

  u64(): bigint {
    const b = this.bytes(8);
    return this.#big ? b.readBigUInt64BE(0) : b.readBigUInt64LE(0);
  }

  /** A size or an offset in the file. */
  size(): number {
    const n = this.u64();
    if (n > BigInt(Number.MAX_SAFE_INTEGER))
      throw new DamagedFile(`a size of ${n} bytes at offset ${this.at - 8}`);
    return Number(n);
  }

  string(most = 4096): string {
    const b = this.#source.read(this.at, most);
    const end = b.indexOf(0);
    if (end < 0) throw new DamagedFile(`a text without an end at offset ${this.at}`);
    this.at += end + 1;
    return b.toString("latin1", 0, end);
  }
}

/** Parts that both versions hold, filled as they are found. */
class Parts {
  commitSize = 8;
  dataOffset = 16;
  formats: EventFormat[] = [];
  symbols = new Symbols(Buffer.alloc(0));
  printk = "";
  comms = new Map<number, string>([[0, "<idle>"]]);
  cpus: CpuData[] = [];
  uname = "";
  overrun = 0;
  clock = "";
  tscToNs: TraceDatHeader["tscToNs"] = null;
  latencyText: TraceDatHeader["latencyText"] = null;
  damage: string[] = [];

  headerInfo(c: Cursor): void {
    c.string(16);
    const text = c.bytes(c.size()).toString("latin1");
    for (const field of parseFields(text)) {
      if (field.name === "commit" && (field.size === 4 || field.size === 8)) this.commitSize = field.size;
      if (field.name === "data" && field.offset < 64) this.dataOffset = field.offset;
    }
    c.string(16);
    c.bytes(c.size());
  }

  ftraceEvents(c: Cursor): void {
    this.#formats(c, "ftrace", checked(c.u32(), "event formats"));
  }

  eventFormats(c: Cursor): void {
    const systems = checked(c.u32(), "event systems");
    for (let i = 0; i < systems; i++) {
      const system = c.string(256);
      this.#formats(c, system, checked(c.u32(), "event formats"));
    }
  }

  #formats(c: Cursor, system: string, count: number): void {
    for (let i = 0; i < count; i++) {
      const format = parseEventFormat(system, c.bytes(c.size()).toString("latin1"));
      if (format !== null) this.formats.push(format);
    }
  }

  cmdlines(text: string): void {
    for (const line of text.split("\n", 1_000_000)) {
      const m = /^\s*(\d+) (.*)$/.exec(line);
      if (m !== null) this.comms.set(Number(m[1]), (m[2] ?? "").slice(0, 64));
    }
  }

  /** An option that means the same in both versions. */
  option(id: number, data: Buffer, big: boolean): void {
    const text = (): string => data.toString("latin1").replace(/\0.*$/s, "");
    if (id === 2) {
      const overrun = /^overrun: (\d+)/m.exec(text());
      if (overrun !== null) this.overrun += Number(overrun[1]);
    } else if (id === 4) this.clock = /\[([^\]]+)\]/.exec(text())?.[1] ?? this.clock;
    else if (id === 5) this.uname = text().slice(0, 300);
    else if (id === 14 && data.length >= 16) {
      const u32 = (at: number): number => (big ? data.readUInt32BE(at) : data.readUInt32LE(at));
      this.tscToNs = {
        multiplier: u32(0),
        shift: u32(4),
        offset: big ? data.readBigUInt64BE(8) : data.readBigUInt64LE(8),
      };
    }
  }
}

function checked(n: number, what: string): number {
  if (n > MAX_COUNT) throw new DamagedFile(`${n} ${what}`);
  return n;
}

/** @throws DamagedFile if not even the places of the events can be found. */
export function readHeader(source: ByteSource): TraceDatHeader {
  const start = new Cursor(source, false, 10);
  const versionText = start.string(16);
  if (versionText !== "6" && versionText !== "7") {
    throw new DamagedFile(
      `it is of version ${JSON.stringify(versionText.slice(0, 8))}, and pagelife reads 6 and 7; convert it with \`trace-cmd convert --file-version 7\``,
    );
  }
  const bigEndian = start.u8() === 1;
  const longSize = start.u8() === 4 ? 4 : 8;
  const c = new Cursor(source, bigEndian, start.at);
  const pageSize = c.u32();
  if (pageSize < 64 || pageSize > 1 << 22)
    throw new DamagedFile(`its pages are said to be ${pageSize} bytes`);
  const parts = new Parts();
  let compression = "none";
  if (versionText === "6") readVersion6(c, parts, pageSize, bigEndian);
  else {
    compression = c.string(64);
    c.string(64);
    readVersion7(source, bigEndian, c.size(), compression, parts);
  }
  const {
    commitSize,
    dataOffset,
    formats,
    symbols,
    printk,
    comms,
    cpus,
    uname,
    overrun,
    latencyText,
    clock,
    tscToNs,
    damage,
  } = parts;
  return {
    version: versionText === "6" ? 6 : 7,
    bigEndian,
    longSize,
    pageSize,
    compression,
    commitSize,
    dataOffset,
    formats,
    symbols,
    printk,
    comms,
    cpus,
    uname,
    overrun,
    latencyText,
    clock: clock === "" ? (cpus[0]?.clock ?? "") : clock,
    tscToNs,
    damage,
  };
}

function readVersion6(c: Cursor, parts: Parts, pageSize: number, big: boolean): void {
  parts.headerInfo(c);
  parts.ftraceEvents(c);
  parts.eventFormats(c);
  parts.symbols = new Symbols(c.bytes(c.u32()));
  parts.printk = c.bytes(c.u32()).toString("latin1");
  parts.cmdlines(c.bytes(c.size()).toString("utf8"));
  const cpuCount = checked(c.u32(), "CPUs");
  let kind = c.bytes(10).toString("latin1");
  const instances: { readonly offset: number; readonly name: string }[] = [];
  if (kind.startsWith("options")) {
    for (let i = 0; i < MAX_COUNT; i++) {
      const id = c.u16();
      if (id === 0) break;
      const data = c.bytes(c.u32());
      if (id === 3 && data.length >= 9) {
        const offset = Number(big ? data.readBigUInt64BE(0) : data.readBigUInt64LE(0));
        instances.push({ offset, name: data.toString("latin1", 8).replace(/\0.*$/s, "") });
      } else parts.option(id, data, big);
    }
    kind = c.bytes(10).toString("latin1");
  }
  if (kind.startsWith("latency")) {
    parts.latencyText = { offset: c.at, size: Number.MAX_SAFE_INTEGER };
    return;
  }
  if (!kind.startsWith("flyrecord")) throw new DamagedFile(`no per-CPU data at offset ${c.at - 10}`);
  for (let cpu = 0; cpu < cpuCount; cpu++) {
    const offset = c.size();
    const size = c.size();
    parts.cpus.push({ cpu, offset, size, pageSize, compressed: false, clock: parts.clock });
  }
  if (instances.length > 0)
    parts.damage.push(
      `trace instances are not read from version 6: ${instances.map((i) => i.name).join(", ")}`,
    );
}

const COMPRESSED = 1;

function readVersion7(
  source: ByteSource,
  big: boolean,
  firstOptions: number,
  compression: string,
  parts: Parts,
): void {
  const section = (
    offset: number,
  ): { readonly id: number; readonly flags: number; readonly at: number; readonly size: number } => {
    const c = new Cursor(source, big, offset);
    const id = c.u16();
    const flags = c.u16();
    c.u32();
    const size = c.size();
    return { id, flags, at: c.at, size };
  };
  const content = (offset: number): Cursor => {
    const s = section(offset);
    if ((s.flags & COMPRESSED) === 0) return new Cursor(source, big, s.at);
    const c = new Cursor(source, big, s.at);
    const packed = c.u32();
    const unpacked = c.u32();
    const bytes = decompress(compression, c.bytes(packed), unpacked);
    return new Cursor({ size: bytes.length, read: (at, n) => bytes.subarray(at, at + n) }, big, 0);
  };
  const attempt = (what: string, read: () => void): void => {
    try {
      read();
    } catch (error) {
      if (!(error instanceof DamagedFile)) throw error;
      parts.damage.push(`${what}: ${error.message}`);
    }
  };

  let next = firstOptions;
  const visited = new Set<number>();
  while (next !== 0 && !visited.has(next) && visited.size < 1000) {
    visited.add(next);
    const c = content(next);
    next = 0;
    for (let i = 0; i < MAX_COUNT; i++) {
      const id = c.u16();
      const data = c.bytes(c.u32());
      const u64 = (at: number): number =>
        data.length < at + 8 ? 0 : Number(big ? data.readBigUInt64BE(at) : data.readBigUInt64LE(at));
      if (id === 0) {
        next = u64(0);
        break;
      }
      const at = u64(0);
      if (id === 16) attempt("header info", () => parts.headerInfo(content(at)));
      else if (id === 17) attempt("ftrace event formats", () => parts.ftraceEvents(content(at)));
      else if (id === 18) attempt("event formats", () => parts.eventFormats(content(at)));
      else if (id === 19)
        attempt("kallsyms", () => {
          const k = content(at);
          parts.symbols = new Symbols(k.bytes(k.u32()));
        });
      else if (id === 20)
        attempt("printk formats", () => {
          const k = content(at);
          parts.printk = k.bytes(k.u32()).toString("latin1");
        });
      else if (id === 21)
        attempt("saved command lines", () => {
          const k = content(at);
          parts.cmdlines(k.bytes(k.size()).toString("utf8"));
        });
      else if (id === 22)
        attempt("text", () => {
          const s = section(at);
          parts.latencyText = { offset: s.at, size: s.size };
        });
      else if (id === 3) attempt("buffer", () => buffer(data, big, section, parts));
      else parts.option(id, data, big);
    }
  }
}

function buffer(
  data: Buffer,
  big: boolean,
  section: (offset: number) => { readonly flags: number },
  parts: Parts,
): void {
  const c = new Cursor({ size: data.length, read: (at, n) => data.subarray(at, at + n) }, big, 0);
  const offset = c.size();
  c.string(); // name of the trace instance; all instances are read together
  const clock = c.string();
  const pageSize = c.u32();
  if (pageSize < 64 || pageSize > 1 << 22) throw new DamagedFile(`pages of ${pageSize} bytes`);
  const count = checked(c.u32(), "CPUs");
  const compressed = (section(offset).flags & COMPRESSED) !== 0;
  for (let i = 0; i < count; i++) {
    const cpu = c.u32();
    const cpuOffset = c.size();
    const size = c.size();
    parts.cpus.push({ cpu, offset: cpuOffset, size, pageSize, compressed, clock });
  }
}
