// Reads a recording that is already in memory, in chunks of any size.
import { type AnalysisOptions, TraceAnalysis } from "../../src/trace/analysis.ts";
import { detect } from "../../src/trace/detect.ts";
import { ImportLog } from "../../src/trace/import-log.ts";
import { PageMap } from "../../src/trace/page-map.ts";
import { textReader } from "../../src/trace/read.ts";
import { ReadContext } from "../../src/trace/readers/reader.ts";
import type { TraceReport } from "../../src/trace/report.ts";

export function analyseText(
  name: string,
  bytes: Buffer | string,
  options: AnalysisOptions = {},
  chunk = 65_536,
): TraceReport {
  const all = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
  const detected = detect(all.subarray(0, 65_536));
  if (detected.kind !== "text") throw new Error(`not a text recording: ${JSON.stringify(detected)}`);
  const analysis = new TraceAnalysis(options);
  const context = new ReadContext(new ImportLog(), new PageMap(), analysis);
  const reader = textReader(detected.format, context);
  for (let p = 0; p < all.length; p += chunk) reader.push(all.subarray(p, p + chunk));
  reader.end();
  return analysis.finish(name, detected.format, context);
}

/** `kind severity`, of errors, warnings, unknowns and waits. */
export const kinds = (report: TraceReport): string[] => report.findings.map((f) => `${f.kind} ${f.severity}`);
