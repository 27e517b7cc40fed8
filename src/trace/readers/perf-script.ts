// The text that `perf script` prints: `comm pid [cpu] time: system:event: arguments`, and the call
// chain of a sample on indented lines below it, up to an empty line.
//
//           daxops   334 [001]    32.578180: dax:try_grab_folio: (ffffffff811ba854) page=0x...
//         ffffffff811ba854 try_grab_folio+0x4 ([kernel.kallsyms])
//
// Source: tools/perf/builtin-script.c
import type { Task } from "../../events/event.ts";
import { ByteInterner } from "../bytes.ts";
import { switchedOn } from "../record/marks.ts";
import { type ArgPlan, ArgReader, planFor } from "../text/args.ts";
import { LineSplitter } from "../text/lines.ts";
import type { EventEntry, FormatName, ReadContext, TextReader } from "./reader.ts";

// The name may hold anything; pid (or pid/tid) and the CPU end it.
const HEAD =
  /^\s*(.{0,40}?)\s+(?:(\d+)\/)?(\d+)\s+(?:\[(\d+)\]\s+)?(?:[^\s\d]\S{3,6}\s+)?(\d+)\.(\d{6}|\d{9}):\s+(?:\d+\s+)?(?:([\w.-]+):)?([\w.-]+):/;
/** The second is what bpftrace says. */
const LOST = /PERF_RECORD_LOST(?:_SAMPLES)?\b\D*(\d+)?|^Lost (\d+) events/;
const RELEASE = /^#\s*os ?release\s*:\s*(\S+)/;
/** perf's header names each event that it recorded; these were set by `pagelife record`. */
const PROBE = /^# event : name = pagelife:(\w+)/;
const MAX_HEAD = 300;
const MAX_COMMENT = 1000;
/** Addresses of the kernel have their highest bit set on every 64-bit machine. */
const KERNEL_FRAME = /^\s+[89a-f][0-9a-f]{15}\s+(.*)$/;
/** What perf says of processes and files, if it is asked to, looks like events. */
const NO_EVENT = /: PERF_RECORD_(?!LOST)/;

interface PlannedEntry extends EventEntry {
  readonly plan: ArgPlan | null;
}

export class PerfScriptReader implements TextReader {
  readonly format: FormatName = "perf script";
  readonly #context: ReadContext;
  readonly #lines: LineSplitter;
  readonly #args: ArgReader;
  readonly #entryOf: ByteInterner<PlannedEntry>;
  #frames: string[] = [];
  #cpu = -1;
  #task: Task | null = null;

  constructor(context: ReadContext) {
    this.#context = context;
    this.#args = new ArgReader(context.map);
    this.#lines = new LineSplitter(
      (b, view, from, to, line) => this.#line(b, view, from, to, line),
      context.log,
    );
    this.#entryOf = new ByteInterner((name) => {
      const entry = context.entryOf(name);
      return Object.assign(entry, { plan: entry.spec === null ? null : planFor(entry.spec) });
    });
  }

  push(chunk: Buffer): void {
    this.#lines.push(chunk);
  }

  end(): void {
    const cut = this.#lines.end();
    this.#endStack();
    if (cut) this.#context.log.note("truncated", this.#lines.line);
    if (this.#lines.line > 0) this.#context.log.counts.set("lines", this.#lines.line);
  }

  #line(b: Buffer, view: DataView, from: number, to: number, line: number): void {
    if (to === from) {
      this.#endStack();
      return;
    }
    if (b[from] === 9) {
      // A frame of the call chain: "\t  address function+offset (where)". The chain goes on in user space,
      // which other recorders leave out; with it, one path into a page would have as many ids as programs.
      const frame = KERNEL_FRAME.exec(b.toString("latin1", from, Math.min(to, from + 200)));
      if (frame !== null && this.#cpu >= 0 && this.#frames.length < 64) this.#frames.push(frame[1] ?? "");
      return;
    }
    this.#endStack();
    const text = b.toString("latin1", from, Math.min(to, from + MAX_HEAD));
    if (this.#event(b, view, from, to, text, line)) return;
    const lost = LOST.exec(text);
    if (lost !== null) {
      const number = lost[1] ?? lost[2];
      this.#context.log.lost(number === undefined ? null : Number(number), line);
      this.#context.sink.lost(-1);
      return;
    }
    if (text.startsWith("#")) {
      const release = RELEASE.exec(text);
      if (release !== null) this.#context.log.kernelText = release[1] ?? "";
      const { switchedOn: probes } = this.#context.log;
      const probe = PROBE.exec(text)?.[1];
      if (probe !== undefined) probes.add(probe);
      for (const name of switchedOn(b.toString("latin1", from, Math.min(to, from + MAX_COMMENT))))
        probes.add(name);
      return;
    }
    this.#context.log.note("malformedLine", line);
  }

  #event(b: Buffer, view: DataView, from: number, to: number, text: string, line: number): boolean {
    const m = HEAD.exec(text);
    if (m === null) return NO_EVENT.test(text);
    const [head, comm = "", , tid = "0", cpuText, secondsText = "0", fractionText = "0", , name = ""] = m;
    if (name.startsWith("PERF_RECORD_")) return true;
    const { clock } = this.#context;
    const seconds = Number(secondsText);
    if (clock.epochSeconds < 0) clock.epochSeconds = seconds;
    if (fractionText.length === 9) clock.digits = 9;
    const time =
      (seconds - clock.epochSeconds) * 1e9 + Number(fractionText) * (fractionText.length === 9 ? 1 : 1000);
    const cpu = cpuText === undefined ? 0 : Number(cpuText);
    const nameEnd = from + head.length - 1;
    const entry = this.#entryOf.get(view, nameEnd - name.length, nameEnd);
    entry.count++;
    this.#cpu = cpu;
    this.#context.tick(time, line);
    const { spec, plan } = entry;
    if (this.#task === null || this.#task.comm !== comm || this.#task.tid !== Number(tid)) {
      this.#task = this.#context.tasks.get(Buffer.from(comm, "latin1").toString("utf8"), Number(tid));
    }
    if (spec === null || plan === null) {
      // Its call chain is not that of the event before.
      if (this.#context.sink.other === undefined) this.#cpu = -1;
      else this.#context.sink.other(entry.name, time, cpu, this.#task);
      return true;
    }
    const e = entry.event;
    e.time = time;
    e.cpu = cpu;
    e.where = line;
    e.task = this.#task;
    this.#args.read(b, view, nameEnd + 1, to, plan, e);
    this.#context.sink.event(e);
    return true;
  }

  #endStack(): void {
    if (this.#frames.length > 0) this.#context.sink.stack(this.#cpu, this.#context.stacks.get(this.#frames));
    this.#frames = [];
    this.#cpu = -1;
  }
}
