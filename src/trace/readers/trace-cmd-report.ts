// The text that `trace-cmd report` prints: ftrace's lines, with the event's name padded, addresses
// where the kernel's symbols are not known, and a first line that counts CPUs.
import type { FormatName } from "./reader.ts";
import { TaskLineReader } from "./task-line.ts";

const DROPPED = /^CPU:(\d+) \[(?:(\d+) )?EVENTS DROPPED\]/;
const HEADER = /^(cpus=\d+|version = \d+|CPU \d+ is empty|trace-cmd:|\s*\[|buffer )/;

export class TraceCmdReportReader extends TaskLineReader {
  readonly format: FormatName = "trace-cmd report";

  protected otherLine(text: string, line: number): boolean {
    const lost = DROPPED.exec(text);
    if (lost !== null) {
      this.context.log.lost(lost[2] === undefined ? null : Number(lost[2]), line);
      this.context.sink.lost(Number(lost[1]));
      return true;
    }
    return text.startsWith("#") || HEADER.test(text);
  }
}
