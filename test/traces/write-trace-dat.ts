// Writes a trace.dat, version 6 or 7, in either byte order, for what no recording at hand has: stacks,
// lost events, long pauses, zlib. Made from trace-cmd.dat.v6(5), v7(5) and the ring buffer's layout.
import { deflateSync } from "node:zlib";

export interface Field {
  readonly name: string;
  readonly type: string;
  readonly size: 1 | 2 | 4 | 8;
}

export interface EventKind {
  readonly id: number;
  readonly system: string;
  readonly name: string;
  readonly fields: readonly Field[];
}

export type RawEvent =
  | {
      readonly at: bigint;
      readonly pid: number;
      readonly kind: EventKind;
      readonly values: readonly (bigint | number)[];
    }
  | { readonly at: bigint; readonly pid: number; readonly stack: readonly bigint[] };

export interface FileOptions {
  readonly version: 6 | 7;
  readonly bigEndian?: boolean;
  readonly compression?: "none" | "zlib";
  readonly kallsyms?: string;
  readonly comms?: string;
  /** Each CPU is a list of pages, each page a list of events; `lost` events before the page. */
  readonly cpus: readonly (readonly {
    readonly events: readonly RawEvent[];
    readonly lost?: number | "unknown";
  }[])[];
  readonly kinds: readonly EventKind[];
  /** Absolute time stamps in place of long deltas. */
  readonly absolute?: boolean;
}

const PAGE = 4096;
const COMMON = [
  { type: "unsigned short", name: "common_type", offset: 0, size: 2, signed: 0 },
  { type: "unsigned char", name: "common_flags", offset: 2, size: 1, signed: 0 },
  { type: "unsigned char", name: "common_preempt_count", offset: 3, size: 1, signed: 0 },
  { type: "int", name: "common_pid", offset: 4, size: 4, signed: 1 },
];
const STACK_ID = 4;

function layout(kind: EventKind): { readonly offsets: number[]; readonly size: number } {
  let at = 8;
  const offsets = kind.fields.map((f) => {
    at = Math.ceil(at / f.size) * f.size;
    const offset = at;
    at += f.size;
    return offset;
  });
  return { offsets, size: at };
}

const fieldLine = (type: string, name: string, offset: number, size: number, signed: number): string =>
  `\tfield:${type} ${name};\toffset:${offset};\tsize:${size};\tsigned:${signed};\n`;

function formatText(name: string, id: number, own: string): string {
  const common = COMMON.map((f) => fieldLine(f.type, f.name, f.offset, f.size, f.signed)).join("");
  return `name: ${name}\nID: ${id}\nformat:\n${common}\n${own}\nprint fmt: ""\n`;
}

function kindText(kind: EventKind): string {
  const { offsets } = layout(kind);
  return formatText(
    kind.name,
    kind.id,
    kind.fields
      .map((f, i) =>
        fieldLine(
          f.type,
          f.name,
          offsets[i] ?? 0,
          f.size,
          f.type.startsWith("s") || f.type === "int" ? 1 : 0,
        ),
      )
      .join(""),
  );
}

const STACK_FORMAT = formatText(
  "kernel_stack",
  STACK_ID,
  fieldLine("int", "size", 8, 4, 1) + fieldLine("unsigned long", "caller[]", 16, 0, 0),
);
const HEADER_PAGE =
  fieldLine("u64", "timestamp", 0, 8, 0) +
  fieldLine("local_t", "commit", 8, 8, 1) +
  fieldLine("int", "overwrite", 8, 1, 1) +
  fieldLine("char", "data", 16, 4080, 1);

/** Numbers in the file's byte order, one after the other. */
class Writer {
  readonly #big: boolean;
  #parts: Buffer[] = [];
  length = 0;

  constructor(big: boolean) {
    this.#big = big;
  }

  bytes(b: Buffer | string): this {
    const buffer = typeof b === "string" ? Buffer.from(b, "latin1") : b;
    this.#parts.push(buffer);
    this.length += buffer.length;
    return this;
  }

