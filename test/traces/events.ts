// Every event of a recording as one line of text, from whatever reader: for comparing readers.
import type { KernelEvent, Task } from "../../src/events/event.ts";
import { ImportLog } from "../../src/trace/import-log.ts";
import { PageMap } from "../../src/trace/page-map.ts";
import { textReader } from "../../src/trace/read.ts";
import { ReadContext } from "../../src/trace/readers/reader.ts";
import { bufferSource } from "../../src/trace/readers/trace-dat/byte-source.ts";
import { TraceDatReader } from "../../src/trace/readers/trace-dat/trace-dat.ts";
import { taskName, timeText } from "../../src/trace/wording.ts";

const FIELDS = [
  "pfn",
  "count",
  "mapcount",
  "val",
  "ret",
  "n",
  "gup",
  "mapping",
  "pgmap",
  "inode",
  "vma",
  "index",
  "start",
  "end",
  "text",
] as const;

function collector(): { readonly lines: string[]; readonly context: ReadContext } {
  const lines: string[] = [];
  const line = (name: string, time: number, cpu: number, task: Task): string =>
    `${taskName(task)} [${cpu}] ${timeText(context.clock, time)} ${name}`;
  const context: ReadContext = new ReadContext(new ImportLog(), new PageMap(), {
    event: (e: KernelEvent) => {
      const fields = FIELDS.filter((f) => e[f] !== "" && !Number.isNaN(e[f])).map((f) => `${f}=${e[f]}`);
      lines.push([line(e.spec.name, e.time, e.cpu, e.task), ...fields].join(" ").trimEnd());
    },
    other: (name, time, cpu, task) => lines.push(line(name, time, cpu, task)),
    stack: (cpu, stack) => lines.push(`stack [${cpu}] ${stack.frames.join(" ")}`),
    lost: (cpu) => lines.push(`lost [${cpu}]`),
  });
  return { lines, context };
}

export function eventsOfTraceDat(bytes: Buffer): string[] {
  const { lines, context } = collector();
  new TraceDatReader(bufferSource(bytes), context).read();
  return lines;
}

export function eventsOfReport(text: Buffer): string[] {
  const { lines, context } = collector();
  const reader = textReader("trace-cmd report", context);
  reader.push(text);
  reader.end();
  return lines;
}
