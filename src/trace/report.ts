// The answer to one recording, as data that every output is drawn from.
import type { AnalysisContext } from "./analyses/context.ts";
import type { Outstanding } from "./analyses/holding.ts";
import type { Finding } from "./finding.ts";
import type { ImportLog } from "./import-log.ts";
import type { KernelRules } from "./kernel-rules.ts";
import type { FormatName } from "./readers/reader.ts";
import type { Clock } from "./sink.ts";
import type { PageState } from "./trackers/page-state.ts";

/** Neighbouring pages with the same story. */
export interface PageGroup {
  readonly pfns: readonly number[];
  readonly example: PageState;
}

/** Held pages over time: the most at once, in each slice of the recording. */
export interface HeldOverTime {
  readonly sliceNs: number;
  readonly most: readonly number[];
}

/** What the recording can tell, and what it cannot. */
export interface Coverage {
  readonly counts: "tracepoints" | "probes" | "both" | "none";
  readonly stacks: boolean;
  readonly waits: boolean;
  readonly wakes: boolean;
  readonly putsOfPins: boolean;
  readonly putsOfGets: boolean;
  readonly mappings: boolean;
  readonly removals: boolean;
  /** Sentences about what was not recorded, so not looked at. */
  readonly missing: readonly string[];
}

export interface TraceReport {
  readonly name: string;
  readonly format: FormatName;
  readonly clock: Clock;
  readonly start: number;
  readonly end: number;
  readonly events: number;
  readonly cpus: number;
  readonly tasks: number;
  readonly log: ImportLog;
  readonly eventCounts: readonly { readonly name: string; readonly count: number; readonly known: boolean }[];
  readonly kernel: {
    readonly rules: KernelRules | null;
    readonly because: string;
    readonly contradiction: string;
  };
  readonly findings: readonly Finding[];
  readonly outstanding: readonly Outstanding[];
  readonly pages: {
    readonly seen: number;
    /** Pages of ordinary memory, not looked at. */
    readonly ordinary: number;
    readonly dropped: number;
    readonly groups: readonly PageGroup[];
  };
  readonly held: HeldOverTime;
  readonly coverage: Coverage;
  readonly context: AnalysisContext;
  readonly illegalChecked: number;
}

/** Whether the recording proves something wrong, leaves it open, or is clean. */
export function outcomeOf(report: TraceReport): "finding" | "inconclusive" | "clean" {
  if (report.findings.some((f) => f.severity === "error" || f.severity === "warning")) return "finding";
  if (report.events === 0 || report.log.count("lostEvents") > 0 || report.log.count("truncated") > 0)
    return "inconclusive";
  if (report.log.count("damaged") > 0 || report.log.count("overwritten") > 0) return "inconclusive";
  if (report.findings.some((f) => f.severity === "unknown")) return "inconclusive";
  return "clean";
}
