// Writes trace-cmd's trace.dat, version 6, from what the guest copied out of tracefs. trace-cmd itself
// takes a quarter of a minute under emulation; the file is only headers around the raw pages of the ring
// buffers, so it is put together here. Format: trace-cmd's trace-cmd.dat.v6(5).

const PAGE = 4096;
const OPTION_TRACECLOCK = 4;
const OPTION_UNAME = 5;

const u16 = (n: number): Buffer => {
  const b = Buffer.alloc(2);
  b.writeUInt16LE(n);
  return b;
};
const u32 = (n: number): Buffer => {
  const b = Buffer.alloc(4);
  b.writeUInt32LE(n);
  return b;
};
const u64 = (n: number): Buffer => {
  const b = Buffer.alloc(8);
  b.writeBigUInt64LE(BigInt(n));
  return b;
};
const text = (s: string): Buffer => Buffer.from(`${s}\0`, "latin1");
const sized = (content: Buffer): Buffer => Buffer.concat([u64(content.length), content]);

/**
 * The bytes of a trace.dat.
 *
 * @param files What the guest's `record` script left: `dat.header_page`, `dat.format.SYSTEM.EVENT`,
 *   `dat.raw.CPU` and so on.
 * @returns null when nothing was recorded.
 */
export function traceDat(files: ReadonlyMap<string, Buffer>, release: string): Buffer | null {
  const get = (name: string): Buffer => files.get(`dat.${name}`) ?? Buffer.alloc(0);
  const raw = [...files.keys()]
    .flatMap((name) => {
      const cpu = /^dat\.raw\.(\d+)$/.exec(name)?.[1];
      return cpu === undefined ? [] : [Number(cpu)];
    })
    .sort((a, b) => a - b);
  if (raw.length === 0 || get("header_page").length === 0) return null;

  const systems = new Map<string, Buffer[]>();
  for (const name of [...files.keys()].sort()) {
    const system = /^dat\.format\.([^.]+)\./.exec(name)?.[1];
    if (system === undefined) continue;
    systems.set(system, [...(systems.get(system) ?? []), get(name.slice("dat.".length))]);
  }
  const own = systems.get("ftrace") ?? [];
  systems.delete("ftrace");

  const option = (id: number, content: Buffer): Buffer =>
    Buffer.concat([u16(id), u32(content.length), content]);
  const head = Buffer.concat([
    Buffer.from([0x17, 0x08, 0x44]),
    Buffer.from("tracing"),
    text("6"),
    // Little endian, 64-bit longs.
    Buffer.from([0, 8]),
    u32(PAGE),
    text("header_page"),
    sized(get("header_page")),
    text("header_event"),
    sized(get("header_event")),
    u32(own.length),
    ...own.map(sized),
    u32(systems.size),
    ...[...systems].flatMap(([name, formats]) => [text(name), u32(formats.length), ...formats.map(sized)]),
    u32(get("kallsyms").length),
    get("kallsyms"),
    u32(get("printk").length),
    get("printk"),
    sized(get("cmdlines")),
    u32(raw.length),
    text("options  "),
    option(OPTION_TRACECLOCK, text("local [mono]")),
    option(OPTION_UNAME, text(`Linux guest ${release} x86_64`)),
    u16(0),
    text("flyrecord"),
  ]);

  const table = raw.length * 16;
  let at = Math.ceil((head.length + table) / PAGE) * PAGE;
  const offsets: Buffer[] = [];
  const data: Buffer[] = [];
  for (const cpu of raw) {
    const pages = get(`raw.${cpu}`);
    offsets.push(u64(at), u64(pages.length));
    data.push(pages);
    at += Math.ceil(pages.length / PAGE) * PAGE;
  }
  const front = Buffer.concat([head, ...offsets]);
  return Buffer.concat([front, Buffer.alloc((PAGE - (front.length % PAGE)) % PAGE), ...data]);
}
