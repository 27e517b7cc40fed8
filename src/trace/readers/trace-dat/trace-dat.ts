// trace-cmd's binary recordings, versions 6 and 7: the CPUs' buffers merged by time, each event read
// by the description of it that stands in the file.
import type { Task } from "../../../events/event.ts";
import type { EventSpec } from "../../../events/vocabulary.ts";
import { PROBE_GROUP } from "../../record/marks.ts";
import { FtraceTextReader } from "../ftrace-text.ts";
import type { EventEntry, ReadContext } from "../reader.ts";
import type { ByteSource } from "./byte-source.ts";
import type { EventField, EventFormat } from "./event-format.ts";
import { FieldReader, type FieldStep, planFields } from "./fields.ts";
import { readHeader, type TraceDatHeader } from "./header.ts";
import { CpuStream, type StreamEvents } from "./ring-buffer.ts";

interface Plan {
  readonly format: EventFormat;
  readonly entry: EventEntry;
  readonly spec: EventSpec | null;
  readonly steps: readonly FieldStep[];
  readonly kind: "event" | "stack" | "print";
  readonly callerAt: number;
  readonly functionAt: number;
  readonly text: EventField | null;
  readonly least: number;
}

const MAX_TEXT = 200;
const MAX_FRAMES = 64;
/** Events between two questions whether to go on. */
const ASK_EVERY = 4096;

export class TraceDatReader {
  readonly format = "trace.dat";
  readonly header: TraceDatHeader;
  readonly #source: ByteSource;
  readonly #context: ReadContext;
  readonly #plans: (Plan | undefined)[] = [];
  readonly #tasks = new Map<number, Task>();
  readonly #fields: FieldReader;
  readonly #streams: CpuStream[] = [];
  readonly #pidAt: number;
  readonly #little: boolean;
  #unknownIds = 0;

  /**
   * @param header What `readHeader` found, if it was called before.
   * @throws DamagedFile if the file is too damaged to find events in it.
   */
  constructor(source: ByteSource, context: ReadContext, header: TraceDatHeader = readHeader(source)) {
    this.#source = source;
    this.#context = context;
    this.header = header;
    this.#little = !header.bigEndian;
    this.#fields = new FieldReader(this.#little, context.map);
    for (const format of header.formats) {
      if (format.id < 65_536) this.#plans[format.id] = this.#plan(format);
      // Only what was to be recorded of this group is there, whether it came or not.
      if (format.system === PROBE_GROUP) context.log.switchedOn.add(format.name);
    }
    this.#pidAt = header.formats[0]?.fields.find((f) => f.name === "common_pid")?.offset ?? 4;
    if (header.uname !== "") context.log.kernelText = header.uname;
    for (const what of header.damage) this.#note(what);
    if (/counter|tsc/.test(header.clock) && header.tscToNs === null) context.clock.digits = 0;
    this.#open();
  }

  /** Reads everything, or until `goOn`, which is asked now and then, says no. */
  read(goOn: () => boolean = () => true): void {
    if (this.header.latencyText !== null) this.#readText(this.header.latencyText);
    const live = this.#streams.filter((s) => s.next());
    let sinceAsked = 0;
    while (live.length > 0) {
      // The CPU whose event is the oldest; at equal times, the CPU that comes first.
      let first = live[0] as CpuStream;
      let second = Number.POSITIVE_INFINITY;
      for (let i = 1; i < live.length; i++) {
        const s = live[i] as CpuStream;
        if (s.time < first.time) {
          second = first.time;
          first = s;
        } else if (s.time < second) second = s.time;
      }
      const order = live.indexOf(first);
      for (;;) {
        this.#event(first);
        if (++sinceAsked >= ASK_EVERY) {
          sinceAsked = 0;
          if (!goOn()) return;
        }
        if (!first.next()) {
          live.splice(order, 1);
          break;
        }
        if (first.time >= second) break;
      }
    }
    if (this.#unknownIds > 0) this.#context.log.note("damaged", 0, this.#unknownIds);
    this.#noteOverwritten();
  }

  /** The counters also have what was lost in between, and told of there: the rest is missing at the start. */
  #noteOverwritten(): void {
    const { log } = this.#context;
    const between = log.lostCount ?? this.header.overrun;
    if (this.header.overrun > between) log.note("overwritten", 0, this.header.overrun - between);
  }

