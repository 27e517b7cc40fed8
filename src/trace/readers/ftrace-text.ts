// /sys/kernel/tracing/trace and trace_pipe: lines of events, stack traces below them, and what the
// tracer says about itself in comments.
import type { FormatName } from "./reader.ts";
import { TaskLineReader } from "./task-line.ts";

// Source: kernel/trace/trace.c:print_trace_line(), test_cpu_buff_start()
const LOST = /^CPU:(\d+) \[LOST (?:(\d+) )?EVENTS\]/;
const STARTED = /^#+ CPU (\d+) buffer started #+/;
/** What the bpftrace program of `pagelife record` prints first. */
const RELEASE = /^# os release : (\S+)/;
const ENTRIES = /^# entries-in-buffer\/entries-written: (\d+)\/(\d+)/;

export class FtraceTextReader extends TaskLineReader {
  readonly format: FormatName = "ftrace text";

  protected otherLine(text: string, line: number): boolean {
    const lost = LOST.exec(text);
    if (lost !== null) {
      this.context.log.lost(lost[2] === undefined ? null : Number(lost[2]), line);
      this.context.sink.lost(Number(lost[1]));
      return true;
    }
    const started = STARTED.exec(text);
    if (started !== null) {
      // It is said of buffers that were overwritten: until here, this CPU's events are missing.
      this.context.log.note("lateCpu", line);
      this.context.sink.lost(Number(started[1]));
      return true;
    }
    if (!text.startsWith("#")) return false;
    const release = RELEASE.exec(text);
    if (release !== null) this.context.log.kernelText = release[1] ?? "";
    const entries = ENTRIES.exec(text);
    if (entries !== null) {
      const missing = Number(entries[2]) - Number(entries[1]);
      if (missing > 0) this.context.log.note("overwritten", line, missing);
    }
    return true;
  }
}
