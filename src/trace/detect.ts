// What a file is, by its first bytes. Names and endings are not looked at.

/** What the first bytes say. `wrapper`: compressed, look again inside. */
export type Detected =
  | { readonly kind: "text"; readonly format: "ftrace text" | "trace-cmd report" | "perf script" }
  | { readonly kind: "trace.dat"; readonly version: string }
  | { readonly kind: "wrapper"; readonly compression: "gzip" | "zstd" }
  | { readonly kind: "empty" }
  /** Not a recording that pagelife reads; `hint` says what it looks like, and what to do. */
  | { readonly kind: "unknown"; readonly hint: string };

const startsWith = (b: Buffer, bytes: readonly number[]): boolean => bytes.every((x, i) => b[i] === x);

const FTRACE =
  /^.{0,40}-\d+\s+(?:\(\s*[\d-]+\)\s+)?\[\d+\]\s+(?:[^\d\s]\S{2,6}\s+)?\d+(?:\.\d{6,9})?:\s+(\S+)/;
const LATENCY = /^ *.{1,16}?-\d+ +\d+[a-zA-Z.#]\S{2,8} +(?:\d+us.?|\d+\.\d{6,9}): +\S/;
const PERF = /^\s*.{0,40}?\s+(?:\d+\/)?\d+\s+(?:\[\d+\]\s+)?\d+\.\d{6,9}:\s+(?:\d+\s+)?[\w.-]+:[\w.-]+:/;

/** @param head The first bytes of the file, 64 KiB if it has as many. */
export function detect(head: Buffer): Detected {
  if (head.length === 0) return { kind: "empty" };
  if (startsWith(head, [0x1f, 0x8b])) return { kind: "wrapper", compression: "gzip" };
  if (startsWith(head, [0x28, 0xb5, 0x2f, 0xfd])) return { kind: "wrapper", compression: "zstd" };
  if (startsWith(head, [0x17, 0x08, 0x44]) && head.toString("latin1", 3, 10) === "tracing") {
    const end = head.indexOf(0, 10);
    return { kind: "trace.dat", version: head.toString("latin1", 10, end < 0 || end > 20 ? 20 : end) };
  }
  const known = binaryHint(head);
  if (known !== null) return { kind: "unknown", hint: known };
  return detectText(head);
}

function binaryHint(head: Buffer): string | null {
  const magic = head.toString("latin1", 0, 8);
  if (magic === "PERFILE2" || magic === "2ELIFREP") {
    return "it is a perf.data file; run `perf script -F comm,pid,tid,cpu,time,event,trace,ip,sym > FILE.txt` and read that";
  }
  if (magic.startsWith("\x7fELF")) return "it is an ELF file (a program or a core dump), not a recording";
  if (magic.startsWith("KDUMP")) return "it is a crash dump, not a recording";
  if (magic.startsWith("PK\x03\x04")) return "it is a zip archive; unpack it first";
  if (magic.startsWith("\xfd7zXZ")) return "it is xz-compressed; unpack it with `xz -d` first";
  if (magic.startsWith("BZh")) return "it is bzip2-compressed; unpack it with `bzip2 -d` first";
  if (head.length > 10 && head[0] === 0x0a && head.includes(0x00)) {
    return "it looks like a Perfetto trace; record with trace-cmd or tracefs instead";
  }
  return null;
}

function detectText(head: Buffer): Detected {
  let perf = 0;
  let ftrace = 0;
  let report = false;
  let header = false;
  const lines = head.toString("latin1").split("\n", 400);
  for (const line of lines) {
    const text = line.slice(0, 400);
    if (/^cpus=\d+/.test(text) || /^CPU:\d+ \[.*EVENTS DROPPED\]/.test(text)) report = true;
    else if (/^# tracer: /.test(text) || /^CPU:\d+ \[LOST .*EVENTS\]/.test(text)) header = true;
    else if (FTRACE.test(text) || LATENCY.test(text)) ftrace++;
    else if (PERF.test(text)) perf++;
  }
  if (perf > ftrace) return { kind: "text", format: "perf script" };
  if (report) return { kind: "text", format: "trace-cmd report" };
  if (ftrace > 0 || header) return { kind: "text", format: "ftrace text" };
  const printable = head
    .subarray(0, 4096)
    .every((c) => c >= 0x20 || c === 9 || c === 10 || c === 13 || c >= 0x80);
  return {
    kind: "unknown",
    hint: printable
      ? "it is text, but no line of its first 64 KiB is an event of ftrace, trace-cmd report or perf script"
      : "its bytes are not those of any recording that pagelife knows",
  };
}