  #note(what: string): void {
    this.#context.log.note("damaged", 0);
    this.#context.log.details.push(what);
  }

  #open(): void {
    const { header } = this;
    const layout = {
      bigEndian: header.bigEndian,
      commitSize: header.commitSize,
      dataOffset: header.dataOffset,
      compression: header.compression,
    };
    const listener: StreamEvents = {
      lost: (cpu, count) => {
        this.#context.log.lost(count, this.#context.events);
        this.#context.sink.lost(cpu);
      },
      damaged: (cpu, offset, what) => {
        this.#context.log.note(what.startsWith("the file ends") ? "truncated" : "damaged", offset);
        if (this.#context.log.details.length < 20) this.#context.log.details.push(`CPU ${cpu}: ${what}`);
        this.#context.sink.lost(cpu);
      },
    };
    // Times count from the whole second before the first event of any CPU.
    const quiet: StreamEvents = { lost: () => undefined, damaged: () => undefined };
    let base: bigint | null = null;
    const data = header.cpus.filter((c) => c.size > 0);
    for (const cpu of data) {
      const stamp = new CpuStream(this.#source, cpu, layout, 0n, quiet).firstStamp();
      if (stamp !== null && (base === null || stamp < base)) base = stamp;
    }
    const { clock } = this.#context;
    const start = base ?? 0n;
    const seconds =
      clock.digits === 0 || this.header.tscToNs !== null ? start : (start / 1_000_000_000n) * 1_000_000_000n;
    clock.epochSeconds = clock.digits === 0 ? 0 : Number(this.#toNs(seconds) / 1_000_000_000n);
    if (this.header.tscToNs !== null)
      this.#ticks = {
        base: seconds,
        skew: Number(this.#toNs(seconds) - BigInt(clock.epochSeconds) * 1_000_000_000n),
      };
    for (const cpu of data) this.#streams.push(new CpuStream(this.#source, cpu, layout, seconds, listener));
  }

  #ticks: { readonly base: bigint; readonly skew: number } | null = null;

  #toNs(ticks: bigint): bigint {
    const t = this.header.tscToNs;
    return t === null ? ticks : ((ticks * BigInt(t.multiplier)) >> BigInt(t.shift)) - t.offset;
  }

  #event(s: CpuStream): void {
    const context = this.#context;
    const { view, at, length } = s;
    const plan = length < 4 ? undefined : this.#plans[view.getUint16(at, this.#little)];
    if (plan === undefined || length < plan.least) {
      // Damage, and an event of which nothing is known: answers must not build on what it may have been.
      this.#unknownIds++;
      context.sink.lost(s.cpu);
      return;
    }
    if (plan.kind === "stack") {
      if (context.handedOn[s.cpu] === true) this.#stack(s);
      return;
    }
    plan.entry.count++;
    let { time } = s;
    if (this.#ticks !== null) {
      const t = this.header.tscToNs;
      time = this.#ticks.skew + (t === null ? time : (time * t.multiplier) / 2 ** t.shift);
    }
    context.tick(time, context.events + 1);
    const { spec } = plan;
    context.handedOn[s.cpu] = context.sink.other !== undefined || (spec !== null && spec.role !== "context");
    if (spec === null) {
      if (context.sink.other !== undefined) {
        context.sink.other(
          plan.entry.name,
          time,
          s.cpu,
          this.#task(view.getInt32(at + this.#pidAt, this.#little)),
        );
      }
      return;
    }
    if (spec.role === "context" && context.sink.other === undefined) return;
    const e = plan.entry.event;
    e.time = time;
    e.cpu = s.cpu;
    e.where = context.events;
    e.task = this.#task(view.getInt32(at + this.#pidAt, this.#little));
    const { steps } = plan;
    for (let i = 0; i < steps.length; i++) this.#fields.read(steps[i] as FieldStep, view, at, e);
    if (plan.kind === "print") e.text = this.#text(plan, s);
    if (plan.callerAt >= 0) {
      const caller = this.header.symbols.name(view.getBigUint64(at + plan.callerAt, this.#little));
      const fn =
        plan.functionAt < 0
          ? ""
          : this.header.symbols.name(view.getBigUint64(at + plan.functionAt, this.#little));
      e.site = `${caller} <- ${fn}`;
    }
    context.sink.event(e);
  }

  #task(pid: number): Task {
    let task = this.#tasks.get(pid);
    if (task === undefined) {
      task = this.#context.tasks.get(this.header.comms.get(pid) ?? "<...>", pid);
      this.#tasks.set(pid, task);
    }
    return task;
  }

  #text(plan: Plan, s: CpuStream): string {
    if (plan.text === null || plan.text.offset >= s.length) return "";
    const from = s.at + plan.text.offset;
    const to = Math.min(s.at + s.length, from + MAX_TEXT);
    const end = s.bytes.indexOf(0, from);
    const written = s.bytes.toString("utf8", from, end >= from && end < to ? end : to).trimEnd();
    // As trace-cmd prints it: with the function that wrote the line, mostly tracing_mark_write().
    return plan.functionAt < 0
      ? written
      : `${this.header.symbols.name(s.view.getBigUint64(s.at + plan.functionAt, this.#little))}: ${written}`;
  }

  #stack(s: CpuStream): void {
    const { view, at, length } = s;
    const long = this.header.commitSize;
    const plan = this.#plans[view.getUint16(at, this.#little)];
    const start = plan?.text?.offset ?? 16;
    const frames: string[] = [];
    for (let p = at + start; p + long <= at + length && frames.length < MAX_FRAMES; p += long) {
      const address =
        long === 8 ? view.getBigUint64(p, this.#little) : BigInt(view.getUint32(p, this.#little));
      if (address === 0n || address === 0xffffffffffffffffn) break;
      frames.push(this.header.symbols.name(address));
    }
    if (frames.length > 0) this.#context.sink.stack(s.cpu, this.#context.stacks.get(frames));
  }

  #plan(format: EventFormat): Plan {
    const isStack = format.system === "ftrace" && format.name === "kernel_stack";
    const isPrint =
      format.system === "ftrace" &&
      (format.name === "print" || format.name === "bprint" || format.name === "bputs");
    const entry = this.#context.entryOf(format.name);
    const fieldOf = (name: string): EventField | undefined => format.fields.find((f) => f.name === name);
    const { spec } = entry;
    const planned = planFields(spec, fieldOf, this.#little);
    let { least } = planned;
    const caller = spec !== null && spec.sampled === "return" ? fieldOf("__probe_ret_ip") : undefined;
    if (caller !== undefined) least = Math.max(least, caller.offset + 8);
    const fn = isPrint ? fieldOf("ip") : fieldOf("__probe_func");
    return {
      format,
      entry,
      spec,
      steps: planned.steps,
      kind: isStack ? "stack" : isPrint ? "print" : "event",
      callerAt: caller !== undefined && caller.size === 8 ? caller.offset : -1,
      functionAt: fn !== undefined && fn.size === 8 ? fn.offset : -1,
      text: (isPrint ? fieldOf("buf") : isStack ? fieldOf("caller") : undefined) ?? null,
      least: Math.max(least, isPrint && fn !== undefined ? fn.offset + fn.size : 8),
    };
  }

  /** A latency tracer's recording holds text. */
  #readText(place: { readonly offset: number; readonly size: number }): void {
    const reader = new FtraceTextReader(this.#context);
    const end = Math.min(this.#source.size, place.offset + place.size);
    for (let at = place.offset; at < end; ) {
      const chunk = this.#source.read(at, Math.min(1 << 20, end - at));
      if (chunk.length === 0) break;
      reader.push(chunk);
      at += chunk.length;
    }
    reader.end();
  }
}
