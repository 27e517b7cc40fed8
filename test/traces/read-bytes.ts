// Reads a recording of any format that is in memory.
import { detect } from "../../src/trace/detect.ts";
import { textReader } from "../../src/trace/read.ts";
import type { FormatName, ReadContext } from "../../src/trace/readers/reader.ts";
import { bufferSource } from "../../src/trace/readers/trace-dat/byte-source.ts";
import { DamagedFile } from "../../src/trace/readers/trace-dat/decompress.ts";
import { TraceDatReader } from "../../src/trace/readers/trace-dat/trace-dat.ts";

/** Feeds the context's sink. @returns what it is; null for a trace.dat that is refused. */
export function readBytes(input: Buffer, context: ReadContext): FormatName | null {
  const detected = detect(input.subarray(0, 65_536));
  if (detected.kind === "trace.dat") {
    try {
      new TraceDatReader(bufferSource(input), context).read();
    } catch (error) {
      if (error instanceof DamagedFile) return null;
      throw error;
    }
    return "trace.dat";
  }
  const reader = textReader(detected.kind === "text" ? detected.format : "ftrace text", context);
  reader.push(input);
  reader.end();
  return reader.format;
}
