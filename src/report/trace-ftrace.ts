// Events as ftrace text again: the part of a recording that concerns some pages, or a trace.dat for
// whoever wants to read lines. What pagelife reads of an event is printed; it can read it back.
import type { KernelEvent } from "../events/event.ts";
import type { FieldName } from "../events/vocabulary.ts";
import { isUnplaced, unplacedAddress } from "../trace/page-map.ts";
import type { Clock } from "../trace/sink.ts";
import { timeText } from "../trace/wording.ts";

export const FTRACE_HEADER = "# tracer: nop\n#\n#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION\n";

const DEFAULT_BASE = 0xffffea0000000000n;

/** @param base Start of the array of struct page, as hexadecimal text; null: the usual one. */
export function ftraceLine(e: KernelEvent, clock: Clock, base: string | null): string {
  const task = `${e.task.comm}-${e.task.tid}`.replace(/\n/g, "?");
  const comm = task.slice(0, task.lastIndexOf("-"));
  const head = `${comm.padStart(16)}-${String(e.task.tid).padEnd(7)} [${String(e.cpu).padStart(3, "0")}] ..... ${timeText(clock, e.time).padStart(12)}`;
  if (e.spec.role === "mark") return `${head}: ${e.spec.name}: ${e.text.replace(/[\r\n]/g, " ")}\n`;
  const site =
    e.spec.sampled === "none" || e.spec.sampled === "after"
      ? ""
      : ` (${e.site === "" ? `${e.spec.fn}+0x0/0x0` : e.site})`;
  const fields: string[] = [];
  for (const [field, key] of Object.entries(e.spec.fields)) {
    const value = fieldText(e, field as FieldName, base);
    if (value !== null) fields.push(`${key}=${value}`);
  }
  return `${head}: ${e.spec.name}:${site}${fields.length > 0 ? ` ${fields.join(" ")}` : ""}\n`;
}

function fieldText(e: KernelEvent, field: FieldName, base: string | null): string | null {
  switch (field) {
    case "page": {
      if (Number.isNaN(e.pfn)) return "0x0";
      if (isUnplaced(e.pfn)) return `0x${unplacedAddress(e.pfn)}`;
      const start = base === null ? DEFAULT_BASE : BigInt(`0x${base}`);
      return `0x${(start + BigInt(e.pfn) * 64n + BigInt(Number.isNaN(e.offset) ? 0 : e.offset)).toString(16)}`;
    }
    case "pfn":
      if (Number.isNaN(e.pfn)) return null;
      return `0x${((BigInt(e.pfnFlags) << 52n) + BigInt(e.pfn)).toString(16)}`;
    case "flags":
      if (e.flagWords !== "") return e.flagWords;
      return Number.isNaN(e.flags) ? null : `0x${(e.flags >>> 0).toString(16)}`;
    case "mapping":
    case "pgmap":
    case "inode":
    case "vma":
      return `0x${e[field] === "" ? "0" : e[field]}`;
    case "gup":
      return Number.isNaN(e.gup) ? null : `0x${(e.gup >>> 0).toString(16)}`;
    case "index":
      return Number.isNaN(e.index) ? null : `0x${BigInt(Math.trunc(e.index)).toString(16)}`;
    default:
      return Number.isNaN(e[field]) ? null : `${BigInt(Math.trunc(e[field]))}`;
  }
}