  number(n: bigint | number, size: number): this {
    const b = Buffer.alloc(8);
    b.writeBigUInt64LE(BigInt.asUintN(64, BigInt(n)));
    const cut = b.subarray(0, size);
    return this.bytes(Buffer.from(this.#big ? [...cut].reverse() : cut));
  }

  pad(to: number): this {
    return this.bytes(Buffer.alloc(Math.max(0, to - this.length)));
  }

  all(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

function pageBytes(big: boolean, absolute: boolean, page: FileOptions["cpus"][number][number]): Buffer {
  const data = new Writer(big);
  const start = page.events[0]?.at ?? 0n;
  let last = start;
  for (const e of page.events) {
    const body = new Writer(big);
    if ("stack" in e) {
      body.number(STACK_ID, 2).number(0, 2).number(e.pid, 4).number(e.stack.length, 4).pad(16);
      for (const address of e.stack) body.number(address, 8);
    } else {
      const { offsets } = layout(e.kind);
      body.number(e.kind.id, 2).number(0, 2).number(e.pid, 4);
      e.kind.fields.forEach((f, i) => {
        body.pad(offsets[i] ?? 0).number(e.values[i] ?? 0, f.size);
      });
    }
    body.pad(Math.ceil(body.length / 4) * 4);
    let delta = e.at - last;
    last = e.at;
    const head = (type: number, d: bigint): void => {
      data.number(big ? (BigInt(type) << 27n) | d : (d << 5n) | BigInt(type), 4);
    };
    if (delta >= 1n << 27n) {
      const whole = absolute ? e.at & ((1n << 59n) - 1n) : delta;
      head(absolute ? 31 : 30, whole & 0x7ffffffn);
      data.number(whole >> 27n, 4);
      delta = 0n;
    }
    if (body.length <= 112) head(body.length / 4, delta);
    else {
      head(0, delta);
      data.number(body.length + 4, 4);
    }
    data.bytes(body.all());
  }
  if (data.length > PAGE - 16 - 8) throw new Error("too many events for a page");
  let commit = BigInt(data.length);
  if (page.lost !== undefined) commit |= 1n << 31n;
  if (typeof page.lost === "number") commit |= 1n << 30n;
  const w = new Writer(big).number(start, 8).number(commit, 8).bytes(data.all());
  if (typeof page.lost === "number") w.number(page.lost, 8);
  return w.pad(PAGE).all();
}

export function writeTraceDat(o: FileOptions): Buffer {
  const big = o.bigEndian === true;
  const section = (): Writer => new Writer(big);
  const sized = (w: Writer, text: string): Writer => w.number(text.length, 8).bytes(text);
  const systems = new Map<string, EventKind[]>();
  for (const k of o.kinds) systems.set(k.system, [...(systems.get(k.system) ?? []), k]);
  const headerInfo = sized(
    sized(section().bytes("header_page\0"), HEADER_PAGE).bytes("header_event\0"),
    "# compressed entry header\n",
  ).all();
  const ftrace = sized(section().number(1, 4), STACK_FORMAT).all();
  const formats = section().number(systems.size, 4);
  for (const [system, kinds] of systems) {
    formats.bytes(`${system}\0`).number(kinds.length, 4);
    for (const k of kinds) sized(formats, kindText(k));
  }
  const kallsyms = section()
    .number((o.kallsyms ?? "").length, 4)
    .bytes(o.kallsyms ?? "")
    .all();
  const printk = section().number(0, 4).all();
  const cmdlines = sized(section(), o.comms ?? "").all();
  const pages = o.cpus.map((cpu) => cpu.map((p) => pageBytes(big, o.absolute === true, p)));
  const w = new Writer(big)
    .bytes(`\x17\x08\x44tracing${o.version}\0`)
    .bytes(Buffer.from([big ? 1 : 0, 8]))
    .number(PAGE, 4);

  if (o.version === 6) {
    w.bytes(headerInfo).bytes(ftrace).bytes(formats.all()).bytes(kallsyms).bytes(printk).bytes(cmdlines);
    w.number(o.cpus.length, 4).bytes("options  \0").number(0, 2).bytes("flyrecord\0");
    let at = Math.ceil((w.length + 16 * o.cpus.length) / PAGE) * PAGE;
    for (const cpu of pages) {
      w.number(at, 8).number(cpu.length * PAGE, 8);
      at += cpu.length * PAGE;
    }
    w.pad(Math.ceil(w.length / PAGE) * PAGE);
    for (const cpu of pages) for (const p of cpu) w.bytes(p);
    return w.all();
  }

  const compression = o.compression ?? "none";
  w.bytes(`${compression}\0${compression === "none" ? "" : "1"}\0`);
  const optionsAt = w.length + 8;
  w.number(optionsAt, 8);
  // Options first, with the places of the sections that follow them.
  const parts: [number, Buffer][] = [
    [16, headerInfo],
    [17, ftrace],
    [18, formats.all()],
    [19, kallsyms],
    [20, printk],
    [21, cmdlines],
  ];
  const packed = parts.map(([id, content]) => {
    if (compression === "none")
      return section().number(id, 2).number(0, 2).number(0, 4).number(content.length, 8).bytes(content).all();
    const z = deflateSync(content);
    return section()
      .number(id, 2)
      .number(1, 2)
      .number(0, 4)
      .number(z.length + 8, 8)
      .number(z.length, 4)
      .number(content.length, 4)
      .bytes(z)
      .all();
  });
  const cpuData = pages.map((cpu) => {
    if (compression === "none") return Buffer.concat(cpu);
    const chunks = section().number(cpu.length, 4);
    for (const p of cpu) {
      const z = deflateSync(p);
      chunks.number(z.length, 4).number(PAGE, 4).bytes(z);
    }
    return chunks.all();
  });
  const bufferOption = (flyAt: number, cpuAt: number[]): Buffer => {
    const b = section().number(flyAt, 8).bytes("\0").bytes("mono\0").number(PAGE, 4).number(o.cpus.length, 4);
    for (const [i, at] of cpuAt.entries())
      b.number(i, 4)
        .number(at, 8)
        .number(cpuData[i]?.length ?? 0, 8);
    return b.all();
  };
  const optionSize =
    parts.length * 14 +
    6 +
    bufferOption(
      0,
      o.cpus.map(() => 0),
    ).length +
    14;
  let at = optionsAt + 16 + optionSize;
  const places = packed.map((p) => {
    const place = at;
    at += p.length;
    return place;
  });
  const flyAt = at;
  at = Math.ceil((flyAt + 16) / PAGE) * PAGE;
  const cpuAt = cpuData.map((d) => {
    const place = at;
    at += Math.ceil(d.length / PAGE) * PAGE;
    return place;
  });
  w.number(0, 2).number(0, 2).number(0, 4).number(optionSize, 8);
  for (const [i, [id]] of parts.entries())
    w.number(id, 2)
      .number(8, 4)
      .number(places[i] ?? 0, 8);
  const buffer = bufferOption(flyAt, cpuAt);
  w.number(3, 2).number(buffer.length, 4).bytes(buffer);
  w.number(0, 2).number(8, 4).number(0, 8);
  for (const p of packed) w.bytes(p);
  w.number(3, 2)
    .number(compression === "none" ? 0 : 1, 2)
    .number(0, 4)
    .number(
      cpuData.reduce((n, d) => n + d.length, 0),
      8,
    );
  for (const [i, d] of cpuData.entries()) w.pad(cpuAt[i] ?? 0).bytes(d);
  return w.all();
}
