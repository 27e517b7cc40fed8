// The line that ftrace and trace-cmd print for an event. The task name may hold any character, "-",
// "[" and spaces too; but it is at most 15 bytes, right-aligned in 16, so the "-" before the tid
// stands at byte 16. Where it does not (a line that was indented anew), the first place that fits
// ends the name.
//
//     kworker/u16:1-77      (     77) [004] d..2.   316.196720: page_ref_mod: pfn=0x40 ...
//           <idle>-0        [000]                     0.002188: sched_switch: ...
//
// Source: kernel/trace/trace_output.c:trace_print_context()
import type { Task } from "../../events/event.ts";
import { ByteInterner } from "../bytes.ts";
import { type ArgPlan, ArgReader, planFor } from "../text/args.ts";
import { type Head, HeadTable, LEAST_LINE, newHead } from "../text/heads.ts";
import { LineSplitter } from "../text/lines.ts";
import { indexOfEither } from "../text/words.ts";
import type { EventEntry, FormatName, ReadContext, TextReader } from "./reader.ts";

//   daxops-334       1d..1. 32578180us!: snap: pfn=0x40 ...      (latency-format)
//   daxops-334     1.....    32.578180: snap: pfn=0x40 ...      (trace-cmd report -l)
const LATENCY = /^( *.{1,16}?-\d+) +(\d+)[a-zA-Z.#]\S{2,8} +(?:(\d{1,16})us.?|(\d{1,16})\.(\d{6}|\d{9})): +/;

const SPACE = 0x20;
const MINUS = 0x2d;
const DOT = 0x2e;
const COLON = 0x3a;

const isDigit = (c: number | undefined): boolean => c !== undefined && c >= 0x30 && c <= 0x39;

interface PlannedEntry extends EventEntry {
  readonly plan: ArgPlan | null;
}

/** Reads lines of events; a format adds what stands between them. */
export abstract class TaskLineReader implements TextReader {
  abstract readonly format: FormatName;
  protected readonly context: ReadContext;
  readonly #lines: LineSplitter;
  readonly #args: ArgReader;
  readonly #taskOf: ByteInterner<Task>;
  readonly #entryOf: ByteInterner<PlannedEntry>;
  readonly #heads = new HeadTable();
  #frames: string[] = [];
  #stackCpu = -1;
  #lastCpu = -1;
  #afterMark = false;

  constructor(context: ReadContext) {
    this.context = context;
    this.#args = new ArgReader(context.map);
    this.#lines = new LineSplitter(
      (b, view, from, to, line) => this.#line(b, view, from, to, line),
      context.log,
    );
    this.#taskOf = new ByteInterner((text) => {
      const cut = text.lastIndexOf("-");
      return context.tasks.get(text.slice(0, cut).trimStart(), Number(text.slice(cut + 1)));
    });
    this.#entryOf = new ByteInterner((name) => {
      const entry = context.entryOf(name);
      const plan = entry.spec === null ? null : planFor(entry.spec);
      return Object.assign(entry, { plan });
    });
  }

  /** A line that is no event: `true` if the format knows what it is. */
  protected abstract otherLine(text: string, line: number): boolean;

  push(chunk: Buffer): void {
    this.#lines.push(chunk);
  }

  end(): void {
    const cut = this.#lines.end();
    this.#endStack();
    // Whatever prints recordings ends its last line, and half a line may look like a whole one.
    if (cut) this.context.log.note("truncated", this.#lines.line);
    const { log } = this.context;
    if (this.#lines.line > 0) log.counts.set("lines", this.#lines.line);
  }

  #line(b: Buffer, view: DataView, from: number, to: number, line: number): void {
    if (to === from) return;
    const c = b[from] as number;
    if (c === SPACE ? b[from + 1] === 0x3d && b[from + 2] === 0x3e : c === 0x3d && b[from + 1] === 0x3e) {
      // " => function" or "=> function (address)"
      if (this.#stackCpu >= 0 && this.#frames.length < 64) {
        this.#frames.push(b.toString("latin1", from + (c === SPACE ? 3 : 2), Math.min(to, from + 200)));
      }
      return;
    }
    if (this.#stackCpu >= 0) this.#endStack();
    if (c === 0x23 || c === 0x43) {
      // "#" a comment, "C" perhaps "CPU:1 [LOST 12 EVENTS]"
      if (this.otherLine(b.toString("latin1", from, Math.min(to, from + 400)), line)) return;
    }
    if (this.#event(b, view, from, to, line) || this.#latencyLine(b, view, from, to, line)) return;
    if (this.otherLine(b.toString("latin1", from, Math.min(to, from + 400)), line)) return;
    if (this.#afterMark) this.context.log.note("continuedLine", line);
    else this.context.log.note("malformedLine", line);
  }

  #event(b: Buffer, view: DataView, from: number, to: number, line: number): boolean {
    const known = to - from < LEAST_LINE ? null : this.#heads.find(view, from, to);
    const head = known ?? this.#head(b, view, from, to);
    if (head === null) return false;
    let p = from + head.length;
    while (p < to && b[p] === SPACE) p++;
    if (!isDigit(b[p])) {
      // irqs-off, need-resched, …: the first of them is never a digit
      while (p < to && b[p] !== SPACE) p++;
      while (p < to && b[p] === SPACE) p++;
    }
    let seconds = 0;
    const secondsStart = p;
    while (p < to && isDigit(b[p])) {
      seconds = seconds * 10 + (b[p] as number) - 0x30;
      p++;
    }
    if (p === secondsStart || p - secondsStart > 19) return false;
    const clock = this.context.clock;
    let time: number;
    if (b[p] === DOT) {
      p++;
      let fraction = 0;
      const fractionStart = p;
      while (p < to && isDigit(b[p])) {
        fraction = fraction * 10 + (b[p] as number) - 0x30;
        p++;
      }
      const digits = p - fractionStart;
      if (digits === 6) fraction *= 1000;
      else if (digits === 9) clock.digits = 9;
      else return false;
      if (clock.epochSeconds < 0) clock.epochSeconds = seconds;
      time = (seconds - clock.epochSeconds) * 1e9 + fraction;
    } else {
      // A clock that counts ticks (trace_clock "counter", "x86-tsc"): they serve as nanoseconds.
      if (clock.epochSeconds < 0) clock.epochSeconds = 0;
      clock.digits = 0;
      time = seconds;
    }
    if (b[p] !== COLON) return false;
    return this.#named(b, view, p + 1, to, line, head, time, from);
  }

  /** Takes the start of a line apart: task, thread group and CPU. */
  #head(b: Buffer, view: DataView, from: number, to: number): Head | null {
    let p = from + 16;
    if (!(b[p] === MINUS && isDigit(b[p + 1]) && p < to)) {
      p = findTid(b, from, to);
      if (p < 0) return null;
    }
    let taskEnd = p + 1;
    while (taskEnd < to && isDigit(b[taskEnd])) taskEnd++;
    p = taskEnd;
    while (p < to && b[p] === SPACE) p++;
    if (b[p] === 0x28) {
      // "(  77) " or "(-----) ": the thread group
      while (p < to && b[p] !== 0x29) p++;
      p++;
      while (p < to && b[p] === SPACE) p++;
    }
    if (b[p] !== 0x5b) return null;
    p++;
    let cpu = 0;
    const cpuStart = p;
    while (p < to && isDigit(b[p]) && p < cpuStart + 6) {
      cpu = cpu * 10 + (b[p] as number) - 0x30;
      p++;
    }
    if (p === cpuStart || p >= to || b[p] !== 0x5d) return null;
    return this.#heads.add(view, from, p + 1, to, taskEnd, cpu);
  }

  /** A line of `latency-format`, or of `trace-cmd report -l`: CPU and flags in one word, microseconds. */
  #latencyLine(b: Buffer, view: DataView, from: number, to: number, line: number): boolean {
    const m = LATENCY.exec(b.toString("latin1", from, Math.min(to, from + 160)));
    if (m === null) return false;
    const [text, task = "", cpu = "0", us, seconds = "0", fraction = "0"] = m;
    const { clock } = this.context;
    let time: number;
    if (us === undefined) {
      if (clock.epochSeconds < 0) clock.epochSeconds = Number(seconds);
      time =
        (Number(seconds) - clock.epochSeconds) * 1e9 + Number(fraction) * (fraction.length === 9 ? 1 : 1000);
    } else {
      clock.epochSeconds = Math.max(clock.epochSeconds, 0);
      time = Number(us) * 1000;
    }
    return this.#named(
      b,
      view,
      from + text.length,
      to,
      line,
      newHead(view, from, from + task.length, from + task.length, Number(cpu)),
      time,
      from,
    );
  }

  /** The rest of a line, from the event's name on. */
  #named(
    b: Buffer,
    view: DataView,
    nameAt: number,
    to: number,
    line: number,
    head: Head,
    time: number,
    from: number,
  ): boolean {
    const { cpu } = head;
    let p = nameAt;
    while (p < to && b[p] === SPACE) p++;
    if (b[p] === 0x3c) {
      // "<stack trace>", of the event before on this CPU
      return this.#startStack(b, p, to, cpu);
    }
    const nameStart = p;
    p = indexOfEither(view, p, to, COLON, SPACE);
    if (p === nameStart || p - nameStart > 128) return false;
    if (b[p] !== COLON && b[nameStart] === 0x2f) return false;
    const entry = this.#entryOf.get(view, nameStart, p);
    this.#lastCpu = cpu;
    if (entry.name === "kernel_stack") return this.#startStack(b, p, to, cpu);
    entry.count++;
    this.context.tick(time, line);
    const { spec, plan } = entry;
    if (spec === null || plan === null) {
      this.#afterMark = false;
      this.context.handedOn[cpu] = this.context.sink.other !== undefined;
      this.context.sink.other?.(entry.name, time, cpu, this.#task(view, from, head));
      return true;
    }
    this.#afterMark = spec.role === "mark";
    const wanted = spec.role !== "context" || this.context.sink.other !== undefined;
    this.context.handedOn[cpu] = wanted;
    if (!wanted) return true;
    const e = entry.event;
    e.time = time;
    e.cpu = cpu;
    e.where = line;
    e.task = head.task ?? this.#task(view, from, head);
    this.#args.read(b, view, p + 1, to, plan, e);
    this.context.sink.event(e);
    return true;
  }

  #task(view: DataView, from: number, head: Head): Task {
    head.task ??= this.#taskOf.get(view, from, from + head.taskLength);
    return head.task;
  }

  #startStack(b: Buffer, from: number, to: number, cpu: number): boolean {
    const text = b.toString("latin1", from, Math.min(to, from + 60));
    if (!text.includes("stack trace")) return false;
    this.#stackCpu = text.includes("user") || this.context.handedOn[cpu] !== true ? -1 : cpu;
    this.#frames = [];
    return true;
  }

  #endStack(): void {
    if (this.#frames.length > 0)
      this.context.sink.stack(this.#stackCpu, this.context.stacks.get(this.#frames));
    this.#stackCpu = -1;
    this.#frames = [];
  }

  /** The CPU of the last event, -1 before the first. */
  protected get lastCpu(): number {
    return this.#lastCpu;
  }
}

/** Finds the "-" of "-<tid> … [<cpu>] " in a line whose columns moved; -1 if there is none. */
function findTid(b: Buffer, from: number, to: number): number {
  const text = b.toString("latin1", from, Math.min(to, from + 160));
  const match = /^\s*.{1,40}?(-)\d+\s+(?:\(\s*[\d-]+\)\s+)?\[\d+\]\s/.exec(text);
  if (match === null) return -1;
  const head = /^\s*.{1,40}?(?=-\d+\s+(?:\(\s*[\d-]+\)\s+)?\[\d+\]\s)/.exec(text);
  return head === null ? -1 : from + head[0].length;
}
