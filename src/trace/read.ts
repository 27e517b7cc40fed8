// Chooses the reader for a detected format. The formats themselves are one file each in readers/.

import { FtraceTextReader } from "./readers/ftrace-text.ts";
import { PerfScriptReader } from "./readers/perf-script.ts";
import type { FormatName, ReadContext, TextReader } from "./readers/reader.ts";
import { TraceCmdReportReader } from "./readers/trace-cmd-report.ts";

export type TextFormat = Exclude<FormatName, "trace.dat">;

export function textReader(format: TextFormat, context: ReadContext): TextReader {
  switch (format) {
    case "ftrace text":
      return new FtraceTextReader(context);
    case "trace-cmd report":
      return new TraceCmdReportReader(context);
    case "perf script":
      return new PerfScriptReader(context);
  }
}
